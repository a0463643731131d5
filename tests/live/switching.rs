//! The switch: which sessions wait, which are refused, and which are named.

use std::time::{Duration, Instant};

use crate::one_org::OneOrg;
use mover::engine::LiveLimits;
use mover_actors::domain::state::Way;
use tokio_postgres::Client;

use crate::support::handed_over;
use crate::world::{World, blocked, copied, impatient, lease, refusal, switched};
use crate::writers::Writers;

const WRITE: &str = "INSERT INTO events VALUES (777, 1, 'waits')";
const WAITING: &str = "pg_locks WHERE locktype = 'advisory' AND NOT granted";

fn code(result: Result<(), tokio_postgres::Error>) -> String {
    result.unwrap_err().code().unwrap().code().into()
}

/// A connection of its own that writes in the background.
async fn writing(
    world: &World,
    store: &str,
    sql: &'static str,
) -> tokio::task::JoinHandle<Result<(), tokio_postgres::Error>> {
    let client: Client = world.server.connect(store).await;
    tokio::spawn(async move { client.batch_execute(sql).await })
}

#[tokio::test]
async fn writers_wait_while_the_lock_is_held_and_are_sent_on_then() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    let mut block = engine.block(&lease("1", 1), Way::Forward).await.unwrap().unwrap();
    let read_committed = writing(&world, "old", WRITE).await;
    let repeatable_read =
        writing(&world, "old", "BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM accounts WHERE org = 1; COMMIT")
            .await;
    world.wait_for("old", &format!("(SELECT FROM {WAITING} OFFSET 1) s")).await;
    // Readers do not wait, other orgs are written meanwhile, and the copy is not.
    assert_eq!(world.old.query("SELECT FROM groups WHERE org = 1", &[]).await.unwrap().len(), 12);
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE org = 2").await.unwrap();
    assert_eq!(code(world.new.batch_execute(WRITE).await), "MV002");
    let caught_up = handed_over(&mut block).await.unwrap();
    assert_eq!((caught_up.keys, caught_up.left), (0, 0));
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    assert!(!read_committed.is_finished() && !repeatable_read.is_finished());
    block.release().await.unwrap();
    assert_eq!(code(read_committed.await.unwrap()), "MV001");
    assert_eq!(code(repeatable_read.await.unwrap()), "40001");
    assert_eq!(code(world.old.batch_execute(WRITE).await), "MV001");
    world.new.batch_execute(WRITE).await.unwrap();
    assert_eq!(world.count(&world.new, "mover.change_log").await, 1);
}

#[tokio::test]
async fn a_block_that_is_dropped_lets_writers_go_on_where_they_were() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    let block = engine.block(&lease("1", 1), Way::Forward).await.unwrap().unwrap();
    let writer = writing(&world, "old", WRITE).await;
    world.wait_for("old", WAITING).await;
    drop(block);
    writer.await.unwrap().unwrap();
    switched(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}

