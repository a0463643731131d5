//! Undoing everything before the point of no return.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;
use rand::RngExt;

use crate::world::{World, copied, lease, moved, small_ranges};
use crate::writers::Writers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_leaves_no_trace_and_no_writer_notices() {
    let world = World::start().await;
    let engine = world.engine();
    let others = world.others("1").await;
    let seed: u64 = rand::rng().random_range(0..1_000_000);
    println!("seed {seed}");
    let writers = Writers::start(&world, "1", 3, seed).await;
    for epoch in 1..4 {
        copied(&engine, &lease("1", epoch)).await;
        writers.wrote(20).await;
        engine.catch_up(&lease("1", epoch), Way::Forward).await.unwrap();
        writers.wrote(20).await;
        // Every step of the way back may be repeated.
        for _ in 0..2 {
            engine.release(&lease("1", epoch)).await.unwrap();
            engine.discard(&lease("1", epoch)).await.unwrap();
        }
        assert_eq!(world.modes("1").await, ("settled".into(), "discarded".into()));
        writers.wrote(10).await;
        assert_eq!(world.count(&world.old, "mover.change_log").await, 0);
        assert!(world.rows(&world.new, "1").await.is_empty());
    }
    let seen = writers.stop().await;
    let kept = world.count(&world.old, "events WHERE org = 1 AND what LIKE '%/%'").await;
    assert_eq!(kept, i64::try_from(seen.events.len()).unwrap());
    assert_eq!(world.others("1").await, others);
    moved(&engine, &lease("1", 9)).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn an_abort_without_anything_done_is_fenced_too() {
    let world = World::start().await;
    let engine = world.engine();
    engine.release(&lease("1", 2)).await.unwrap();
    engine.discard(&lease("1", 2)).await.unwrap();
    assert_eq!(world.modes("1").await, ("settled".into(), "discarded".into()));
    let error = engine.capture(&lease("1", 1)).await.unwrap_err();
    assert!(error.reason.contains("newer epoch 2"), "{error}");
    world.old.batch_execute("UPDATE accounts SET touched = 1 WHERE org = 1").await.unwrap();
    assert_eq!(world.count(&world.old, "mover.change_log").await, 0);
}

#[tokio::test]
async fn an_org_that_came_after_the_guard_is_fenced_by_its_abort_too() {
    let world = World::start().await;
    let engine = world.engine();
    // The guard lists the orgs that exist when it is installed.
    world.old.batch_execute("DELETE FROM mover.org_guard WHERE org_key = '2'").await.unwrap();
    engine.release(&lease("2", 2)).await.unwrap();
    engine.discard(&lease("2", 2)).await.unwrap();
    let error = engine.capture(&lease("2", 1)).await.unwrap_err();
    assert!(error.reason.contains("newer epoch 2"), "{error}");
}

#[tokio::test]
async fn a_copy_in_ranges_is_taken_back_whole() {
    let world = World::start().await;
    let engine = world.engine().with_live_limits(small_ranges());
    copied(&engine, &lease("1", 1)).await;
    copied(&engine, &lease("2", 2)).await;
    let others = world.others("1").await;
    engine.release(&lease("1", 3)).await.unwrap();
    engine.discard(&lease("1", 3)).await.unwrap();
    assert!(world.rows(&world.new, "1").await.is_empty());
    assert_eq!(world.count(&world.new, "mover.copy_range WHERE org_key = '1'").await, 0);
    assert_eq!(world.others("1").await, others);
}
