//! The move state machine: pure, total, and without a wildcard arm.
//!
//! ```text
//!  holding ──ready──▶ ready ──claim──▶ started(block ▶ drain ▶ copy ▶ verify ▶ switch ▶ unblock) ──▶ migrated
//!                       ▲                       └── a step fails ──▶ started(abort) ──▶ failed
//!                       └───────────────────────────── retry ──────────────────────────────┘
//! ```
//!
//! A step is stored before its effect runs and every effect may be repeated, so recovery is: run the
//! stored step again. `switch` is the point of no return: from there on a move only goes forward.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a move is carried out: which steps, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The org is in 503 mode while its rows are copied.
    Offline,
}

/// What is being done with a started org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Put the org in 503 mode.
    Block,
    /// Wait until every request admitted before the block has ended.
    Drain,
    /// Copy its rows to the target.
    Copy,
    /// Compare both stores.
    Verify,
    /// Route it to the target, still blocked. The point of no return.
    Switch,
    /// Take it out of 503 mode, on the target.
    Unblock,
    /// Take back what was done: remove copied rows, take the org out of 503 mode, on the source.
    Abort,
}

/// Where a move stands. This is what the move log stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Captured; not yet meant to move.
    Holding,
    /// May be claimed by a campaign.
    Ready,
    /// In flight: this step was begun.
    Started(Step),
    /// Routed to the target and verified.
    Migrated,
    /// Parked on its source, open for writes, with a reason.
    Failed,
}

/// What can happen to a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// An operator released it.
    MadeReady,
    /// A campaign took it.
    Claimed,
    /// The effect of this step is done.
    StepDone(Step),
    /// The effect of this step cannot be done.
    StepFailed(Step),
    /// An operator wants a failed move tried again.
    Retried,
}

/// An event that is not legal in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{event} is not possible while the org is {state}")]
pub struct Refused {
    /// The state at the time.
    pub state: State,
    /// What was asked.
    pub event: Event,
}

impl Strategy {
    /// The step a claimed org begins with.
    pub fn first(self) -> Step {
        match self {
            Strategy::Offline => Step::Block,
        }
    }

    /// The state after a step's effect is done.
    fn after(self, step: Step) -> State {
        match (self, step) {
            (Strategy::Offline, Step::Block) => State::Started(Step::Drain),
            (Strategy::Offline, Step::Drain) => State::Started(Step::Copy),
            (Strategy::Offline, Step::Copy) => State::Started(Step::Verify),
            (Strategy::Offline, Step::Verify) => State::Started(Step::Switch),
            (Strategy::Offline, Step::Switch) => State::Started(Step::Unblock),
            (Strategy::Offline, Step::Unblock) => State::Migrated,
            (Strategy::Offline, Step::Abort) => State::Failed,
        }
    }
}

impl Step {
    /// Every step, in the order of the documentation.
    pub const ALL: [Step; 7] =
        [Step::Block, Step::Drain, Step::Copy, Step::Verify, Step::Switch, Step::Unblock, Step::Abort];

    /// Whether a failure in this step still leads back to the source.
    pub fn can_abort(self) -> bool {
        match self {
            Step::Block | Step::Drain | Step::Copy | Step::Verify => true,
            // From the switch on a move rolls forward; an abort under way is itself the way back.
            Step::Switch | Step::Unblock | Step::Abort => false,
        }
    }

    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Block => "block",
            Step::Drain => "drain",
            Step::Copy => "copy",
            Step::Verify => "verify",
            Step::Switch => "switch",
            Step::Unblock => "unblock",
            Step::Abort => "abort",
        }
    }
}

impl State {
    /// The name used in tables, logs and JSON; a started org's step is kept beside it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Holding => "holding",
            State::Ready => "ready",
            State::Started(_) => "started",
            State::Migrated => "migrated",
            State::Failed => "failed",
        }
    }

    /// The step of a started org.
    pub fn step(self) -> Option<Step> {
        match self {
            State::Started(step) => Some(step),
            State::Holding | State::Ready | State::Migrated | State::Failed => None,
        }
    }

    /// Puts together what [`State::as_str`] and [`State::step`] took apart.
    pub fn from_parts(state: &str, step: Option<&str>) -> Result<Self, UnknownState> {
        let unknown = || UnknownState { state: state.into(), step: step.map(Into::into) };
        match (state, step) {
            ("holding", None) => Ok(State::Holding),
            ("ready", None) => Ok(State::Ready),
            ("started", Some(step)) => step.parse().map(State::Started).map_err(|_| unknown()),
            ("migrated", None) => Ok(State::Migrated),
            ("failed", None) => Ok(State::Failed),
            _ => Err(unknown()),
        }
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

impl FromStr for Step {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let known = Step::ALL.into_iter().find(|step| step.as_str() == text);
        known.ok_or_else(|| UnknownState { state: "started".into(), step: Some(text.into()) })
    }
}

/// The state after an event, or why the event is refused. Every pair of states and events is named,
/// so that a new state or event does not compile until somebody has thought about it.
pub fn step(strategy: Strategy, state: State, event: Event) -> Result<State, Refused> {
    let refused = Err(Refused { state, event });
    match (state, event) {
        // An operator releases a captured org.
        (State::Holding, Event::MadeReady) => Ok(State::Ready),
        // A campaign takes a released org.
        (State::Ready, Event::Claimed) => Ok(State::Started(strategy.first())),
        // The step that was begun is the one that ended.
        (State::Started(begun), Event::StepDone(done)) if begun == done => Ok(strategy.after(done)),
        // Before the switch a failure leads back to the source.
        (State::Started(begun), Event::StepFailed(failed)) if begun == failed && begun.can_abort() => {
            Ok(State::Started(Step::Abort))
        }
        // The cause was mended; the org may be claimed again.
        (State::Failed, Event::Retried) => Ok(State::Ready),

        (State::Started(_), Event::StepDone(_) | Event::StepFailed(_)) => refused,
        (State::Holding, Event::Claimed | Event::StepDone(_) | Event::StepFailed(_) | Event::Retried) => refused,
        (State::Ready, Event::MadeReady | Event::StepDone(_) | Event::StepFailed(_) | Event::Retried) => refused,
        (State::Started(_), Event::MadeReady | Event::Claimed | Event::Retried) => refused,
        (
            State::Migrated,
            Event::MadeReady | Event::Claimed | Event::StepDone(_) | Event::StepFailed(_) | Event::Retried,
        ) => refused,
        (State::Failed, Event::MadeReady | Event::Claimed | Event::StepDone(_) | Event::StepFailed(_)) => refused,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
            Event::Claimed => f.write_str("claiming it"),
            Event::StepDone(step) => write!(f, "ending step {step}"),
            Event::StepFailed(step) => write!(f, "failing step {step}"),
            Event::Retried => f.write_str("retrying it"),
        }
    }
}
