//! Offline moves: SIGKILL at every named place of every step, then started again.

use super::kill_points::killed_at;
use super::world::{OFFLINE, World};

killed_at! {
    OFFLINE_PLACES:
    claim_written: "claim.written" by on_the_way_forward,
    block_begin: "block.begin" by on_the_way_forward,
    block_desired: "block.desired" by on_the_way_forward,
    block_done: "block.done" by on_the_way_forward,
    drain_begin: "drain.begin" by on_the_way_forward,
    drain_done: "drain.done" by on_the_way_forward,
    copy_begin: "copy.begin" by on_the_way_forward,
    copy_cleared: "copy.cleared" by on_the_way_forward,
    copy_before_commit: "copy.before_commit" by on_the_way_forward,
    copy_committed: "copy.committed" by on_the_way_forward,
    verify_begin: "verify.begin" by on_the_way_forward,
    verify_done: "verify.done" by on_the_way_forward,
    switch_begin: "switch.begin" by on_the_way_forward,
    settle_before_commit: "settle.before_commit" by on_the_way_forward,
    settle_committed: "settle.committed" by on_the_way_forward,
    switch_desired: "switch.desired" by on_the_way_forward,
    switch_done: "switch.done" by on_the_way_forward,
    unblock_begin: "unblock.begin" by on_the_way_forward,
    unblock_desired: "unblock.desired" by on_the_way_forward,
    unblock_done: "unblock.done" by on_the_way_forward,
    migrated_written: "migrated.written" by on_the_way_forward,
    abort_begin: "abort.begin" by on_the_way_back,
    abort_desired: "abort.desired" by on_the_way_back,
    discard_before_commit: "discard.before_commit" by on_the_way_back,
    discard_committed: "discard.committed" by on_the_way_back,
    abort_done: "abort.done" by on_the_way_back,
}

async fn on_the_way_forward(place: &str) {
    let world = World::ready(OFFLINE).await;
    world.start_to_die("migrate whole_org_offline all", place).end().await.by_sigkill();
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

/// One org cannot be copied, another cannot be verified. Both are parked, whatever happens on the way back; then they move.
async fn on_the_way_back(place: &str) {
    let mut world = World::ready(OFFLINE).await;
    let (uncopied, unverified) = (&world.orgs[2].clone(), &world.orgs[5].clone());
    world.spoil(uncopied, unverified).await;
    world.start_to_die("migrate whole_org_offline all", place).end().await.by_sigkill();
    let ended = world.exec("resume").await.with_code(1);
    assert!(ended.answer.contains("6 migrated, 2 failed"), "{ended}");
    world.assert_parked(uncopied).await;
    world.assert_parked(unverified).await;

    world.mend().await;
    world.exec("retry whole_org_offline failed").await.with_code(0);
    world.exec("migrate whole_org_offline all").await.with_code(0);
    world.assert_all_moved().await;
}
