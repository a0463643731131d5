//! Orgs that are carried together: nothing that happens to one of them can fail another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use mover_actors::domain::campaign::{Phase, Tuning};
use mover_actors::domain::state::State;

use crate::memory::{Fate, Outcome, Port};
use crate::stage::{Stage, TUNING, is, play};

const ONE_WORKER: Tuning = Tuning { concurrency: 1, ..TUNING };

async fn together(orgs: usize) -> Stage {
    let stage = Stage::new(orgs).await;
    stage.world.act(|scene| scene.facts.cohort_orgs = orgs);
    stage
}

/// How often the engine is asked to wait for open writers, from now on.
fn count_drains(stage: &Stage) -> Arc<AtomicU32> {
    let drains = Arc::new(AtomicU32::new(0));
    let seen = drains.clone();
    stage.world.set_weather(move |_, call, _| {
        seen.fetch_add(u32::from(is(call, Port::Engine, "drain")), Relaxed);
        Fate::SMOOTH
    });
    drains
}

#[test]
fn what_is_done_for_all_is_done_once() {
    play(async {
        let stage = together(4).await;
        let drains = count_drains(&stage);
        let node = stage.node("a").await;
        node.migrate_with(ONE_WORKER, Default::default()).await.unwrap();
        stage.until_all(State::Migrated).await;
        assert_eq!(drains.load(Relaxed), 1, "open writers were waited for once");
    });
}

#[test]
fn an_org_that_cannot_be_moved_leaves_its_cohort_and_the_others_go_on() {
    play(async {
        let stage = together(5).await;
        stage.put_foreign_row(2);
        let node = stage.node("a").await;
        node.migrate_with(ONE_WORKER, Default::default()).await.unwrap();
        stage.until("it has ended", |stage| stage.campaign().phase == Phase::Ended).await;
        let states = stage.states();
        assert_eq!(states.iter().filter(|state| **state == State::Migrated).count(), 4, "{states:?}");
        assert_eq!(states[1], State::Failed);
        let failure = stage.record(2).failure.unwrap();
        assert!(failure.reason.contains("foreign rows"), "{failure:?}");
    });
}

#[test]
fn a_crash_is_blamed_on_no_org_of_a_cohort() {
    play(async {
        let stage = together(4).await;
        let has_fallen = AtomicBool::new(false);
        stage.world.set_weather(move |_, call, _| {
            match is(call, Port::Engine, "enter") && !has_fallen.swap(true, Relaxed) {
                true => Fate::of(Outcome::Panic),
                false => Fate::SMOOTH,
            }
        });
        let node = stage.node("a").await;
        node.migrate_with(ONE_WORKER, Default::default()).await.unwrap();
        stage.until_all(State::Migrated).await;
    });
}

#[test]
fn orgs_with_a_pause_between_them_go_one_by_one() {
    play(async {
        let stage = together(3).await;
        let drains = count_drains(&stage);
        let node = stage.node("a").await;
        node.migrate_with(Tuning { pace_ms: 10, ..ONE_WORKER }, Default::default()).await.unwrap();
        stage.until_all(State::Migrated).await;
        assert_eq!(drains.load(Relaxed), 3);
    });
}
