//! Online moves, there and back and to their end: SIGKILL at every named place of every step, then started again.

use super::gate::Gate;
use super::kill_points::killed_at;
use super::world::{ONLINE, ORGS, World};

killed_at! {
    ONLINE_PLACES:
    claim_written: "claim.written" by on_the_way_forward,
    capture_begin: "capture.begin" by on_the_way_forward,
    capture_marked: "capture.marked" by on_the_way_forward,
    capture_done: "capture.done" by on_the_way_forward,
    copy_begin: "copy.begin" by on_the_way_forward,
    copy_cleared: "copy.cleared" by on_the_way_forward,
    copy_before_commit: "copy.before_commit" by in_one_piece,
    copy_committed: "copy.committed" by in_one_piece,
    range_before_commit: "range.before_commit" by on_the_way_forward,
    range_committed: "range.committed" by on_the_way_forward,
    catch_up_begin: "catch_up.begin" by with_changes,
    catch_up_read: "catch_up.read" by with_changes,
    catch_up_before_commit: "catch_up.before_commit" by with_changes,
    catch_up_committed: "catch_up.committed" by with_changes,
    catch_up_forgotten: "catch_up.forgotten" by with_changes,
    catch_up_done: "catch_up.done" by with_changes,
    verify_begin: "verify.begin" by with_changes,
    verify_done: "verify.done" by with_changes,
    switch_begin: "switch.begin" by with_changes,
    switch_ready: "switch.ready" by with_changes,
    lock_held: "lock.held" by while_blocked,
    switch_blocked: "switch.blocked" by while_blocked,
    moved_before_commit: "moved.before_commit" by while_blocked,
    moved_committed: "moved.committed" by with_changes,
    capturing_committed: "capturing.committed" by with_changes,
    switch_handed_over: "switch.handed_over" by with_changes,
    switch_desired: "switch.desired" by with_changes,
    lock_released: "lock.released" by with_changes,
    switch_done: "switch.done" by with_changes,
    migrated_written: "migrated.written" by with_changes,
    abort_begin: "abort.begin" by giving_up,
    release_before_commit: "release.before_commit" by giving_up,
    discard_before_commit: "discard.before_commit" by giving_up,
    discard_committed: "discard.committed" by giving_up,
    abort_done: "abort.done" by giving_up,
    back_catch_up_read: "catch_up.read" by on_the_way_back,
    back_catch_up_committed: "catch_up.committed" by on_the_way_back,
    back_verify_done: "verify.done" by on_the_way_back,
    back_lock_held: "lock.held" by on_the_way_back,
    back_moved_committed: "moved.committed" by on_the_way_back,
    back_capturing_committed: "capturing.committed" by on_the_way_back,
    back_lock_released: "lock.released" by on_the_way_back,
    discard_begin: "discard.begin" by on_the_way_back,
    back_purge_batch: "purge.batch" by on_the_way_back,
    discard_done: "discard.done" by on_the_way_back,
    back_up_begin: "back_up.begin" by at_the_end,
    back_up_done: "back_up.done" by at_the_end,
    close_begin: "close.begin" by at_the_end,
    close_release: "release.before_commit" by at_the_end,
    close_done: "close.done" by at_the_end,
    purge_begin: "purge.begin" by at_the_end,
    purge_batch: "purge.batch" by at_the_end,
    purge_done: "purge.done" by at_the_end,
}

async fn on_the_way_forward(place: &str) {
    let world = World::ready(ONLINE).await;
    world.start_to_die("migrate whole_org all", place).end().await.by_sigkill();
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

/// No org is copied in ranges, however much clients have written to it by then.
async fn in_one_piece(place: &str) {
    let world = World::ready(ONLINE).await;
    world.configure("copy_range_rows = 40", "copy_range_rows = 1000000");
    die_with_changes(&world, place).await;
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

async fn with_changes(place: &str) {
    let world = World::ready(ONLINE).await;
    die_with_changes(&world, place).await;
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

/// The block has died with Mover: every org can be written in the old store before Mover runs again.
async fn while_blocked(place: &str) {
    let world = World::ready(ONLINE).await;
    die_with_changes(&world, place).await;
    // The promise is five seconds, which is ample: Postgres notices at once that a process is gone.
    let old = world.old_store().await;
    old.batch_execute("SET statement_timeout = '5s'").await.unwrap();
    assert!(old.execute("UPDATE containers SET name = name", &[]).await.unwrap() >= u64::from(ORGS));
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

/// Lets clients write while the first orgs are copied, so that there is something to carry over.
async fn die_with_changes(world: &World, place: &str) {
    world.install_guard().await;
    let gate = Gate::in_copy(world).await;
    let campaign = world.start_to_die("migrate whole_org all workers=1", place);
    gate.is_reached().await;
    world.until_changes_are_logged().await;
    gate.open().await;
    campaign.end().await.by_sigkill();
}

/// One org cannot be copied, another cannot be verified. Both are parked, whatever happens on the way; then they move.
async fn giving_up(place: &str) {
    let mut world = World::ready(ONLINE).await;
    let (uncopied, unverified) = (&world.orgs[2].clone(), &world.orgs[5].clone());
    world.spoil(uncopied, unverified).await;
    world.start_to_die("migrate whole_org all", place).end().await.by_sigkill();
    let ended = world.exec("resume").await.with_code(1);
    assert!(ended.answer.contains("6 migrated, 2 failed"), "{ended}");
    for org in [uncopied, unverified] {
        world.assert_parked(org).await;
        world.assert_unguarded(org).await;
    }
    world.mend().await;
    world.exec("retry whole_org failed").await.with_code(0);
    world.exec("migrate whole_org all").await.with_code(0);
    world.assert_all_moved().await;
}

async fn on_the_way_back(place: &str) {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    world.start_to_die("rollback whole_org all", place).end().await.by_sigkill();
    world.exec("resume").await.with_code(0);
    world.assert_all_rolled_back().await;
}

async fn at_the_end(place: &str) {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    world.start_to_die("finalize whole_org all", place).end().await.by_sigkill();
    world.exec("resume").await.with_code(0);
    world.assert_all_finalized().await;
}
