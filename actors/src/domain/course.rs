//! The courses: the order of the steps, the effect of each, whether it blocks users, and what a failure leads to. All of that
//! is defined in one table and, for where an aim begins and ends, in [`Aim`]; all other code reads it there. A test compares
//! the parts that the move log repeats in SQL.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::state::State;

/// How a move is carried out: the steps and their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Strategy {
    /// The org is in 503 mode while its rows are copied.
    Offline,
    /// The org is written while its rows are copied; its writers wait for a moment at the switch.
    Online,
    /// The operator keeps all writers out, and routes all orgs at once when they are copied: Mover sets no flag of an org.
    Window,
}

/// What an org is claimed for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Aim {
    /// To the target.
    #[default]
    Migrate,
    /// Back to the source, with every write made since.
    RollBack,
    /// Closes the way back: the rows in the source are backed up and removed.
    Finalize,
}

/// The direction of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the source to the target.
    Forward,
    /// From the target to the source.
    Back,
}

/// What is being done with a started org.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// Put the org in 503 mode.
    Block,
    /// Wait until every request admitted before the block has ended.
    Drain,
    /// Begin to log writes, and wait for the writers that began before.
    Capture,
    /// Copy its rows to the target.
    Copy,
    /// Carry over what was written meanwhile, until little is left.
    CatchUp,
    /// Compare both stores.
    Verify,
    /// Make it live in the other store. Offline it is still in 503 mode afterwards.
    Switch,
    /// Take it out of 503 mode, on the target.
    Unblock,
    /// Remove the rows of a rolled back org from the target.
    Discard,
    /// Write the source's rows to a file.
    BackUp,
    /// Stop logging writes: from now on there is no way back.
    Close,
    /// Remove the source's rows.
    Purge,
    /// Undo what was done.
    Abort,
}

/// The effect of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Sets the org's 503 mode.
    Block,
    /// Waits until all requests that were admitted before have ended.
    Drain,
    /// Makes the source log writes.
    Capture,
    /// Copies rows while there are no writes.
    Copy,
    /// Copies rows while they are written.
    CopyLive,
    /// Carries over logged changes.
    CatchUp,
    /// Compares rows while there are no writes.
    Verify,
    /// Compares rows while they are written.
    VerifyLive,
    /// Makes the copy live and routes the org there, still blocked.
    Switch,
    /// Makes writers wait while the org changes stores.
    SwitchLive,
    /// Ends the org's 503 mode.
    Unblock,
    /// Removes the copy, to which Mover has routed no client.
    RemoveCopy,
    /// Removes the rows of a rolled back org from the target.
    RemoveRolledBack,
    /// Writes the source's rows to a file.
    BackUp,
    /// Stops the log of writes in the target.
    Close,
    /// Removes the source's rows.
    Purge,
    /// Unblocks users on the source, then removes the copy.
    LetIn,
    /// Stops the log of writes in the source, then removes the copy.
    Release,
    /// Leaves the org where it is, after both stores refuse older epochs.
    Stay,
    /// Does nothing: nothing in a store was changed.
    Nothing,
}

/// What a failure of a step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// Back to where the org was.
    Abort,
    /// Back, unless the leaving store has committed the point of no return, which is inside this step. An abort that finds the
    /// commit continues this step.
    AbortUnlessMoved,
    /// No way back: the point of no return has been passed, or this is the way back. The step is retried until it works.
    Retry,
}

/// Whether users can write during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writers {
    Free,
    /// Blocked, even if only some tries of the step make them wait.
    ShutOut,
}

/// One step of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    step: Step,
    effect: Effect,
    on_failure: OnFailure,
    writers: Writers,
}

const fn row(step: Step, effect: Effect, on_failure: OnFailure, writers: Writers) -> Row {
    Row { step, effect, on_failure, writers }
}

