//! Several orgs that are carried through their steps together.

use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::{Access, CaughtUp, Engine, EngineError};

use crate::support::handed_over;
use crate::world::{World, lease, refusal};

fn three() -> [Lease; 3] {
    ["3", "1", "2"].map(|key| lease(key, 5))
}

const WRITE: &str = "UPDATE accounts SET email = 'new@1' WHERE org = 1 AND email = 'a1@1';
    DELETE FROM groups WHERE org = 2 AND name = 'g4';
    INSERT INTO events VALUES (99, 3, 'late')";

async fn caught_up(engine: &impl Engine, leases: &[Lease], way: Way) -> i64 {
    let mut sum = 0;
    loop {
        let CaughtUp { keys, left } = engine.catch_up(leases, way).await.unwrap();
        sum += keys;
        if left == 0 {
            return sum;
        }
    }
}

#[tokio::test]
async fn orgs_move_together_while_they_are_written_and_come_back_together() {
    let world = World::start().await;
    let (engine, leases) = (world.engine(), three());
    engine.capture(&leases).await.unwrap();
    let copied = engine.copy_live(&leases).await.unwrap();
    assert_eq!(copied.rows, 3 * (60 + 12 + 12 * 5 + 12 * 3 + 12 * 3 * 4 + 50));
    world.old.batch_execute(WRITE).await.unwrap();
    // Logged rows are left out, org by org.
    let tallies = engine.compare(&leases, Way::Forward).await.unwrap();
    assert_eq!(tallies.len(), 3);
    for ((leaving, receiving), lease) in tallies.iter().zip(&leases) {
        assert_eq!(leaving, receiving, "org {}", lease.key);
    }
    let events = |place: usize| tallies[place].0.0["events"].rows;
    assert_eq!([events(0), events(1), events(2)], [50, 50, 50], "in the order of the leases");
    assert!(caught_up(&engine, &leases, Way::Forward).await >= 3);
    let blocked = engine.block(&leases, Way::Forward).await.unwrap();
    assert_eq!(blocked.orgs, [Access::Held; 3]);
    let mut block = blocked.block.unwrap();
    handed_over(&mut block).await.unwrap();
    block.release().await.unwrap();
    for lease in &leases {
        world.assert_alike(lease.key.as_str()).await;
        assert_eq!(world.modes(lease.key.as_str()).await, ("moved".into(), "capturing".into()));
    }
    let refused =
        world.old.batch_execute("UPDATE accounts SET email = 'x' WHERE org = 2 AND email = 'a1@2'").await.unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("MV001"));

    world.new.batch_execute("UPDATE events SET what = 'back' WHERE org IN (1, 3)").await.unwrap();
    let back = ["3", "1", "2"].map(|key| lease(key, 6));
    assert!(caught_up(&engine, &back, Way::Back).await >= 100);
    let blocked = engine.block(&back, Way::Back).await.unwrap();
    let mut block = blocked.block.unwrap();
    handed_over(&mut block).await.unwrap();
    block.release().await.unwrap();
    for lease in &back {
        world.assert_alike(lease.key.as_str()).await;
        assert_eq!(world.modes(lease.key.as_str()).await, ("settled".into(), "moved".into()));
    }
}

#[tokio::test]
async fn an_org_whose_writers_are_at_work_is_left_out_of_the_switch() {
    let world = World::start().await;
    let (engine, leases) = (world.engine(), three());
    engine.capture(&leases).await.unwrap();
    engine.copy_live(&leases).await.unwrap();
    world
        .old
        .batch_execute("BEGIN; UPDATE accounts SET email = 'open' WHERE org = 1 AND email = 'a1@1'")
        .await
        .unwrap();
    let blocked = engine.block(&leases, Way::Forward).await.unwrap();
    assert_eq!(blocked.orgs, [Access::Held, Access::Busy, Access::Held]);
    let mut block = blocked.block.unwrap();
    handed_over(&mut block).await.unwrap();
    // The orgs without writers are done; the writer of the busy org was never delayed.
    world
        .old
        .batch_execute("UPDATE accounts SET email = 'more' WHERE org = 1 AND email = 'a2@1'; COMMIT")
        .await
        .unwrap();
    block.release().await.unwrap();
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
    assert_eq!(world.modes("2").await, ("moved".into(), "capturing".into()));
    // The others have arrived; asked again, they have moved, and must not wait for the one that is left.
    let blocked = engine.block(&leases, Way::Forward).await.unwrap();
    assert_eq!(blocked.orgs, [Access::Moved, Access::Busy, Access::Moved]);
    assert!(blocked.block.is_none());
    let mut block = engine.block(&leases[1..2], Way::Forward).await.unwrap().block.unwrap();
    handed_over(&mut block).await.unwrap();
    block.release().await.unwrap();
    world.assert_alike("1").await;
    engine.complete(&leases, Way::Forward).await.unwrap();
    for lease in &leases {
        assert_eq!(world.modes(lease.key.as_str()).await, ("moved".into(), "capturing".into()));
    }
}

#[tokio::test]
async fn the_point_of_no_return_is_passed_by_all_or_by_none() {
    let world = World::start().await;
    let (engine, leases) = (world.engine(), three());
    engine.capture(&leases).await.unwrap();
    engine.copy_live(&leases).await.unwrap();
    let mut block = engine.block(&leases, Way::Forward).await.unwrap().block.unwrap();
    // One of them is taken over while the writers of all of them wait.
    world.old.execute("UPDATE mover.org_guard SET epoch = 9 WHERE org_key = '2'", &[]).await.unwrap();
    assert!(refusal(block.leave().await).contains("newer epoch 9"));
    drop(block);
    for lease in &leases {
        assert_eq!(world.mode(&world.old, lease.key.as_str()).await.as_deref(), Some("capturing"));
    }
    world.old.batch_execute(WRITE).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_one_org_is_told_of_a_smaller_cohort() {
    let world = World::start().await;
    let (engine, leases) = (world.engine(), three());
    engine.capture(&leases).await.unwrap();
    world.new.execute("INSERT INTO accounts (org, email, m) VALUES (2, 'stray@2', 'ok')", &[]).await.unwrap();
    let reason = refusal(engine.copy_live(&leases).await);
    assert!(reason.contains("1 row of org org 2"), "{reason}");
    // Nothing of the others was left behind, so they can be requested again.
    assert_eq!(world.count(&world.new, "events").await, 0);
    engine.copy_live(&leases[..2]).await.unwrap();
    let older: Result<_, EngineError> = engine.copy_live(&[lease("3", 4), lease("1", 5)]).await;
    assert!(refusal(older).contains("newer epoch 5"));
}
