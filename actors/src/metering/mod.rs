//! Counts and times moves through the facade `metrics`: without a recorder every call is a load of an empty cell. Nothing here
//! waits, and nothing is called once per row.
//!
//! No label holds the name of an org: there are thousands of them.

mod backlog;
pub mod names;
mod shut_out;
mod zero;

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::domain::ids::MigrationName;
use crate::domain::state::{Course, State, Step, Strategy};
use crate::ports::{Copied, Written};

pub(crate) use backlog::Backlog;
pub(crate) use shut_out::ShutOut;
pub use zero::{begin_at_zero, begin_migration_at_zero};

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Outcome {
    Migrated,
    Failed,
    RolledBack,
    Finalized,
    Lost,
}

impl Outcome {
    /// The outcome of a move that came to rest in this state; `None` if this is no end.
    pub(crate) fn of(course: Course, state: State) -> Option<Self> {
        match state {
            State::Holding | State::Ready | State::Started(_) => None,
            // An aborted rollback leaves the org migrated, which was not the aim.
            reached if reached != course.aim.reached() => Some(Outcome::Failed),
            State::Migrated => Some(Outcome::Migrated),
            State::Failed => Some(Outcome::Failed),
            State::RolledBack => Some(Outcome::RolledBack),
            State::Finalized => Some(Outcome::Finalized),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Why a try of a step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum FailureKind {
    /// It may work later.
    Transient,
    /// It needs a person.
    Permanent,
    /// It panicked.
    Crash,
}

impl FailureKind {
    fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A move came to an end.
pub(crate) fn move_ended(migration: &MigrationName, outcome: Outcome) {
    counter!(names::MOVES, "migration" => migration.as_str().to_owned(), "outcome" => outcome.as_str()).increment(1);
}

/// A step's effect is done.
pub(crate) fn step_done(step: Step, strategy: Strategy, took: Duration) {
    histogram!(names::STEP_DURATION, "step" => step.as_str(), "strategy" => strategy.as_str())
        .record(took.as_secs_f64());
}

/// A try of a step failed.
pub(crate) fn step_failed(step: Step, kind: FailureKind) {
    counter!(names::STEP_FAILURES, "step" => step.as_str(), "kind" => kind.as_str()).increment(1);
}

/// An org's writers were blocked for this long.
pub(crate) fn writers_shut_out(strategy: Strategy, time: Duration) {
    histogram!(names::WRITE_BLOCK, "strategy" => strategy.as_str()).record(time.as_secs_f64());
}

/// The copy of an org is complete.
pub(crate) fn copied(copied: Copied) {
    counter!(names::ROWS_COPIED).increment(copied.rows.unsigned_abs());
    counter!(names::BYTES_COPIED).increment(copied.bytes.unsigned_abs());
}

/// Redis answered writes.
pub(crate) fn flags_written(written: &[Written]) {
    let (mut applied, mut stale, mut withheld) = (0, 0, 0);
    for one in written {
        match one {
            Written::Applied => applied += 1,
            Written::Stale { .. } => stale += 1,
            Written::Withheld => withheld += 1,
        }
    }
    for (result, hashes) in [("applied", applied), ("stale", stale), ("withheld", withheld)] {
        if hashes > 0 {
            counter!(names::FLAG_WRITES, "result" => result).increment(hashes);
        }
    }
}

/// Redis did not accept writes of so many hashes.
pub(crate) fn flags_not_written(hashes: usize) {
    counter!(names::FLAG_WRITES, "result" => "failed").increment(hashes as u64);
}

/// Why a flag hash was written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Mended {
    /// Its decision had not reached Redis.
    Unseen,
    /// It was deleted or evicted.
    Lost,
    /// It was changed by someone.
    Changed,
}

/// A flag hash was written again.
pub(crate) fn flags_mended(cause: Mended) {
    let cause: &'static str = cause.into();
    counter!(names::FLAGS_MENDED, "cause" => cause).increment(1);
}

/// So many flag hashes differ from their decisions and are left to people.
pub(crate) fn flags_differing(hashes: u64) {
    gauge!(names::FLAGS_DIFFERING).set(hashes as f64);
}

/// Whether the last call to Redis succeeded.
pub(crate) fn flags_up(up: bool) {
    gauge!(names::FLAGS_UP).set(if up { 1.0 } else { 0.0 });
}

/// A supervisor restarted a child. The label is the supervisor's path, and there are a handful of those.
pub(crate) fn restarted_below(supervisor: &str) {
    counter!(names::RESTARTS, "supervisor" => supervisor.to_owned()).increment(1);
}

/// How many workers are busy, and how many are idle.
pub(crate) fn workers(busy: u32, idle: u32) {
    gauge!(names::WORKERS, "state" => "busy").set(f64::from(busy));
    gauge!(names::WORKERS, "state" => "idle").set(f64::from(idle));
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use crate::domain::state::{Aim, Course, State, Step, Strategy};

    #[test]
    fn a_way_back_that_was_given_up_is_a_failure() {
        let outcome = |aim, state| Outcome::of(Course { strategy: Strategy::Online, aim }, state);
        assert_eq!(outcome(Aim::Migrate, State::Started(Step::Copy)), None);
        assert_eq!(outcome(Aim::Migrate, State::Migrated), Some(Outcome::Migrated));
        assert_eq!(outcome(Aim::Migrate, State::Failed), Some(Outcome::Failed));
        assert_eq!(outcome(Aim::RollBack, State::RolledBack), Some(Outcome::RolledBack));
        assert_eq!(outcome(Aim::RollBack, State::Migrated), Some(Outcome::Failed));
        assert_eq!(outcome(Aim::Finalize, State::Finalized), Some(Outcome::Finalized));
        assert_eq!(outcome(Aim::Finalize, State::Migrated), Some(Outcome::Failed));
    }
}
