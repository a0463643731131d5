//! The move state machine: pure, total, and without a wildcard arm.
//!
//! ```text
//!  holding ──ready──▶ ready ──claim──▶ started(…) ──▶ migrated ──claim──▶ started(…) ──▶ finalized
//!                       ▲                 │             │   ▲                  └─ fails ─▶ migrated
//!                       │             a step fails      │   └── a step fails ──┐
//!                       │                 ▼             └───claim──▶ started(…)┴─▶ rolled_back
//!                       ├─────retry──── failed                                          │
//!                       └─────────────────────────────retry─────────────────────────────┘
//! ```
//!
//! The steps of a started org are those of its [`Course`], in the table of [`course`](super::course).
//!
//! A step is stored before its effect runs and every effect may be repeated, so recovery is: run the
//! stored step again. A failed step leads to `abort`, which undoes everything, until the point of no return. That is
//! the switch: offline the step itself, online a commit inside it, so there the store is asked before a switch
//! is aborted. An abort that finds the org moved all the same goes back to `switch`, which continues.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use thiserror::Error;

pub use super::course::{Aim, Course, Effect, OnFailure, Step, Strategy, Way};

/// The state of a move, as the move log stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Captured; not released to move yet.
    Holding,
    /// May be claimed by a campaign.
    Ready,
    /// In flight: this step was begun.
    Started(Step),
    /// Routed to the target and verified.
    Migrated,
    /// Parked on its source, open for writes, with a reason.
    Failed,
    /// On its source again, with every write made since it had left.
    RolledBack,
    /// Migrated, and gone from the source.
    Finalized,
}

/// What can happen to a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// An operator released it.
    MadeReady,
    /// A campaign claimed it.
    Claimed(Aim),
    /// The effect of this step is done.
    StepDone(Step),
    /// The effect of this step failed.
    StepFailed(Step),
    /// An abort comes too late: the leaving store has committed the point of no return.
    FoundMoved,
    /// An operator retries a failed or rolled back move.
    Retried,
}

/// An event that is not legal in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{event} is not possible while the org is {state}")]
pub struct Refused {
    /// The state at the time.
    pub state: State,
    /// The event.
    pub event: Event,
}

impl State {
    /// Every state without a step.
    pub const RESTING: [State; 6] =
        [State::Holding, State::Ready, State::Migrated, State::Failed, State::RolledBack, State::Finalized];

    /// The name used in tables, logs and JSON; a started org's step is kept beside it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The step of a started org.
    pub fn step(self) -> Option<Step> {
        match self {
            State::Started(step) => Some(step),
            State::Holding | State::Ready | State::Migrated | State::Failed | State::RolledBack | State::Finalized => {
                None
            }
        }
    }

    /// The inverse of [`State::as_str`] and [`State::step`].
    pub fn from_parts(state: &str, step: Option<&str>) -> Result<Self, UnknownState> {
        let found = match step {
            None => State::RESTING.into_iter().find(|known| known.as_str() == state),
            Some(step) => step.parse().ok().map(State::Started).filter(|started| started.as_str() == state),
        };
        found.ok_or_else(|| UnknownState { state: state.into(), step: step.map(Into::into) })
    }
}

/// A state or step that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown state {state:?} with step {step:?}")]
pub struct UnknownState {
    /// The state as stored.
    pub state: String,
    /// The step as stored.
    pub step: Option<String>,
}

/// The state after an event, or why the event is refused. Every pair of states and events is named, so that a new state or
/// event does not compile until its transitions are decided.
pub fn step(course: Course, state: State, event: Event) -> Result<State, Refused> {
    let refused = Refused { state, event };
    match (state, event) {
        // An operator releases a captured org.
        (State::Holding, Event::MadeReady) => Ok(State::Ready),
        // A campaign claims an org that is where its aim begins.
        (State::Ready | State::Migrated, Event::Claimed(aim)) if aim.claimed_from() == state => {
            Course { aim, ..course }.first().map(State::Started).ok_or(refused)
        }
        // The step that ended is the one that was begun.
        (State::Started(begun), Event::StepDone(done)) if begun == done => course.after(done).ok_or(refused),
        // Before the point of no return a failure leads back.
        (State::Started(begun), Event::StepFailed(failed)) if begun == failed && course.can_abort(begun) => {
            Ok(State::Started(Step::Abort))
        }
        // After it a move goes forward, even if it was being aborted.
        (State::Started(Step::Abort), Event::FoundMoved) => course.goes_on_with().map(State::Started).ok_or(refused),
        // The cause was fixed; the org may be claimed again.
        (State::Failed | State::RolledBack, Event::Retried) => Ok(State::Ready),

        (State::Started(_), Event::StepDone(_) | Event::StepFailed(_) | Event::FoundMoved) => Err(refused),
        (State::Started(_), Event::MadeReady | Event::Claimed(_) | Event::Retried) => Err(refused),
        (
            State::Holding,
            Event::Claimed(_) | Event::StepDone(_) | Event::StepFailed(_) | Event::FoundMoved | Event::Retried,
        ) => Err(refused),
        (State::Failed | State::RolledBack, Event::MadeReady | Event::Claimed(_)) => Err(refused),
        (State::Failed | State::RolledBack, Event::StepDone(_) | Event::StepFailed(_) | Event::FoundMoved) => {
            Err(refused)
        }
        (
            State::Ready | State::Migrated | State::Finalized,
            Event::MadeReady
            | Event::Claimed(_)
            | Event::StepDone(_)
            | Event::StepFailed(_)
            | Event::FoundMoved
            | Event::Retried,
        ) => Err(refused),
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Started(step) => write!(f, "started({step})"),
            other => f.write_str(other.as_str()),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::MadeReady => f.write_str("making it ready"),
            Event::Claimed(aim) => write!(f, "claiming it to {aim}"),
            Event::StepDone(step) => write!(f, "ending step {step}"),
            Event::StepFailed(step) => write!(f, "failing step {step}"),
            Event::FoundMoved => f.write_str("finding that it has moved"),
            Event::Retried => f.write_str("retrying it"),
        }
    }
}
