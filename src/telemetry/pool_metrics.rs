//! Connections to the move log and to the stores.

use deadpool_postgres::{Pool, Status};

use crate::engine::PgEngine;

use super::page::{Page, count};

/// Connections in use, and callers that wait for one. Sends no query.
pub(super) fn write(logs: &[(&str, &Pool)], engine: &PgEngine, page: &mut Page) {
    let stores = engine.pools().map(|(store, status)| (format!("store:{store}"), status));
    let logs = logs.iter().map(|(whose, pool)| ((*whose).to_owned(), pool.status()));
    let mut pools: Vec<(String, Status)> = logs.chain(stores).collect();
    pools.sort_by(|a, b| a.0.cmp(&b.0));
    let mut connections =
        page.gauge("mover_pool_connections", "Connections of a pool that are in use or idle, and who waits for one");
    for (pool, status) in &pools {
        let in_use = status.size.saturating_sub(status.available);
        for (state, number) in [("in_use", in_use), ("idle", status.available), ("waiting", status.waiting)] {
            connections.sample(&[("pool", pool), ("state", state)], count(number as u64));
        }
    }
    let mut max = page.gauge("mover_pool_connections_max", "Connections that a pool may have");
    for (pool, status) in &pools {
        max.sample(&[("pool", pool)], count(status.max_size as u64));
    }
}
