//! The state machine against the list of legal transitions, for any state and any event.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "simulation/legal.rs"]
mod legal;

use std::collections::BTreeMap;

use legal::TRANSITIONS;
use mover_actors::domain::ids::{CampaignId, Epoch, MigrationName, MoveId, OrgKey, OrgName};
use mover_actors::domain::record::{Findings, MoveRecord};
use mover_actors::domain::state::{Event, Refused, State, Step, Strategy, step};
use mover_actors::domain::verified::{TableTally, Tally, Verified};
use proptest::prelude::*;
use proptest::sample::select;

fn states() -> Vec<State> {
    let started = Step::ALL.into_iter().map(State::Started);
    [State::Holding, State::Ready, State::Migrated, State::Failed].into_iter().chain(started).collect()
}

fn events() -> Vec<Event> {
    let of_steps = Step::ALL.into_iter().flat_map(|step| [Event::StepDone(step), Event::StepFailed(step)]);
    [Event::MadeReady, Event::Claimed, Event::Retried].into_iter().chain(of_steps).collect()
}

fn listed(state: State, event: Event) -> Option<State> {
    TRANSITIONS.iter().find(|(from, cause, _)| (*from, *cause) == (state, event)).map(|(_, _, to)| *to)
}

fn record(state: State, epoch: i64) -> MoveRecord {
    MoveRecord {
        id: MoveId(7),
        migration: MigrationName::new("phase_2").unwrap(),
        org: OrgName::new("acme").unwrap(),
        key: OrgKey::new("42").unwrap(),
        strategy: Strategy::Offline,
        state,
        epoch: Epoch(epoch),
        campaign: Some(CampaignId(1)),
        attempts: 1,
        verified: None,
        failure: None,
    }
}

proptest! {
    #[test]
    fn any_event_in_any_state_is_listed_or_refused(state in select(states()), event in select(events())) {
        match listed(state, event) {
            Some(to) => prop_assert_eq!(step(Strategy::Offline, state, event), Ok(to)),
            None => prop_assert_eq!(step(Strategy::Offline, state, event), Err(Refused { state, event })),
        }
    }

    #[test]
    fn any_story_goes_only_through_listed_transitions(story in proptest::collection::vec(select(events()), 0..60)) {
        let mut state = State::Holding;
        for event in story {
            let before = state;
            if let Ok(after) = step(Strategy::Offline, before, event) {
                prop_assert_eq!(Some(after), listed(before, event));
                state = after;
            }
        }
    }

    #[test]
    fn a_record_makes_the_transition_that_the_machine_allows_and_no_other(
        state in select(states()), event in select(events()), epoch in 1_i64..1000
    ) {
        let mut record = record(state, epoch);
        match record.advance(event, Findings::default()) {
            Ok(advance) => {
                prop_assert_eq!(Some(advance.to()), listed(state, event));
                prop_assert_eq!((advance.id(), advance.epoch(), advance.from()), (record.id, record.epoch, state));
                let to = advance.to();
                record.apply(advance);
                prop_assert_eq!(record.state, to);
            }
            Err(refused) => {
                prop_assert_eq!(refused, Refused { state, event });
                prop_assert_eq!(listed(state, event), None);
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
    for (from, event, to) in TRANSITIONS {
        assert_eq!(step(Strategy::Offline, from, event), Ok(to), "{event} in {from}");
    }
}

#[test]
fn from_every_state_there_is_a_way_to_the_end() {
    for state in states() {
        let mut known = vec![state];
        let mut at = 0;
        while at < known.len() {
            let next = events().into_iter().filter_map(|event| step(Strategy::Offline, known[at], event).ok());
            let new: Vec<State> = next.filter(|state| !known.contains(state)).collect();
            known.extend(new);
            at += 1;
        }
        assert!(known.contains(&State::Migrated), "{state} cannot come to its end");
    }
}

#[test]
fn a_started_org_needs_no_operator_to_come_to_an_end() {
    for first in Step::ALL {
        let mut state = State::Started(first);
        for _ in 0..Step::ALL.len() {
            if let State::Started(begun) = state {
                state = step(Strategy::Offline, state, Event::StepDone(begun)).unwrap();
            }
        }
        assert!(matches!(state, State::Migrated | State::Failed), "from {first} it came to {state}");
    }
}

#[test]
fn after_the_switch_was_begun_there_is_no_way_back() {
    for step_begun in [Step::Switch, Step::Unblock] {
        let failed = step(Strategy::Offline, State::Started(step_begun), Event::StepFailed(step_begun));
        assert!(failed.is_err(), "{step_begun} was taken back");
    }
}
