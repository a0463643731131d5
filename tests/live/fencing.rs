//! The stores themselves refuse stale epochs.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;
use mover_actors::ports::EngineError;

use crate::support::handed_over;
use crate::world::{MIGRATION, World, blocked, copied, lease, moved, no_backup, refusal, switched};

fn stale<T>(result: Result<T, EngineError>) -> String {
    match result {
        Err(error) if error.reason.contains("newer epoch") => error.reason,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a stale lease was not refused"),
    }
}

#[tokio::test]
async fn a_stale_claim_can_do_nothing_before_the_switch() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 5)).await;
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE org = 1").await.unwrap();
    let before = world.rows(&world.new, "1").await;
    let old = lease("1", 4);
    stale(engine.capture(&old).await);
    stale(engine.copy_live(&old).await);
    stale(engine.catch_up(&old, Way::Forward).await);
    stale(engine.compare(&old, Way::Forward).await);
    stale(engine.block(&old, Way::Forward).await);
    stale(engine.has_moved(&old, Way::Forward).await);
    stale(engine.release(&old).await);
    stale(engine.discard(&old).await);
    stale(engine.close(&old, &no_backup()).await);
    assert_eq!(world.rows(&world.new, "1").await, before);
    assert!(world.count(&world.old, "mover.change_log").await > 0);
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
    for client in [&world.old, &world.new] {
        assert_eq!(world.count(client, "mover.org_guard WHERE org_key = '1' AND epoch = 5").await, 1);
    }
}

#[tokio::test]
async fn a_block_that_was_overtaken_cannot_hand_over() {
    let world = World::start().await;
    let (engine, other) = (world.engine(), world.engine());
    copied(&engine, &lease("1", 5)).await;
    let mut block = engine.block(&lease("1", 5), Way::Forward).await.unwrap().unwrap();
    assert!(!other.has_moved(&lease("1", 6), Way::Forward).await.unwrap());
    stale(handed_over(&mut block).await);
    block.release().await.unwrap();
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
    switched(&other, &lease("1", 6), Way::Forward).await;
}

/// Its successor has asked both stores, and has not opened the other one yet.
#[tokio::test]
async fn who_was_overtaken_past_the_point_of_no_return_does_not_arrive() {
    let world = World::start().await;
    let (engine, other) = (world.engine(), world.engine());
    copied(&engine, &lease("1", 5)).await;
    let mut block = blocked(&engine, &lease("1", 5)).await;
    // Something is left to carry over, and with its commit the guard row of the target is free again.
    let late = "SET session_replication_role = replica; UPDATE accounts SET touched = 1 WHERE email = 'a1@1';
        INSERT INTO mover.change_log
        SELECT 'whole_org', '1', 'accounts', ARRAY['1', id::text], false FROM accounts WHERE email = 'a1@1'";
    world.old.batch_execute(late).await.unwrap();
    assert_eq!(block.leave().await.unwrap().keys, 1);
    assert!(other.has_moved(&lease("1", 6), Way::Forward).await.unwrap());
    stale(block.arrive().await);
    drop(block);
    assert_eq!(world.modes("1").await, ("moved".into(), "incoming".into()));
    other.complete(&lease("1", 6), Way::Forward).await.unwrap();
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    world.assert_alike("1").await;
}

#[tokio::test]
async fn an_org_does_not_arrive_before_it_has_left() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    let reason = refusal(engine.complete(&lease("1", 1), Way::Forward).await);
    assert!(reason.contains("has not left old yet"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
}

#[tokio::test]
async fn asking_whether_an_org_has_moved_fences_both_stores() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 5)).await;
    assert!(!engine.has_moved(&lease("1", 6), Way::Forward).await.unwrap());
    for client in [&world.old, &world.new] {
        assert_eq!(world.count(client, "mover.org_guard WHERE org_key = '1' AND epoch = 6").await, 1);
    }
    // A store without a row of an org does not learn from this that it lives there.
    assert!(!engine.has_moved(&lease("2", 7), Way::Forward).await.unwrap());
    assert_eq!(world.count(&world.new, "mover.org_guard WHERE org_key = '2'").await, 0);
    moved(&engine, &lease("2", 8)).await;
}

