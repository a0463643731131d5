//! Installing on a table that a long transaction holds: it backs off for writers, again and again, and names the blocking
//! session.

use std::time::Duration;

use mover::engine::LiveLimits;
use tokio_postgres::Client;

use crate::world::{PLACES, World, migration, other_migration, reason, store_name};

const INSTALL_WAITS: &str =
    "pg_locks WHERE relation = 'notes'::regclass AND mode = 'ShareRowExclusiveLock' AND NOT granted";

#[tokio::test]
async fn writers_pass_while_installing_waits_for_a_long_transaction() {
    let world = World::bare().await;
    world.app.batch_execute("BEGIN; INSERT INTO notes VALUES (1, 1, 'long')").await.unwrap();
    let engine = world.engine();
    let installing = tokio::spawn(async move { engine.install_guard(&migration(), &store_name("old")).await });
    let writer = world.another_app().await;
    for id in 2..5 {
        world.wait_for(INSTALL_WAITS).await;
        // It queues behind, and yet it commits while the long transaction is still open.
        writer.batch_execute(&format!("INSERT INTO notes VALUES ({id}, 2, 'short')")).await.unwrap();
        assert!(!installing.is_finished());
    }
    // The transaction that was there first is not disturbed.
    world.app.batch_execute("INSERT INTO notes VALUES (9, 1, 'long'); COMMIT").await.unwrap();
    assert_eq!(installing.await.unwrap().unwrap(), PLACES);
    assert_eq!(world.count("notes").await, 5);
    assert_eq!(world.status().await.unguarded, [""; 0]);
}

#[tokio::test]
async fn who_is_in_the_way_is_named_in_the_end() {
    let world = World::bare().await;
    world.engine().install_guard(&other_migration(), &store_name("old")).await.unwrap();
    // A writer, and what VACUUM and CREATE INDEX CONCURRENTLY hold.
    let writer = in_the_way(&world, "nightly import", "INSERT INTO notes VALUES (1, 1, 'long')").await;
    let tidier = in_the_way(&world, "tidier", "LOCK TABLE stickers IN SHARE UPDATE EXCLUSIVE MODE").await;
    // Triggers can be created while a session reads, but not dropped.
    let reader = in_the_way(&world, "nightly report", "SELECT FROM events").await;

    let limits = LiveLimits { lock_budget: Duration::from_secs(1), ..LiveLimits::default() };
    let engine = world.engine().with_live_limits(limits);
    let (migration, other, old) = (migration(), other_migration(), store_name("old"));
    let (installed, removed) =
        tokio::join!(engine.install_guard(&migration, &old), engine.remove_guard(&other, &old, false));
    assert_names(&reason(installed), "public.notes", "nightly import");
    assert_names(&reason(removed), "public.events", "nightly report");
    // What could be guarded is, and the rest follows.
    assert_eq!(world.status().await.unguarded, ["public.notes", "public.stickers"]);
    writer.batch_execute("COMMIT").await.unwrap();
    reader.batch_execute("COMMIT").await.unwrap();
    assert_names(&reason(engine.install_guard(&migration, &old).await), "public.stickers", "tidier");
    tidier.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.install().await, ["public.stickers"]);
    assert_eq!(
        engine.remove_guard(&other, &old, false).await.unwrap(),
        [
            "public.events",
            "public.events_2025",
            "public.events_2026",
            "public.events_2026_1",
            "public.events_2026_others",
            "public.notes"
        ]
    );
}

/// One process at a time creates triggers. Others wait for their turn, and do not name it as blocking.
#[tokio::test]
async fn another_mover_is_waited_for_and_not_named() {
    const TURN: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('mover.guard'))";
    const STANDS_IN_LINE: &str = "pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND waitstart < clock_timestamp() - interval '500 ms'";
    let world = World::bare().await;
    world.old.batch_execute(TURN).await.unwrap();
    let engine = world.engine();
    let installing = tokio::spawn(async move { engine.install_guard(&other_migration(), &store_name("old")).await });
    world.wait_for(STANDS_IN_LINE).await;
    world.old.batch_execute("COMMIT").await.unwrap();
    installing.await.unwrap().unwrap();

    let _report = in_the_way(&world, "nightly report", "SELECT FROM events").await;
    world.old.batch_execute(&format!("{TURN}; SELECT FROM events")).await.unwrap();
    let limits = LiveLimits { lock_budget: Duration::from_millis(1), ..LiveLimits::default() };
    let engine = world.engine().with_live_limits(limits);
    let removed = engine.remove_guard(&other_migration(), &store_name("old"), false).await;
    assert_names(&reason(removed), "public.events", "nightly report");
}

async fn in_the_way(world: &World, name: &str, sql: &str) -> Client {
    let client = world.another_app().await;
    client.batch_execute(&format!("SET application_name = '{name}'")).await.unwrap();
    client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
    client
}

fn assert_names(reason: &str, place: &str, application: &str) {
    for part in [place, "process ", "user app", application] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(reason.matches("process ").count(), 1, "{reason}");
}
