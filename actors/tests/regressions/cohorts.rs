//! Orgs of a cohort: a fault of one of them cannot fail another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use mover_actors::domain::campaign::{Phase, Tuning};
use mover_actors::domain::state::State;

use crate::fixture::{Fixture, TUNING, is, play};
use crate::memory::{Fate, Outcome, Port};

const ONE_WORKER: Tuning = Tuning { concurrency: 1, ..TUNING };

async fn together(orgs: usize) -> Fixture {
    let fixture = Fixture::new(orgs).await;
    fixture.world.act(|scene| scene.facts.cohort_orgs = orgs);
    fixture
}

/// Counts how often the engine is asked to drain, from now on.
fn count_drains(fixture: &Fixture) -> Arc<AtomicU32> {
    let drains = Arc::new(AtomicU32::new(0));
    let seen = drains.clone();
    fixture.world.set_faults(move |_, call, _| {
        seen.fetch_add(u32::from(is(call, Port::Engine, "drain")), Relaxed);
        Fate::SMOOTH
    });
    drains
}

#[test]
fn what_is_done_for_all_is_done_once() {
    play(async {
        let fixture = together(4).await;
        let drains = count_drains(&fixture);
        let node = fixture.node("a").await;
        node.migrate_with(ONE_WORKER, Default::default()).await.unwrap();
        fixture.until_all(State::Migrated).await;
        assert_eq!(drains.load(Relaxed), 1, "open writers were waited for once");
    });
}

#[test]
fn an_org_that_cannot_be_moved_leaves_its_cohort_and_the_others_go_on() {
    play(async {
        let fixture = together(5).await;
        fixture.put_foreign_row(2);
        let node = fixture.node("a").await;
        node.migrate_with(ONE_WORKER, Default::default()).await.unwrap();
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        let states = fixture.states();
        assert_eq!(states.iter().filter(|state| **state == State::Migrated).count(), 4, "{states:?}");
        assert_eq!(states[1], State::Failed);
        let failure = fixture.record(2).failure.unwrap();
        assert!(failure.reason.contains("foreign rows"), "{failure:?}");
    });
}

#[test]
fn a_crash_is_blamed_on_no_org_of_a_cohort() {
    play(async {
        let fixture = together(4).await;
        let has_fallen = AtomicBool::new(false);
        fixture.world.set_faults(move |_, call, _| {
            match is(call, Port::Engine, "enter") && !has_fallen.swap(true, Relaxed) {
                true => Fate::of(Outcome::Panic),
                false => Fate::SMOOTH,
            }
        });
        let node = fixture.node("a").await;
        node.migrate_with(ONE_WORKER, Default::default()).await.unwrap();
        fixture.until_all(State::Migrated).await;
    });
}

#[test]
fn orgs_with_a_pause_between_them_go_one_by_one() {
    play(async {
        let fixture = together(3).await;
        let drains = count_drains(&fixture);
        let node = fixture.node("a").await;
        node.migrate_with(Tuning { pace_ms: 10, ..ONE_WORKER }, Default::default()).await.unwrap();
        fixture.until_all(State::Migrated).await;
        assert_eq!(drains.load(Relaxed), 3);
    });
}
