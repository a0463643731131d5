//! The courses: which steps follow each other, what each of them does, whom it shuts out, and up to where a failure leads back.
//! All of that stands in one table and, for where an aim begins and ends, in [`Aim`]; whoever needs it reads it there. What the
//! move log repeats of it in SQL is held against it by a test.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::state::State;

/// How a move is carried out: which steps, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Strategy {
    /// The org is in 503 mode while its rows are copied.
    Offline,
    /// The org is written while its rows are copied; its writers wait for a moment at the switch.
    Online,
    /// The operator keeps all writers out, and routes all orgs at once when they are copied: no flag of an org is touched.
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

/// What a step does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Writes the org's 503 mode.
    Block,
    /// Waits until everybody who was admitted before has ended.
    Drain,
    /// Lets the source log what is written.
    Capture,
    /// Copies rows that nobody writes.
    Copy,
    /// Copies rows that are written meanwhile.
    CopyLive,
    /// Carries over what was logged.
    CatchUp,
    /// Compares rows that nobody writes.
    Verify,
    /// Compares rows that are written meanwhile.
    VerifyLive,
    /// Declares the copy live and routes the org there, still blocked.
    Switch,
    /// Lets writers wait while the org changes stores.
    SwitchLive,
    /// Lays the org's 503 mode down.
    Unblock,
    /// Removes the copy, to which Mover has sent nobody.
    RemoveCopy,
    /// Removes what is left in the target of an org that is back.
    RemoveRolledBack,
    /// Writes the source's rows to a file.
    BackUp,
    /// Stops the target's log of what is written.
    Close,
    /// Removes the source's rows.
    Purge,
    /// Lets users in on the source, then removes the copy.
    LetIn,
    /// Stops the source's log, then removes the copy.
    Release,
    /// Leaves the org where it is, after both stores refuse what was sent before.
    Stay,
    /// Changes nothing: nothing in a store was changed.
    Nothing,
}

/// What a failure in a step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// Back to where the org was.
    Abort,
    /// Back, unless the store that the org leaves has committed the point of no return, which is inside this step. An abort that finds
    /// that it has goes on with this step.
    AbortUnlessMoved,
    /// Nowhere: the point of no return has been passed, or this is the way back. The step is tried until it works.
    Retry,
}

/// Whether users can write while a step lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writers {
    Free,
    /// Also where only some tries of the step make them wait.
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

/// How an org is moved and what for: it decides the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Course {
    /// How.
    pub strategy: Strategy,
    /// What for.
    pub aim: Aim,
}

/// A course with its steps in their order.
struct Entry {
    course: Course,
    rows: &'static [Row],
    /// What takes back what the steps did, where a failure leads back.
    abort: Option<Effect>,
}

/// Every course there is. What was written since an offline move was captured by nobody, so there is no way back from it and nothing to
/// give up; nor does Mover know whom the operator of a window has routed where.
const TABLE: [Entry; 6] = [
    Entry {
        course: Course { strategy: Strategy::Offline, aim: Aim::Migrate },
        rows: &[
            // An org whose 503 is not written yet is written itself.
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
        // Nobody was routed to the copies yet, or the operator knows what was written there since.
        rows: &[row(Step::Discard, Effect::RemoveCopy, OnFailure::Retry, Writers::Free)],
        abort: None,
    },
];

impl Course {
    /// Every course there is.
    pub fn all() -> impl Iterator<Item = Course> {
        TABLE.iter().map(|entry| entry.course)
    }

    /// The steps in their order; none if there is no such course.
    pub fn steps(self) -> impl DoubleEndedIterator<Item = Step> {
        self.rows().iter().map(|row| row.step)
    }

    /// The step with which it begins; nothing if there is no such course.
    pub fn first(self) -> Option<Step> {
        self.steps().next()
    }

    /// What a step does; nothing if it does not belong to the course.
    pub fn effect(self, step: Step) -> Option<Effect> {
        match step {
            Step::Abort => self.entry().and_then(|entry| entry.abort),
            _ => self.row(step).map(|row| row.effect),
        }
    }

    /// What a failure in a step leads to. An abort is itself the way back.
    pub fn on_failure(self, step: Step) -> OnFailure {
        self.row(step).map_or(OnFailure::Retry, |row| row.on_failure)
    }

    /// Whether a failure in this step still leads back to where the org was.
    pub fn can_abort(self, step: Step) -> bool {
        self.on_failure(step) != OnFailure::Retry
    }

    /// Whether users are kept from writing while this step lasts, so that it may not wait for long.
    pub fn shuts_out(self, step: Step) -> bool {
        self.row(step).is_some_and(|row| row.writers == Writers::ShutOut)
    }

    /// The step with which an abort goes on that finds that the org has moved; nothing where that cannot be.
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