/// Strategy and aim of a move: together they decide the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Course {
    /// The strategy.
    pub strategy: Strategy,
    /// The aim.
    pub aim: Aim,
}

/// A course with its steps in their order.
struct Entry {
    course: Course,
    rows: &'static [Row],
    /// What undoes the steps, if a failure leads back.
    abort: Option<Effect>,
}

/// All courses. Nothing captures the writes after an offline move, so it has no way back and nothing to finalize. In a window
/// Mover does not know which clients the operator has routed where.
const TABLE: [Entry; 6] = [
    Entry {
        course: Course { strategy: Strategy::Offline, aim: Aim::Migrate },
        rows: &[
            // An org whose 503 mode is not set yet can still be written.
            row(Step::Block, Effect::Block, OnFailure::Abort, Writers::Free),
            row(Step::Drain, Effect::Drain, OnFailure::Abort, Writers::ShutOut),
            row(Step::Copy, Effect::Copy, OnFailure::Abort, Writers::ShutOut),
            row(Step::Verify, Effect::Verify, OnFailure::Abort, Writers::ShutOut),
            row(Step::Switch, Effect::Switch, OnFailure::Retry, Writers::ShutOut),
            row(Step::Unblock, Effect::Unblock, OnFailure::Retry, Writers::ShutOut),
        ],
        abort: Some(Effect::LetIn),
    },
    Entry {
        course: Course { strategy: Strategy::Online, aim: Aim::Migrate },
        rows: &[
            row(Step::Capture, Effect::Capture, OnFailure::Abort, Writers::Free),
            row(Step::Copy, Effect::CopyLive, OnFailure::Abort, Writers::Free),
            row(Step::CatchUp, Effect::CatchUp, OnFailure::Abort, Writers::Free),
            row(Step::Verify, Effect::VerifyLive, OnFailure::Abort, Writers::Free),
            row(Step::Switch, Effect::SwitchLive, OnFailure::AbortUnlessMoved, Writers::ShutOut),
        ],
        abort: Some(Effect::Release),
    },
    Entry {
        course: Course { strategy: Strategy::Online, aim: Aim::RollBack },
        rows: &[
            row(Step::CatchUp, Effect::CatchUp, OnFailure::Abort, Writers::Free),
            row(Step::Verify, Effect::VerifyLive, OnFailure::Abort, Writers::Free),
            row(Step::Switch, Effect::SwitchLive, OnFailure::AbortUnlessMoved, Writers::ShutOut),
            row(Step::Discard, Effect::RemoveRolledBack, OnFailure::Retry, Writers::Free),
        ],
        abort: Some(Effect::Stay),
    },
    Entry {
        course: Course { strategy: Strategy::Online, aim: Aim::Finalize },
        rows: &[
            row(Step::BackUp, Effect::BackUp, OnFailure::Abort, Writers::Free),
            row(Step::Close, Effect::Close, OnFailure::Retry, Writers::Free),
            row(Step::Purge, Effect::Purge, OnFailure::Retry, Writers::Free),
        ],
        abort: Some(Effect::Nothing),
    },
    Entry {
        course: Course { strategy: Strategy::Window, aim: Aim::Migrate },
        rows: &[
            row(Step::Drain, Effect::Drain, OnFailure::Abort, Writers::ShutOut),
            row(Step::Copy, Effect::Copy, OnFailure::Abort, Writers::ShutOut),
            row(Step::Verify, Effect::Verify, OnFailure::Abort, Writers::ShutOut),
        ],
        abort: Some(Effect::RemoveCopy),
    },
    Entry {
        course: Course { strategy: Strategy::Window, aim: Aim::RollBack },
        // No client was routed to the copies yet, or the operator knows what was written there since.
        rows: &[row(Step::Discard, Effect::RemoveCopy, OnFailure::Retry, Writers::Free)],
        abort: None,
    },
];

impl Course {
    /// All courses.
    pub fn all() -> impl Iterator<Item = Course> {
        TABLE.iter().map(|entry| entry.course)
    }

