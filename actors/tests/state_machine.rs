//! The state machine against the list of legal transitions, for any state and any event.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "simulation/legal.rs"]
mod legal;

use std::collections::BTreeMap;

use legal::transitions;
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, OrgKey, OrgName};
use mover_actors::domain::record::{Failure, Findings, MoveRecord, Place};
use mover_actors::domain::state::{Aim, Course, Event, OnFailure, Refused, State, Step, Strategy, step};
use mover_actors::domain::verified::{TableTally, Tally, Verified};
use proptest::prelude::*;
use proptest::sample::select;

fn states() -> Vec<State> {
    let started = Step::ALL.iter().map(|step| State::Started(*step));
    State::RESTING.into_iter().chain(started).collect()
}

fn events() -> Vec<Event> {
    let of_steps = Step::ALL.iter().flat_map(|step| [Event::StepDone(*step), Event::StepFailed(*step)]);
    let leases = Aim::ALL.iter().map(|aim| Event::Claimed(*aim));
    [Event::MadeReady, Event::FoundMoved, Event::Retried].into_iter().chain(leases).chain(of_steps).collect()
}

fn real_courses() -> Vec<Course> {
    Course::all().collect()
}

fn listed(course: Course, state: State, event: Event) -> Option<State> {
    let course = match event {
        Event::Claimed(aim) => Course { aim, ..course },
        _ => course,
    };
    let legal = transitions(course)?;
    legal.into_iter().find(|(from, cause, _)| (*from, *cause) == (state, event)).map(|(_, _, to)| to)
}

fn record(course: Course, state: State, epoch: i64) -> MoveRecord {
    MoveRecord {
        id: MoveId(7),
        migration: MigrationName::new("phase_2").unwrap(),
        org: OrgName::new("acme").unwrap(),
        key: OrgKey::new("42").unwrap(),
        strategy: course.strategy,
        aim: course.aim,
        state,
        epoch: Epoch(epoch),
        campaign: Some(CampaignId(1)),
        attempts: 1,
        verified: None,
        failure: None,
        backup: None,
    }
}

proptest! {
    #[test]
    fn any_event_in_any_state_is_listed_or_refused(
        course in select(real_courses()), state in select(states()), event in select(events())
    ) {
        match listed(course, state, event) {
            Some(to) => prop_assert_eq!(step(course, state, event), Ok(to)),
            None => prop_assert_eq!(step(course, state, event), Err(Refused { state, event })),
        }
    }

    #[test]
    fn a_record_makes_the_transition_that_the_machine_allows_and_no_other(
        course in select(real_courses()), state in select(states()), event in select(events()), epoch in 1_i64..1000
    ) {
        let mut record = record(course, state, epoch);
        match record.advance(event, Findings::default()) {
            Ok(advance) => {
                prop_assert_eq!(Some(advance.to()), listed(course, state, event));
                prop_assert_eq!((advance.id(), advance.epoch(), advance.from()), (record.id, record.epoch, state));
                let to = advance.to();
                record.apply(advance);
                prop_assert_eq!(record.state, to);
            }
            Err(refused) => {
                prop_assert_eq!(refused, Refused { state, event });
                prop_assert_eq!(listed(course, state, event), None);
            }
        }
    }

    #[test]
    fn only_equal_tallies_are_proof(
        left in proptest::collection::btree_map("[a-c]", (0_i64..3, "[0-2]"), 0..4),
        right in proptest::collection::btree_map("[a-c]", (0_i64..3, "[0-2]"), 0..4),
    ) {
        let tally = |tables: BTreeMap<String, (i64, String)>| {
            Tally(tables.into_iter().map(|(name, (rows, hash))| (name, TableTally { rows, hash })).collect())
        };
        let (left, right) = (tally(left), tally(right));
        prop_assert_eq!(Verified::compare(&left, &right).is_ok(), left == right);
    }

    #[test]
    fn what_is_stored_of_a_state_leads_back_to_it(state in select(states())) {
        let step = state.step().map(Step::as_str);
        prop_assert_eq!(State::from_parts(state.as_str(), step), Ok(state));
    }
}

#[test]
fn the_list_names_nothing_that_the_machine_refuses() {
    for course in real_courses() {
        for (from, event, to) in transitions(course).unwrap() {
            assert_eq!(step(course, from, event), Ok(to), "{event} in {from} of {course:?}");
        }
    }
}

#[test]
fn there_is_no_way_back_after_an_offline_move() {
    for aim in [Aim::RollBack, Aim::Finalize] {
        let course = Course { strategy: Strategy::Offline, aim };
        assert_eq!(course.first(), None);
        assert!(step(course, State::Migrated, Event::Claimed(aim)).is_err());
    }
}

#[test]
fn a_started_org_needs_no_operator_to_come_to_an_end() {
    for course in real_courses() {
        let abort = course.steps().any(|step| course.can_abort(step)).then_some(Step::Abort);
        for first in course.steps().chain(abort) {
            let mut state = State::Started(first);
            for _ in Step::ALL {
                if let State::Started(begun) = state {
                    state = step(course, state, Event::StepDone(begun)).unwrap();
                }
            }
            assert!([course.aim.reached(), course.aim.aborted()].contains(&state), "from {first} it came to {state}");
        }
    }
}

#[test]
fn every_row_of_the_table_has_an_effect_and_a_way_out() {
    for course in real_courses() {
        let mut gone = false;
        for step in course.steps() {
            assert!(course.effect(step).is_some(), "{step} of {course:?}");
            assert!(
                !(gone && course.can_abort(step)),
                "{step} of {course:?} leads back from behind the point of no return"
            );
            gone |= course.on_failure(step) != OnFailure::Abort;
        }
        let leads_back = course.steps().any(|step| course.can_abort(step));
        assert_eq!(course.effect(Step::Abort).is_some(), leads_back, "{course:?}");
    }
}

#[test]
fn an_abort_that_goes_forward_leaves_no_failure_behind() {
    for aim in [Aim::Migrate, Aim::RollBack] {
        let course = Course { strategy: Strategy::Online, aim };
        let mut record = record(course, State::Started(Step::Abort), 3);
        record.failure = Some(Failure { step: Step::Switch, reason: "slow".into(), place: Place::default() });
        let forward = record.advance(Event::FoundMoved, Findings::default()).unwrap();
        record.apply(forward);
        assert_eq!((record.state, record.failure), (State::Started(Step::Switch), None));
    }
}

#[test]
fn past_the_point_of_no_return_there_is_no_way_back() {
    let late = [
        (Strategy::Offline, Aim::Migrate, Step::Switch),
        (Strategy::Offline, Aim::Migrate, Step::Unblock),
        (Strategy::Online, Aim::RollBack, Step::Discard),
        (Strategy::Online, Aim::Finalize, Step::Close),
        (Strategy::Online, Aim::Finalize, Step::Purge),
    ];
    for (strategy, aim, begun) in late {
        let failed = step(Course { strategy, aim }, State::Started(begun), Event::StepFailed(begun));
        assert!(failed.is_err(), "{begun} was taken back");
    }
}
