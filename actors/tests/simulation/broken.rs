//! The checkers find what they are for: ports that lie in one way are found out within a few schedules.

use mover_actors::domain::flags::{Fields, FlagImage, FlagKey};
use mover_actors::domain::ids::{Epoch, OrgName};
use mover_actors::ports::Flags;

use super::checkers::Fences;
use super::plan::Plan;
use super::schedules::play;
use crate::memory::{MemoryFlags, Sabotage, World};

/// More than enough for every lie to come out.
const SCHEDULES_MAX: u64 = 400;

/// Plays schedules until the named checker complains.
fn finds(checker: &str, sabotage: Sabotage) {
    let mut others = Vec::new();
    for seed in 1..=SCHEDULES_MAX {
        let verdict = play(Plan::of(seed), Some(sabotage), false);
        let mut found = verdict.violations.into_iter();
        if found.any(|violation| violation.checker == checker) {
            println!("{sabotage:?} was found by {checker} with seed {seed}");
            return;
        }
        others.extend(found.map(|violation| violation.checker));
    }
    others.sort_unstable();
    others.dedup();
    panic!("{checker} did not find {sabotage:?} in {SCHEDULES_MAX} schedules; others: {others:?}");
}

#[test]
fn the_checker_of_equality_finds_a_copy_that_loses_a_row() {
    finds("P1 equality", Sabotage::LoseARow);
}

#[test]
fn the_checker_of_equality_finds_a_copy_on_top_of_an_earlier_one() {
    finds("P1 equality", Sabotage::CopyOnTop);
}

#[test]
fn the_checker_of_replay_safety_finds_a_copy_that_loses_a_row() {
    finds("P4 replay safe", Sabotage::LoseARow);
}

#[test]
fn the_checker_of_one_writer_finds_an_engine_that_does_not_drain() {
    finds("P2 one writer", Sabotage::SkipDrain);
}

#[test]
fn the_checker_of_one_writer_finds_a_redis_that_hides_its_loss() {
    finds("P2 one writer", Sabotage::HideLostMemory);
}

#[test]
fn the_checker_of_one_writer_finds_a_redis_that_is_called_whole_too_soon() {
    finds("P2 one writer", Sabotage::MarkWithoutNote);
}

#[test]
fn the_checker_of_isolation_finds_an_abort_that_removes_everything() {
    finds("P5 isolation", Sabotage::DiscardEverything);
}

#[test]
fn the_checker_of_what_is_left_behind_finds_an_abort_that_removes_nothing() {
    finds("P7 left behind", Sabotage::DiscardNothing);
}

#[test]
fn the_checker_of_blocks_finds_an_org_that_stays_closed() {
    finds("P8 bounded block", Sabotage::KeepBlocked);
}

#[test]
fn the_checker_of_fences_finds_a_target_that_forgets_its_guard() {
    finds("P9 fences", Sabotage::ForgetTheGuard);
}

#[test]
fn the_checker_of_equality_finds_a_log_with_gaps() {
    finds("P1 equality", Sabotage::ForgetToLog);
}

#[test]
fn the_checker_of_one_writer_finds_a_lock_that_does_not_wait_for_writers() {
    finds("P2 one writer", Sabotage::SkipWriters);
}

#[test]
fn the_checker_of_equality_finds_rounds_that_undo_each_other() {
    finds("P1 equality", Sabotage::HoldNothing);
}

#[test]
fn the_checker_of_fences_finds_a_store_that_commits_a_late_moved() {
    finds("P9 fences", Sabotage::AcceptLateMoved);
}

#[test]
fn the_checker_of_one_writer_finds_stores_that_keep_old_epochs() {
    finds("P2 one writer", Sabotage::KeepOldEpochs);
}

#[test]
fn the_checker_of_equality_finds_a_comparison_that_lies() {
    finds("P1 equality", Sabotage::LieInTallies);
}

/// A process that comes late with an older decision is rare in the schedules, so it is played by hand.
#[tokio::test]
async fn the_checker_of_fences_finds_a_redis_that_takes_any_epoch() {
    let world = World::default();
    world.watch(Fences::default());
    world.sabotage(Sabotage::IgnoreFlagEpochs);
    let key = FlagKey::org(&OrgName::new("acme").unwrap());
    for epoch in [5, 3] {
        let image = FlagImage { key: key.clone(), epoch: Epoch(epoch), fields: Fields::new() };
        MemoryFlags::new(&world.process()).write(&[image]).await.unwrap();
    }
    assert!(world.judge().iter().any(|violation| violation.checker == "P9 fences"));
}

#[test]
fn the_checker_of_fences_finds_a_move_log_that_takes_anybody() {
    finds("P9 fences", Sabotage::NoFencing);
}

#[test]
fn the_checker_of_own_503_finds_a_move_log_that_forgets_what_was_found() {
    finds("own 503", Sabotage::ForgetFound);
}

#[test]
fn the_checker_of_accounts_finds_an_end_that_is_counted_twice() {
    finds("accounts", Sabotage::CountTwice);
}
