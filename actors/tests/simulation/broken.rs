//! The checkers find what they are for: ports that lie in one way are found out within a few schedules.

use mover_actors::domain::flags::{Fields, FlagImage, FlagKey};
use mover_actors::domain::ids::{Epoch, OrgName};
use mover_actors::ports::Flags;

use super::checkers::Fences;
use super::plan::Plan;
use super::schedules::play;
use crate::memory::{InjectedBug, MemoryFlags, World};

/// More than enough for every lie to come out.
const SCHEDULES_MAX: u64 = 400;

/// Plays schedules until the named checker complains.
fn finds(checker: &str, injected_bug: InjectedBug) {
    let mut others = Vec::new();
    for seed in 1..=SCHEDULES_MAX {
        let verdict = play(Plan::of(seed), Some(injected_bug), false);
        let mut found = verdict.violations.into_iter();
        if found.any(|violation| violation.checker == checker) {
            println!("{injected_bug:?} was found by {checker} with seed {seed}");
            return;
        }
        others.extend(found.map(|violation| violation.checker));
    }
    others.sort_unstable();
    others.dedup();
    panic!("{checker} did not find {injected_bug:?} in {SCHEDULES_MAX} schedules; others: {others:?}");
}

#[test]
fn the_checker_of_equality_finds_a_copy_that_loses_a_row() {
    finds("P1 equality", InjectedBug::LoseARow);
}

#[test]
fn the_checker_of_equality_finds_a_copy_on_top_of_an_earlier_one() {
    finds("P1 equality", InjectedBug::CopyOnTop);
}

#[test]
fn the_checker_of_replay_safety_finds_a_copy_that_loses_a_row() {
    finds("P4 replay safe", InjectedBug::LoseARow);
}

#[test]
fn the_checker_of_one_writer_finds_an_engine_that_does_not_drain() {
    finds("P2 one writer", InjectedBug::SkipDrain);
}

#[test]
fn the_checker_of_one_writer_finds_a_redis_that_hides_its_loss() {
    finds("P2 one writer", InjectedBug::HideLostMemory);
}

#[test]
fn the_checker_of_one_writer_finds_a_redis_that_is_called_whole_too_soon() {
    finds("P2 one writer", InjectedBug::MarkWithoutNote);
}

#[test]
fn the_checker_of_isolation_finds_an_abort_that_removes_everything() {
    finds("P5 isolation", InjectedBug::DiscardEverything);
}

#[test]
fn the_checker_of_what_is_left_behind_finds_an_abort_that_removes_nothing() {
    finds("P7 left behind", InjectedBug::DiscardNothing);
}

#[test]
fn the_checker_of_blocks_finds_an_org_that_stays_closed() {
    finds("P8 bounded block", InjectedBug::KeepBlocked);
}

#[test]
fn the_checker_of_fences_finds_a_target_that_forgets_its_guard() {
    finds("P9 fences", InjectedBug::ForgetTheGuard);
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
    finds("P9 fences", InjectedBug::NoFencing);
}

#[test]
fn the_checker_of_own_503_finds_a_move_log_that_forgets_what_was_found() {
    finds("own 503", InjectedBug::ForgetFound);
}

#[test]
fn the_checker_of_accounts_finds_an_end_that_is_counted_twice() {
    finds("accounts", InjectedBug::CountTwice);
}
