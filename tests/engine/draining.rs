//! Mover waits for open writers, and names them when they do not end.

use std::time::Duration;

use crate::one_org::OneOrg;

use crate::world::{World, keyed, lease};

const SCHEMA: &str = "
    CREATE TABLE notes (id int PRIMARY KEY, org int) PARTITION BY HASH (id);
    CREATE TABLE notes_0 PARTITION OF notes FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE TABLE other (id int);
";

#[tokio::test]
async fn an_open_writer_is_waited_for() {
    let world = World::with_schema(SCHEMA).await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.drain(&lease("1", 1)).await.unwrap();
    world.old.batch_execute("BEGIN; INSERT INTO notes_0 VALUES (1, 1)").await.unwrap();
    let org = lease("1", 1);
    let drain = engine.drain(&org);
    tokio::pin!(drain);
    tokio::select! {
        biased;
        result = &mut drain => panic!("it did not wait: {result:?}"),
        // By the time this other connection gets its answer, the drain has polled many times.
        _ = world.new.batch_execute("SELECT pg_sleep(0.3)") => {}
    }
    // A writer that comes later was admitted after the block.
    let late = world.server.connect("old").await;
    late.batch_execute("BEGIN; INSERT INTO notes VALUES (2, 2)").await.unwrap();
    world.old.batch_execute("COMMIT").await.unwrap();
    drain.await.unwrap();
}

#[tokio::test]
async fn a_writer_that_does_not_end_is_named() {
    let world = World::with_schema(SCHEMA).await;
    let engine = world.engine(vec![keyed("notes", "org")]).with_drain_budget(Duration::from_millis(50));
    let pid: i32 = world.old.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    world.old.batch_execute("BEGIN; INSERT INTO notes VALUES (1, 1)").await.unwrap();
    let error = engine.drain(&lease("1", 1)).await.unwrap_err();
    assert!(!error.transient);
    for part in [&format!("process {pid} of user mover"), "idle in transaction", "INSERT INTO notes VALUES (1, 1)"] {
        assert!(error.reason.contains(part), "{error}");
    }
    world.old.batch_execute("PREPARE TRANSACTION 'left over'").await.unwrap();
    let error = engine.drain(&lease("1", 1)).await.unwrap_err();
    assert!(error.reason.contains("prepared transaction 'left over'"), "{error}");
    world.old.batch_execute("ROLLBACK PREPARED 'left over'").await.unwrap();
    engine.drain(&lease("1", 1)).await.unwrap();
}

#[tokio::test]
async fn readers_and_writers_of_other_tables_are_not_waited_for() {
    let world = World::with_schema(SCHEMA).await;
    let engine = world.engine(vec![keyed("notes", "org")]).with_drain_budget(Duration::ZERO);
    world.old.batch_execute("BEGIN; SELECT * FROM notes; INSERT INTO other VALUES (1)").await.unwrap();
    engine.drain(&lease("1", 1)).await.unwrap();
}

/// It may write long afterwards, in the middle of the copy.
#[tokio::test]
async fn who_has_locked_rows_to_change_them_is_waited_for() {
    let world = World::with_schema(SCHEMA).await;
    let engine = world.engine(vec![keyed("notes", "org")]).with_drain_budget(Duration::from_millis(50));
    world.old.batch_execute("BEGIN; SELECT FROM notes FOR UPDATE").await.unwrap();
    let error = engine.drain(&lease("1", 1)).await.unwrap_err();
    assert!(error.reason.contains("SELECT FROM notes FOR UPDATE"), "{error}");
    world.old.batch_execute("ROLLBACK").await.unwrap();
    engine.drain(&lease("1", 1)).await.unwrap();
}
