//! The checkers find what they are for: ports that lie in one way are found out within a few schedules.

use mover_actors::domain::flags::{Fields, FlagImage, FlagKey};
use mover_actors::domain::ids::{Epoch, OrgName};
use mover_actors::ports::Flags;

use super::checkers::Fences;
use super::plan::Plan;
use super::schedules::play;
use super::shape::Shape;
use crate::memory::{InjectedBug, MemoryFlags, World};

/// More than enough for every lie to come out.
const SCHEDULES_MAX: u64 = 400;

/// Plays schedules of a shape until the named checker complains; without the bug, none of them does.
fn finds(checker: &str, injected_bug: InjectedBug, shape: Shape) {
    let mut others = Vec::new();
    for seed in 1..=SCHEDULES_MAX {
        let found = play(Plan::shaped(seed, shape), Some(injected_bug), false).violations;
        let honest = play(Plan::shaped(seed, shape), None, false).violations;
        assert!(honest.is_empty(), "seed {seed} of {shape:?} breaks what must hold without the bug: {honest:?}");
        if found.iter().any(|violation| violation.checker == checker) {
            println!("{injected_bug:?} was found by {checker} in schedule {seed} of {shape:?}");
            return;
        }
        others.extend(found.into_iter().map(|violation| violation.checker));
    }
    others.sort_unstable();
    others.dedup();
    panic!("{checker} did not find {injected_bug:?} in {SCHEDULES_MAX} schedules; others: {others:?}");
}

#[test]
fn the_checker_of_equality_finds_a_copy_that_loses_a_row() {
    finds("P1 equality", InjectedBug::LoseARow, Shape::Any);
}

#[test]
fn the_checker_of_equality_finds_a_copy_on_top_of_an_earlier_one() {
    finds("P1 equality", InjectedBug::CopyOnTop, Shape::Any);
}

#[test]
fn the_checker_of_equality_finds_a_comparison_that_lies() {
    finds("P1 equality", InjectedBug::LieInTallies, Shape::Any);
}

#[test]
fn the_checker_of_replay_safety_finds_a_copy_that_loses_a_row() {
    finds("P4 replay safe", InjectedBug::LoseARow, Shape::Any);
}

#[test]
fn the_checker_of_one_writer_finds_an_engine_that_does_not_drain() {
    finds("P2 one writer", InjectedBug::SkipDrain, Shape::Offline);
}

#[test]
fn the_checker_of_one_writer_finds_a_redis_that_hides_its_loss() {
    finds("P2 one writer", InjectedBug::HideLostMemory, Shape::Forgetful);
}

#[test]
fn the_checker_of_one_writer_finds_a_redis_that_is_called_whole_too_soon() {
    finds("P2 one writer", InjectedBug::MarkWithoutNote, Shape::Forgetful);
}

#[test]
fn the_checker_of_isolation_finds_an_abort_that_removes_everything() {
    finds("P5 isolation", InjectedBug::DiscardEverything, Shape::Any);
}

#[test]
fn the_checker_of_what_is_left_behind_finds_an_abort_that_removes_nothing() {
    finds("P7 left behind", InjectedBug::DiscardNothing, Shape::Any);
}

#[test]
fn the_checker_of_blocks_finds_an_org_that_stays_closed() {
    finds("P8 bounded block", InjectedBug::KeepBlocked, Shape::Offline);
}

#[test]
fn the_checker_of_fences_finds_a_target_that_forgets_its_guard() {
    finds("P9 fences", InjectedBug::ForgetTheGuard, Shape::LateOffline("enter"));
}

#[test]
fn the_checker_of_equality_finds_a_log_with_gaps() {
    finds("P1 equality", InjectedBug::ForgetToLog, Shape::Busy);
}

#[test]
fn the_checker_of_one_writer_finds_a_lock_that_does_not_wait_for_writers() {
    finds("P2 one writer", InjectedBug::SkipWriters, Shape::Busy);
}

#[test]
fn the_checker_of_equality_finds_rounds_that_undo_each_other() {
    finds("P1 equality", InjectedBug::HoldNothing, Shape::LateOnline("commit"));
}

#[test]
fn the_checker_of_fences_finds_a_store_that_commits_a_late_moved() {
    finds("P9 fences", InjectedBug::AcceptLateMoved, Shape::LateOnline("move_away"));
}

#[test]
fn the_checker_of_fences_finds_a_store_that_commits_a_late_moved_on_the_way_back() {
    finds("P9 fences", InjectedBug::AcceptLateMoved, Shape::LateOnTheWayBack("move_away"));
}

#[test]
fn the_checker_of_one_writer_finds_stores_that_keep_old_epochs() {
    finds("P2 one writer", InjectedBug::KeepOldEpochs, Shape::LateOnTheWayBack("move_away"));
}

/// A process that comes late with an older decision is rare in the schedules, so it is played by hand.
#[tokio::test]
async fn the_checker_of_fences_finds_a_redis_that_takes_any_epoch() {
    let world = World::default();
    world.watch(Fences::default());
    world.injected_bug(InjectedBug::IgnoreFlagEpochs);
    let key = FlagKey::org(&OrgName::new("acme").unwrap());
    for epoch in [5, 3] {
        let image = FlagImage { key: key.clone(), epoch: Epoch(epoch), fields: Fields::new() };
        MemoryFlags::new(&world.process()).write(&[image]).await.unwrap();
    }
    assert!(world.judge().iter().any(|violation| violation.checker == "P9 fences"));
}

#[test]
fn the_checker_of_fences_finds_a_move_log_that_takes_anybody() {
    finds("P9 fences", InjectedBug::NoFencing, Shape::Any);
}

#[test]
fn the_checker_of_own_503_finds_a_move_log_that_forgets_what_was_found() {
    finds("own 503", InjectedBug::ForgetFound, Shape::Any);
}

#[test]
fn the_checker_of_accounts_finds_an_end_that_is_counted_twice() {
    finds("accounts", InjectedBug::CountTwice, Shape::Any);
}
