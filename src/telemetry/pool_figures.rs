//! Connections to the move log and to the stores.

use crate::operations::World;

use super::page::{Page, count};

/// The use of one pool.
struct Use {
    pool: String,
    open: usize,
    idle: usize,
    waiting: usize,
    max: usize,
}

/// Who has connections, and who waits for one. Asks nobody.
pub(super) fn write(world: &World, page: &mut Page) {
    let log = world.log.pool().status();
    let log =
        Use { pool: "move_log".into(), open: log.size, idle: log.available, waiting: log.waiting, max: log.max_size };
    let stores = world.engine.pools().map(|(store, status)| Use {
        pool: format!("store:{store}"),
        open: status.size,
        idle: status.available,
        waiting: status.waiting,
        max: status.max_size,
    });
    let mut pools: Vec<Use> = std::iter::once(log).chain(stores).collect();
    pools.sort_by(|a, b| a.pool.cmp(&b.pool));
    let mut connections =
        page.gauge("mover_pool_connections", "Connections of a pool that are in use or idle, and who waits for one");
    for Use { pool, open, idle, waiting, .. } in &pools {
        for (state, number) in [("in_use", open.saturating_sub(*idle)), ("idle", *idle), ("waiting", *waiting)] {
            connections.sample(&[("pool", pool), ("state", state)], count(number as u64));
        }
    }
    let mut max = page.gauge("mover_pool_connections_max", "Connections that a pool may have");
    for Use { pool, max: most, .. } in &pools {
        max.sample(&[("pool", pool)], count(*most as u64));
    }
}