#[tokio::test]
async fn a_stale_claim_can_do_nothing_after_the_switch() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 5)).await;
    let old = lease("1", 4);
    stale(engine.complete(&old, Way::Forward).await);
    stale(engine.catch_up(&old, Way::Back).await);
    stale(engine.block(&old, Way::Back).await);
    stale(engine.purge(&old, &no_backup()).await);
    stale(engine.back_up(&old).await);
    stale(engine.discard_rolled_back(&old).await);
    switched(&engine, &lease("1", 7), Way::Back).await;
    stale(engine.discard_rolled_back(&lease("1", 6)).await);
    stale(engine.complete(&lease("1", 6), Way::Back).await);
}

#[tokio::test]
async fn steps_that_do_not_fit_are_refused() {
    let world = World::start().await;
    let engine = world.engine();
    // Nothing is logged yet, so a copy would be outdated.
    assert!(engine.copy_live(&lease("1", 1)).await.is_err());
    assert!(engine.catch_up(&lease("1", 1), Way::Forward).await.is_err());
    assert!(engine.catch_up(&lease("1", 1), Way::Back).await.is_err());
    assert!(engine.complete(&lease("1", 1), Way::Forward).await.is_err());
    moved(&engine, &lease("1", 1)).await;
    for error in [
        engine.capture(&lease("1", 2)).await.err(),
        engine.copy_live(&lease("1", 2)).await.err(),
        engine.catch_up(&lease("1", 2), Way::Forward).await.err(),
        engine.discard_rolled_back(&lease("1", 2)).await.err(),
        // The way back is still open.
        engine.purge(&lease("1", 2), &no_backup()).await.err(),
    ] {
        let error = error.unwrap();
        assert!(!error.transient, "{error}");
    }
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_stray_write_that_began_before_the_copy_is_waited_for_and_found() {
    let world = World::start().await;
    let engine = world.engine();
    world.new.batch_execute("BEGIN; INSERT INTO events VALUES (99, 1, 'astray')").await.unwrap();
    engine.capture(&lease("1", 1)).await.unwrap();
    let ours = lease("1", 1);
    let copy = engine.copy_live(&ours);
    tokio::pin!(copy);
    tokio::select! {
        biased;
        copied = &mut copy => panic!("it did not wait: {copied:?}"),
        // Its guard row is there, and it polls.
        () = world.wait_for("new", "pg_stat_activity WHERE datname = 'new' AND query LIKE '%virtualtransaction%' AND state = 'idle'") => {}
    }
    world.new.batch_execute("COMMIT").await.unwrap();
    copy.await.unwrap();
    let (old, new) = engine.compare(&ours, Way::Forward).await.unwrap();
    assert_eq!(old.0["events"].rows + 1, new.0["events"].rows);
}

#[tokio::test]
async fn two_that_carry_over_at_once_do_not_undo_each_other() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    let ours = lease("1", 1);
    for round in 0..20 {
        let change = format!("UPDATE accounts SET touched = {round} WHERE org = 1 AND id % 3 = 0");
        world.old.batch_execute(&change).await.unwrap();
        let rounds = (0..3).map(|_| engine.catch_up(&ours, Way::Forward));
        let (all, _) = tokio::join!(
            futures_util::future::try_join_all(rounds),
            world.old.batch_execute("UPDATE groups SET name = name || '+' WHERE org = 1"),
        );
        all.unwrap();
    }
    crate::world::caught_up(&engine, &ours, Way::Forward).await;
    world.assert_alike("1").await;
}

/// A partition that was attached since, a trigger that was disabled.
#[tokio::test]
async fn nothing_is_captured_while_a_guard_has_gaps() {
    let world = World::start().await;
    let engine = world.engine();
    for client in [&world.old, &world.new] {
        let trigger = format!("mover_guard_{MIGRATION}_update");
        client.batch_execute(&format!("ALTER TABLE events_1 DISABLE TRIGGER {trigger}")).await.unwrap();
        let reason = refusal(engine.capture(&lease("1", 1)).await);
        let store = if std::ptr::eq(client, &world.old) { "old" } else { "new" };
        let next = format!("it is not guarded; next: mover guard install {store} {MIGRATION} --awake");
        assert!(reason.contains("events_1") && reason.contains(&next), "{reason}");
        assert_eq!(world.count(&world.old, "mover.org_guard WHERE mode <> 'settled'").await, 0);
        client.batch_execute(&format!("ALTER TABLE events_1 ENABLE TRIGGER {trigger}")).await.unwrap();
    }
    engine.capture(&lease("1", 1)).await.unwrap();
}