    /// The steps in order; none if the course does not exist.
    pub fn steps(self) -> impl DoubleEndedIterator<Item = Step> {
        self.rows().iter().map(|row| row.step)
    }

    /// The first step; `None` if the course does not exist.
    pub fn first(self) -> Option<Step> {
        self.steps().next()
    }

    /// The effect of a step; `None` if the step is not part of the course.
    pub fn effect(self, step: Step) -> Option<Effect> {
        match step {
            Step::Abort => self.entry().and_then(|entry| entry.abort),
            _ => self.row(step).map(|row| row.effect),
        }
    }

    /// What a failure of a step leads to. An abort is itself the way back.
    pub fn on_failure(self, step: Step) -> OnFailure {
        self.row(step).map_or(OnFailure::Retry, |row| row.on_failure)
    }

    /// Whether a failure of this step still leads back to where the org was.
    pub fn can_abort(self, step: Step) -> bool {
        self.on_failure(step) != OnFailure::Retry
    }

    /// Whether users cannot write during this step, so that it must not wait for long.
    pub fn shuts_out(self, step: Step) -> bool {
        self.row(step).is_some_and(|row| row.writers == Writers::ShutOut)
    }

    /// The step with which an abort continues if it finds that the org has moved; `None` if that cannot happen.
    pub fn goes_on_with(self) -> Option<Step> {
        let row = self.rows().iter().find(|row| row.on_failure == OnFailure::AbortUnlessMoved);
        row.map(|row| row.step)
    }

    /// The state after a step's effect is done, if the step belongs to the course.
    pub(super) fn after(self, step: Step) -> Option<State> {
        if step == Step::Abort {
            return self.effect(step).map(|_| self.aim.aborted());
        }
        let mut later = self.steps().skip_while(|known| *known != step);
        later.next().map(|_| later.next().map_or(self.aim.reached(), State::Started))
    }

    fn entry(self) -> Option<&'static Entry> {
        TABLE.iter().find(|entry| entry.course == self)
    }

    fn rows(self) -> &'static [Row] {
        self.entry().map_or(&[], |entry| entry.rows)
    }

    fn row(self, step: Step) -> Option<&'static Row> {
        self.rows().iter().find(|row| row.step == step)
    }
}

impl Strategy {
    /// Every strategy.
    pub const ALL: &'static [Strategy] = <Strategy as VariantArray>::VARIANTS;

    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Aim {
    /// Every aim.
    pub const ALL: &'static [Aim] = <Aim as VariantArray>::VARIANTS;

    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The participle for an org that reached it.
    pub fn done(self) -> &'static str {
        match self {
            Aim::Migrate => "migrated",
            Aim::RollBack => "rolled back",
            Aim::Finalize => "finalized",
        }
    }

    /// The state in which it claims orgs.
    pub fn claimed_from(self) -> State {
        match self {
            Aim::Migrate => State::Ready,
            Aim::RollBack | Aim::Finalize => State::Migrated,
        }
    }

    /// The state of an org that has reached it.
    pub fn reached(self) -> State {
        match self {
            Aim::Migrate => State::Migrated,
            Aim::RollBack => State::RolledBack,
            Aim::Finalize => State::Finalized,
        }
    }

    /// The state of an org whose move was aborted.
    pub fn aborted(self) -> State {
        match self {
            Aim::Migrate => State::Failed,
            Aim::RollBack | Aim::Finalize => State::Migrated,
        }
    }

    /// The direction of its moves.
    pub fn way(self) -> Way {
        match self {
            Aim::Migrate | Aim::Finalize => Way::Forward,
            Aim::RollBack => Way::Back,
        }
    }
}

impl Step {
    /// Every step, in the order of the documentation.
    pub const ALL: &'static [Step] = <Step as VariantArray>::VARIANTS;

    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
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