/// The stores end the sessions of a Mover that hangs.
#[tokio::test]
async fn a_mover_that_hangs_does_not_keep_writers_waiting() {
    let world = World::start().await;
    let engine = world.engine_that_blocks_for(100);
    copied(&engine, &lease("1", 1)).await;
    let mut block = blocked(&engine, &lease("1", 1)).await;
    world.old.batch_execute("SET lock_timeout = '20s'").await.unwrap();
    world.old.batch_execute(WRITE).await.unwrap();
    // It wakes up too late, in the middle of it.
    handed_over(&mut block).await.unwrap_err();
    let left = "pg_stat_activity WHERE datname = 'new' AND state LIKE 'idle in transaction%'";
    world.wait_for("new", &format!("(SELECT WHERE NOT EXISTS (SELECT FROM {left})) s")).await;
    assert!(!engine.has_moved(&lease("1", 1), Way::Forward).await.unwrap());
    switched(&world.engine(), &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn what_was_written_last_is_carried_over() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    // Holds the lock until it commits, after the last round before the lock.
    world.old.batch_execute("BEGIN; UPDATE groups SET name = name || '!' WHERE org = 1").await.unwrap();
    let ours = lease("1", 1);
    let blocking = engine.block(&ours, Way::Forward);
    let (block, ()) = tokio::join!(blocking, async {
        world.wait_for("old", "pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ExclusiveLock'").await;
        world.old.batch_execute("COMMIT").await.unwrap();
    });
    let mut block = block.unwrap().unwrap();
    handed_over(&mut block).await.unwrap();
    block.release().await.unwrap();
    world.assert_alike("1").await;
    assert_eq!(world.count(&world.new, "groups WHERE name LIKE '%!'").await, 12);
}

#[tokio::test]
async fn a_transaction_that_does_not_end_is_named_and_does_not_keep_writers_waiting() {
    let world = World::start().await;
    let engine = world.engine().with_live_limits(impatient());
    copied(&engine, &lease("1", 1)).await;
    let pid: i32 = world.old.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    world.old.batch_execute("BEGIN; UPDATE groups SET name = name || '!' WHERE org = 1").await.unwrap();
    let reason = refusal(engine.block(&lease("1", 1), Way::Forward).await);
    for part in [&format!("process {pid} of user mover"), "idle in transaction", "UPDATE groups SET name"] {
        assert!(reason.contains(part), "{reason}");
    }
    // The same for taking back, which needs the lock too.
    let reason = refusal(engine.release(&lease("1", 1)).await);
    assert!(reason.contains(&format!("process {pid}")), "{reason}");
    world.old.batch_execute("COMMIT").await.unwrap();
    switched(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_switch_that_would_take_too_long_lets_writers_go_on() {
    let world = World::start().await;
    let engine = world.engine_that_blocks_for(100);
    copied(&engine, &lease("1", 1)).await;
    let mut block = blocked(&engine, &lease("1", 1)).await;
    // Another session holds the row that must be locked in the target.
    world.new.batch_execute("BEGIN; SELECT FROM mover.org_guard WHERE org_key = '1' FOR UPDATE").await.unwrap();
    let error = handed_over(&mut block).await.unwrap_err();
    assert!(error.transient && error.reason.contains("than writers may wait"), "{error}");
    block.release().await.unwrap();
    world.old.batch_execute(WRITE).await.unwrap();
    world.new.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
    switched(&world.engine(), &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_switch_that_died_past_the_point_of_no_return_is_completed() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world.old.batch_execute("UPDATE mover.org_guard SET mode = 'moved' WHERE org_key = '1'").await.unwrap();
    let engine = world.engine();
    assert!(engine.has_moved(&lease("1", 2), Way::Forward).await.unwrap());
    assert!(engine.block(&lease("1", 2), Way::Forward).await.unwrap().is_none());
    assert!(refusal(engine.release(&lease("1", 2)).await).contains("moved away"));
    for _ in 0..2 {
        engine.complete(&lease("1", 2), Way::Forward).await.unwrap();
        assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    }
    assert!(refusal(engine.discard(&lease("1", 2)).await).contains("live"));
}

#[tokio::test]
async fn writers_of_a_quiet_org_wait_for_milliseconds() {
    let world = World::start().await;
    let engine = world.engine();
    let mut held = Vec::new();
    for (key, epoch) in [("1", 1), ("2", 2), ("3", 3)] {
        copied(&engine, &lease(key, epoch)).await;
        let mut block = engine.block(&lease(key, epoch), Way::Forward).await.unwrap().unwrap();
        let begun = Instant::now();
        handed_over(&mut block).await.unwrap();
        block.release().await.unwrap();
        held.push(begun.elapsed());
    }
    println!("lock held: {held:?}");
    // The same with some rows that were written last: as if their writers had been let through after the last round.
    let mut held = Vec::new();
    for epoch in 4..8 {
        let key = ["2", "3"][usize::try_from(epoch).unwrap() % 2];
        let (way, client) = if epoch < 6 { (Way::Back, &world.new) } else { (Way::Forward, &world.old) };
        client.batch_execute("SET session_replication_role = replica").await.unwrap();
        if epoch >= 6 {
            engine.discard_rolled_back(&lease(key, epoch)).await.unwrap();
            copied(&engine, &lease(key, epoch)).await;
        }
        let mut block = engine.block(&lease(key, epoch), way).await.unwrap().unwrap();
        client
            .batch_execute(&format!(
                "UPDATE accounts SET touched = {epoch} WHERE org = {key} AND id % 6 = 0;
                 INSERT INTO mover.change_log SELECT 'whole_org', '{key}', 'accounts', ARRAY['{key}', id::text], false
                 FROM accounts WHERE org = {key} AND id % 6 = 0;
                 INSERT INTO mover.change_log SELECT 'whole_org', '{key}', 'groups', ARRAY[id::text], true
                 FROM groups WHERE org = {key} AND name = 'g1'"
            ))
            .await
            .unwrap();
        let begun = Instant::now();
        let caught_up = handed_over(&mut block).await.unwrap();
        block.release().await.unwrap();
        held.push((begun.elapsed(), caught_up.keys));
        world.assert_alike(key).await;
    }
    println!("lock held, with keys: {held:?}");
}

/// A lock can be granted in the very instant in which the wait for it times out.
#[tokio::test]
async fn a_lock_that_came_too_late_is_not_kept() {
    let world = World::start().await;
    let lock_budget = Duration::from_millis(200);
    let limits = LiveLimits { lock_timeout: Duration::from_millis(1), lock_budget, ..LiveLimits::default() };
    let engine = world.engine().with_live_limits(limits);
    let writers = Writers::start(&world, "1", 3, 7).await;
    for epoch in 1..=60 {
        // Whether it got the lock in the end or not, nothing of it may be left.
        if engine.capture(&lease("1", epoch)).await.is_ok() {
            engine.release(&lease("1", epoch)).await.ok();
        }
        let kept = "pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted";
        let gone = format!("(SELECT WHERE NOT EXISTS (SELECT FROM {kept})) s");
        world.wait_for("new", &gone).await;
    }
    writers.stop().await;
}
