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
//! Which steps a started org goes through depends on its [`Strategy`] and on what it is claimed for, its [`Aim`]:
//!
//! ```text
//!  offline, migrate    block ▶ drain ▶ copy ▶ verify ▶ switch ▶ unblock
//!  online,  migrate    capture ▶ copy ▶ catch_up ▶ verify ▶ switch
//!  online,  roll back  catch_up ▶ verify ▶ switch ▶ discard
//!  online,  finalize   back_up ▶ close ▶ purge
//!  window,  migrate    drain ▶ copy ▶ verify
//!  window,  roll back  discard
//! ```
//!
//! A step is stored before its effect runs and every effect may be repeated, so recovery is: run the
//! stored step again. A failed step leads to `abort`, which takes back what was done, until the point of no return. That is
//! the switch: the step itself offline, a commit inside it online, so that there the store is asked before a switch
//! is given up. An abort that finds the org moved all the same goes back to `switch`, which goes on from there.

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
    /// The org is written while its rows are copied; its writers wait for a moment at the switch.
    Online,
    /// The operator keeps all writers out, and routes all orgs at once when they are copied: no flag of an org is touched.
    Window,
}

/// What an org is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// To the target.
    #[default]
    Migrate,
    /// Back to the source, with every write made since.
    RollBack,
    /// To give up the way back: the rows in the source are backed up and removed.
    Finalize,
}

/// Which store an org leaves and which receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the source to the target.
    Forward,
    /// From the target to the source.
    Back,
}

/// What is being done with a started org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Put the org in 503 mode.
    Block,
    /// Wait until every request admitted before the block has ended.
    Drain,
    /// Begin to log what is written, and wait until nobody is left who began to write before.
    Capture,
    /// Copy its rows to the target.
    Copy,
    /// Carry over what was written meanwhile, until little is left.
    CatchUp,
    /// Compare both stores.
    Verify,
    /// Make it live in the other store. Offline it is still in 503 mode then.
    Switch,
    /// Take it out of 503 mode, on the target.
    Unblock,
    /// Remove from the target what was rolled back.
    Discard,
    /// Write the source's rows to a file.
    BackUp,
    /// Stop logging what is written: from now on there is no way back.
    Close,
    /// Remove the source's rows.
    Purge,
    /// Take back what was done.
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
    /// A campaign took it.
    Claimed(Aim),
    /// The effect of this step is done.
    StepDone(Step),
    /// The effect of this step cannot be done.
    StepFailed(Step),
    /// An abort comes too late: the store that the org leaves has committed the point of no return.
    FoundMoved,
    /// An operator wants a failed or rolled back move tried again.
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

/// How an org is moved and what for: it decides the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Course {
    /// How.
    pub strategy: Strategy,
    /// What for.
    pub aim: Aim,
}

impl Course {
    /// The steps in their order; none if there is no such course.
    pub fn steps(self) -> &'static [Step] {
        match (self.strategy, self.aim) {
            (Strategy::Offline, Aim::Migrate) => {
                &[Step::Block, Step::Drain, Step::Copy, Step::Verify, Step::Switch, Step::Unblock]
            }
            (Strategy::Online, Aim::Migrate) => &[Step::Capture, Step::Copy, Step::CatchUp, Step::Verify, Step::Switch],
            (Strategy::Online, Aim::RollBack) => &[Step::CatchUp, Step::Verify, Step::Switch, Step::Discard],
            (Strategy::Online, Aim::Finalize) => &[Step::BackUp, Step::Close, Step::Purge],
            (Strategy::Window, Aim::Migrate) => &[Step::Drain, Step::Copy, Step::Verify],
            // Nobody was routed to the copies yet, or the operator knows what was written there since.
            (Strategy::Window, Aim::RollBack) => &[Step::Discard],
            // What was written since an offline move was captured by nobody.
            (Strategy::Offline, Aim::RollBack | Aim::Finalize) | (Strategy::Window, Aim::Finalize) => &[],
        }
    }

    /// Whether a failure in this step still leads back to where the org was.
    pub fn can_abort(self, step: Step) -> bool {
        self.steps().contains(&step)
            && match step {
                Step::Block
                | Step::Drain
                | Step::Capture
                | Step::Copy
                | Step::CatchUp
                | Step::Verify
                | Step::BackUp => true,
                // Offline it is the point of no return; online that is a commit inside it, which the holder asks for.
                Step::Switch => match self.strategy {
                    Strategy::Offline | Strategy::Window => false,
                    Strategy::Online => true,
                },
                // From here on a move rolls forward; an abort under way is itself the way back.
                Step::Unblock | Step::Discard | Step::Close | Step::Purge | Step::Abort => false,
            }
    }

    /// Whether users are kept from writing while this step lasts, so that it may not wait for long.
    pub fn shuts_out(self, step: Step) -> bool {
        match step {
            // An org whose 503 is not written yet is written itself.
            Step::Block | Step::Capture | Step::BackUp | Step::Close | Step::Purge | Step::Discard | Step::Abort => {
                false
            }
            Step::Drain | Step::Unblock => true,
            Step::Copy | Step::CatchUp | Step::Verify => match self.strategy {
                Strategy::Offline | Strategy::Window => true,
                Strategy::Online => false,
            },
            // Online each try of it makes writers wait.
            Step::Switch => true,
        }
    }

    /// Whether an abort may find that the org has moved: the point of no return is a commit inside the switch.
    pub fn may_have_moved(self) -> bool {
        match self.strategy {
            Strategy::Online => self.steps().contains(&Step::Switch),
            // Their switch is no step that can be given up.
            Strategy::Offline | Strategy::Window => false,
        }
    }

    /// The state after a step's effect is done, if the step belongs to the course.
    fn after(self, step: Step) -> Option<State> {
        if step == Step::Abort {
            return Some(self.aim.aborted());
        }
        let steps = self.steps();
        let place = steps.iter().position(|known| *known == step)?;
        Some(steps.get(place + 1).map_or(self.aim.reached(), |next| State::Started(*next)))
    }
}

