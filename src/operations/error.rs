//! Why a command was not carried out.

use mover_actors::domain::state::State;
use mover_actors::otp::RefError;
use mover_actors::ports::{EngineError, FlagsError, LogError};
use mover_actors::tree::darklaunch::DarklaunchError;
use thiserror::Error;

use crate::config::UnknownMigration;
use crate::state::read::Counts;
use crate::state::{CaptureError, StateError};

/// Why a command was not carried out, with the next step for the user if it is known.
#[derive(Debug, Error)]
pub enum OperationError {
    /// The move log refused, or a query failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The move log refused what an actor asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A store refused.
    #[error("{}", engine_sentence(.0))]
    Engine(#[from] EngineError),
    /// Flags were not written.
    #[error(transparent)]
    Darklaunch(#[from] DarklaunchError),
    /// Flags were not read.
    #[error(transparent)]
    Flags(#[from] FlagsError),
    /// An actor is being restarted.
    #[error("{0}; try again")]
    Actor(#[from] RefError),
    /// No definition has this name.
    #[error(transparent)]
    UnknownMigration(#[from] UnknownMigration),
    /// The source's list of orgs could not be read to its end.
    #[error("{}; no org was captured", engine_sentence(.0))]
    NotCaptured(EngineError),
    /// The source does not know these orgs.
    #[error("the source of {migration} does not know {orgs}; nothing was added")]
    UnknownOrgs {
        /// The migration whose source was asked.
        migration: String,
        /// The names, as a list.
        orgs: String,
    },
    /// A file of org names cannot be used.
    #[error("{path}{}: {problem}", line.map_or(String::new(), |line| format!(":{line}")))]
    File {
        /// The file.
        path: String,
        /// The line at fault, from 1.
        line: Option<usize>,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to move.
    #[error(
        "{migration}: no org is ready ({} in holding, {} in flight, {} migrated, {} failed, {} rolled back); next: {}",
        counts.holding, counts.started, counts.migrated, counts.failed, counts.rolled_back, next_step(migration, counts)
    )]
    NothingReady {
        /// The migration.
        migration: String,
        /// The counts of its orgs.
        counts: Counts,
    },
    /// No online migration uses this store.
    #[error("no online migration moves orgs from or to a store {store}; the stores are {stores}")]
    UnguardedStore {
        /// The store that was named.
        store: String,
        /// The stores with online migrations.
        stores: String,
    },
    /// No migration uses this store.
    #[error("no migration moves orgs from or to a store {store}; the stores are {stores}")]
    UnknownStore {
        /// The store that was named.
        store: String,
        /// The stores of the migrations.
        stores: String,
    },
    /// A backup is not what it says, or not of an org of this move log.
    #[error("backup {file}: {problem}; nothing was loaded")]
    Backup {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// An org is not in a state in which its backup can be used.
    #[error("org {org}: {problem}; nothing was changed")]
    Restore {
        /// The org.
        org: String,
        /// What is in the way.
        problem: String,
    },
    /// There is nothing to roll back or to finalize.
    #[error(
        "{migration}: no org is migrated, so there is nothing to {verb} ({} ready, {} in flight, {} rolled back, {} finalized); \
         next: status {migration}",
        counts.ready, counts.started, counts.rolled_back, counts.finalized
    )]
    NothingMigrated {
        /// The migration.
        migration: String,
        /// The counts of its orgs.
        counts: Counts,
        /// The command.
        verb: &'static str,
    },
    /// None of the named orgs is in the state from which the aim claims.
    #[error("{migration}: {verb} begins with orgs that are {begins}, but {orgs}; next: {next}")]
    NoneCanBegin {
        /// The migration.
        migration: String,
        /// Some of the orgs with their states.
        orgs: String,
        /// The state in which they would have to be.
        begins: State,
        /// The command that brings them there, or shows them.
        next: String,
        /// The command.
        verb: &'static str,
    },
    /// A prep has no selection, and no way back.
    #[error(
        "a prep of {migration} forces every org that is not captured yet to the old components: `migrate … all` is all \
         that it knows, and there is no {verb} of a part"
    )]
    PrepTakesAll {
        /// The migration that is prepared.
        migration: String,
        /// The command.
        verb: &'static str,
    },
    /// Writes after an offline move were not captured.
    #[error(
        "{migration} moves orgs offline: writes after the switch were not captured, so there is no {verb}; \
         with strategy = \"online\" there is"
    )]
    OfflineStays {
        /// The migration.
        migration: String,
        /// The command.
        verb: &'static str,
    },
    /// A step has no statement to undo it.
    #[error("step {step:?} of {migration} has no undo, so there is no rollback; give it one in the definition")]
    NoUndo {
        /// The migration.
        migration: String,
        /// The step.
        step: String,
    },
    /// Mover does not know when rows that were moved in a window may be removed.
    #[error(
        "{migration} moves orgs in a window: Mover did not route them, so it does not know when their rows in the source \
         may go, and there is no finalize; remove them yourself"
    )]
    WindowStays {
        /// The migration.
        migration: String,
    },
    /// The check found problems that would make the campaign fail.
    #[error(
        "{migration} cannot run as things are:\n{problems}\nNothing was changed. `check` shows everything that was looked at"
    )]
    Unsafe {
        /// The migration.
        migration: String,
        /// One per line.
        problems: String,
    },
    /// A store is not the one that it was, or not the one of this move log.
    #[error("nothing moves until an operator has decided:\n{problems}")]
    StoresChanged {
        /// One per line.
        problems: String,
    },
    /// A store is not the one that it was, so no decision about flags is made.
    #[error(
        "no flag is changed until an operator has decided:\n{problems}\nA 503 for everybody can be set without Mover meanwhile: \
         redis-cli HSET dl_override 503_mode true"
    )]
    FlagsUndecided {
        /// One per line.
        problems: String,
    },
    /// The history has no command of this number.
    #[error("there is no command {id}; history shows those there are")]
    NoCommand {
        /// The number.
        id: i64,
    },
    /// It was decided already, or needs no approval.
    #[error("command {id} does not wait, or not any more")]
    NotWaiting {
        /// The number.
        id: i64,
    },
    /// The user who gave a command cannot approve it.
    #[error("the user who gave a command cannot approve it")]
    OwnApproval,
    /// The command needs a running tree, which this interface does not have.
    #[error("{command} works in the console only")]
    ConsoleOnly {
        /// The command.
        command: &'static str,
    },
}

