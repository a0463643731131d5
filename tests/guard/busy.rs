//! Installing on a table that a long transaction holds: it gives way to writers, again and again, and says who is in the way.

use crate::world::{PLACES, World, migration, reason, store_name};

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
    world
        .app
        .batch_execute("SET application_name = 'nightly report'; BEGIN; INSERT INTO notes VALUES (1, 1, 'long')")
        .await
        .unwrap();
    let pid: i32 = world.app.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let reason = reason(world.engine().install_guard(&migration(), &store_name("old")).await);
    for part in ["notes", &format!("process {pid}"), "user app", "nightly report"] {
        assert!(reason.contains(part), "{reason}");
    }
    // What could be guarded is, and the rest follows.
    assert_eq!(world.status().await.unguarded, ["public.notes", "public.stickers"]);
    world.app.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.install().await, ["public.notes", "public.stickers"]);
}