impl Strategy {
    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Offline => "offline",
            Strategy::Online => "online",
            Strategy::Window => "window",
        }
    }
}

impl Aim {
    /// Every aim.
    pub const ALL: [Aim; 3] = [Aim::Migrate, Aim::RollBack, Aim::Finalize];

    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Aim::Migrate => "migrate",
            Aim::RollBack => "roll_back",
            Aim::Finalize => "finalize",
        }
    }

    /// What became of an org that reached it.
    pub fn done(self) -> &'static str {
        match self {
            Aim::Migrate => "migrated",
            Aim::RollBack => "rolled back",
            Aim::Finalize => "finalized",
        }
    }

    /// The state in which an org may be claimed for it.
    pub fn claimed_from(self) -> State {
        match self {
            Aim::Migrate => State::Ready,
            Aim::RollBack | Aim::Finalize => State::Migrated,
        }
    }

    /// The state in which it is reached.
    pub fn reached(self) -> State {
        match self {
            Aim::Migrate => State::Migrated,
            Aim::RollBack => State::RolledBack,
            Aim::Finalize => State::Finalized,
        }
    }

    /// The state in which an org is when it was given up.
    pub fn aborted(self) -> State {
        match self {
            Aim::Migrate => State::Failed,
            Aim::RollBack | Aim::Finalize => State::Migrated,
        }
    }

    /// From which store to which it leads.
    pub fn way(self) -> Way {
        match self {
            Aim::Migrate | Aim::Finalize => Way::Forward,
            Aim::RollBack => Way::Back,
        }
    }
}

impl FromStr for Aim {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let known = Aim::ALL.into_iter().find(|aim| aim.as_str() == text);
        known.ok_or_else(|| UnknownState { state: text.into(), step: None })
    }
}

impl Step {
    /// Every step, in the order of the documentation.
    pub const ALL: [Step; 13] = [
        Step::Block,
        Step::Drain,
        Step::Capture,
        Step::Copy,
        Step::CatchUp,
        Step::Verify,
        Step::Switch,
        Step::Unblock,
        Step::Discard,
        Step::BackUp,
        Step::Close,
        Step::Purge,
        Step::Abort,
    ];

    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Block => "block",
            Step::Drain => "drain",
            Step::Capture => "capture",
            Step::Copy => "copy",
            Step::CatchUp => "catch_up",
            Step::Verify => "verify",
            Step::Switch => "switch",
            Step::Unblock => "unblock",
            Step::Discard => "discard",
            Step::BackUp => "back_up",
            Step::Close => "close",
            Step::Purge => "purge",
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
            State::RolledBack => "rolled_back",
            State::Finalized => "finalized",
        }
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

    /// Puts together what [`State::as_str`] and [`State::step`] took apart.
    pub fn from_parts(state: &str, step: Option<&str>) -> Result<Self, UnknownState> {
        let unknown = || UnknownState { state: state.into(), step: step.map(Into::into) };
        match (state, step) {
            ("holding", None) => Ok(State::Holding),
            ("ready", None) => Ok(State::Ready),
            ("started", Some(step)) => step.parse().map(State::Started).map_err(|_| unknown()),
            ("migrated", None) => Ok(State::Migrated),
            ("failed", None) => Ok(State::Failed),
            ("rolled_back", None) => Ok(State::RolledBack),
            ("finalized", None) => Ok(State::Finalized),
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
pub fn step(course: Course, state: State, event: Event) -> Result<State, Refused> {
    let refused = Refused { state, event };
    match (state, event) {
        // An operator releases a captured org.
        (State::Holding, Event::MadeReady) => Ok(State::Ready),
        // A campaign takes an org that is where its aim begins.
        (State::Ready | State::Migrated, Event::Claimed(aim)) if aim.claimed_from() == state => {
            let first = Course { aim, ..course }.steps().first();
            first.map(|first| State::Started(*first)).ok_or(refused)
        }
        // The step that was begun is the one that ended.
        (State::Started(begun), Event::StepDone(done)) if begun == done => course.after(done).ok_or(refused),
        // Before the point of no return a failure leads back.
        (State::Started(begun), Event::StepFailed(failed)) if begun == failed && course.can_abort(begun) => {
            Ok(State::Started(Step::Abort))
        }
        // After it a move goes forward, even if it was being given up.
        (State::Started(Step::Abort), Event::FoundMoved) if course.may_have_moved() => Ok(State::Started(Step::Switch)),
        // The cause was mended; the org may be claimed again.
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

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Aim::Migrate => "migrate",
            Aim::RollBack => "roll back",
            Aim::Finalize => "finalize",
        })
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