fn next_step(migration: &str, counts: &Counts) -> String {
    match counts {
        Counts { started: 1.., .. } => "resume brings those in flight to their end".into(),
        Counts { holding: 1.., .. } => format!("orgs ready {migration} all"),
        Counts { failed: 1.., .. } => format!("retry {migration} failed"),
        Counts { rolled_back: 1.., .. } => format!("retry {migration} rolled_back"),
        _ if counts.total() == 0 => format!("orgs capture {migration}"),
        _ => format!("status {migration}"),
    }
}

fn engine_sentence(error: &EngineError) -> String {
    let place = [&error.place.table, &error.place.row].into_iter().flatten().map(String::as_str);
    std::iter::once(error.reason.as_str()).chain(place).collect::<Vec<_>>().join("; ")
}

impl From<CaptureError<EngineError>> for OperationError {
    fn from(error: CaptureError<EngineError>) -> Self {
        match error {
            CaptureError::Source { cause, .. } => OperationError::NotCaptured(cause),
            CaptureError::State(error) => error.into(),
        }
    }
}

impl OperationError {
    /// The problem code, as in docs/http.md.
    pub fn problem(&self) -> &'static str {
        match self {
            _ if self.is_busy() => "busy",
            _ if self.is_idle() => "nothing-to-do",
            OperationError::State(error) => error.problem(),
            OperationError::UnknownMigration(_)
            | OperationError::UnknownOrgs { .. }
            | OperationError::NoCommand { .. } => "not-found",
            OperationError::OwnApproval => "own-approval",
            OperationError::Log(LogError::Unreachable { .. })
            | OperationError::Actor(_)
            | OperationError::Flags(FlagsError::Unreachable { .. }) => "unavailable",
            _ => "conflict",
        }
    }

    /// Whether another campaign runs, and continues.
    pub fn is_busy(&self) -> bool {
        matches!(self, OperationError::Log(LogError::Busy { .. }))
    }

    /// Whether it only means that there is nothing to do.
    pub fn is_idle(&self) -> bool {
        matches!(self, OperationError::Log(LogError::NoCampaign) | OperationError::NothingMigrated { .. })
    }
}
