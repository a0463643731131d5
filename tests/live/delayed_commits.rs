//! A point of no return that was sent before a move was aborted, and arrives when the abort is stored.

use std::sync::Arc;
use std::time::Duration;

use mover::engine::{LiveLimits, PgEngine, Store};
use mover_actors::domain::campaign::Tuning;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::tree::{Patience, Ports, Settings, Tree};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::campaign::{ONLINE, World, in_system};

const MOVED: &str = include_str!("../../src/engine/live/sql/moved.sql");

/// All actors, with stores whose locks are not waited for as long as usual.
async fn impatient_tree(world: &World) -> Tree {
    let lock_budget = Duration::from_millis(300);
    let stores = ["old", "new"]
        .map(|name| Store::open(StoreName::new(name).unwrap(), &world.servers.postgres_url(name), 8).unwrap());
    let engine = PgEngine::new(stores, world.app.world.definitions.iter().cloned())
        .with_live_limits(LiveLimits { lock_budget, ..LiveLimits::default() });
    let shared = &world.app.world;
    let ports = Ports { log: shared.log.clone(), flags: shared.flags.clone(), engine: Arc::new(engine) };
    let settings = Settings {
        node_name: "impatient".into(),
        lease: Duration::from_secs(15),
        tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
        patience: Patience { step_budget_ms: 60_000, crashes_max: 3 },
    };
    let mut tree = Tree::start(ports, settings, Vec::new()).await.unwrap();
    tree.up().await.unwrap();
    tree
}

/// The epoch under which a step of the only move was begun, once it was.
async fn begun(log: &Client, step: &str) -> i64 {
    loop {
        let sql = "SELECT epoch FROM mover.org_migration_event WHERE to_step = $1 ORDER BY id";
        match log.query(sql, &[&step]).await.unwrap().first() {
            Some(row) => return row.get(0),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn mode(store: &Client, key: &str) -> String {
    let sql = "SELECT mode FROM mover.org_guard WHERE org_key = $1";
    store.query_one(sql, &[&key]).await.unwrap().get(0)
}

/// The session that holds the lock of the switch is stuck: its sender has given up, and then its statement arrives.
#[test]
fn a_late_point_of_no_return_is_refused_after_the_abort_was_stored() {
    in_system(async {
        let world = World::start().await;
        let migration = MigrationName::new(ONLINE).unwrap();
        for store in ["old", "new"] {
            world.app.world.engine.install_guard(&migration, &StoreName::new(store).unwrap()).await.unwrap();
        }
        let tree = impatient_tree(&world).await;
        world.exec(&tree, "orgs capture whole_org").await;
        world.exec(&tree, "orgs ready whole_org 1").await;
        let [log, stuck] = [world.connect("mover").await, world.connect("old").await];
        let ready = "SELECT org_key FROM mover.org_migration_state WHERE state = 'ready'";
        let key: String = log.query_one(ready, &[]).await.unwrap().get(0);
        stuck.execute("SELECT pg_advisory_lock(mover.org_lock($1, $2))", &[&ONLINE, &key]).await.unwrap();

        let campaign = world.begin(&tree, "migrate whole_org 1").await;
        let sent = begun(&log, "switch").await;
        begun(&log, "abort").await;
        let snapshot = stuck.query_one("SELECT pg_current_snapshot()::text", &[]).await.unwrap();
        let snapshot: String = snapshot.get(0);
        let moved = stuck.query_one(MOVED, &[&ONLINE, &[key.as_str()].as_slice(), &[sent].as_slice(), &snapshot]).await;
        let refused = moved.expect_err("the org has left its source after its move was given up");
        assert_eq!(refused.code(), Some(&SqlState::DIVISION_BY_ZERO));
        stuck.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();

        let ended = world.ended(&tree, &campaign).await;
        assert_eq!((ended.migrated, ended.failed), (0, 1));
        assert_eq!(mode(&stuck, &key).await, "settled");
        assert_eq!(mode(&world.connect("new").await, &key).await, "discarded");
        tree.stop().await.unwrap();
    });
}
