//! Errors of the move log; which of them are transient.

use std::error::Error as _;

use deadpool_postgres::{HookError, PoolError};
use mover_actors::domain::ids::{CampaignId, IdError, MigrationName, MoveId, NodeId, OrgKey, OrgName};
use mover_actors::ports::LogError;
use thiserror::Error;
use tokio_postgres::error::SqlState;

use crate::session::NEXT_WITHOUT_POOLER;
use crate::tls::{self, Trouble};
use crate::transient;

/// The section of the configuration for the state database.
pub(super) const SECTION: &str = "[state]";

/// Why the move log in Postgres refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StateError {
    /// The address of the state database cannot be read.
    #[error("the address of the state database is not usable: {problem}")]
    Address {
        /// What is wrong with it.
        problem: String,
    },
    /// The server refuses this user.
    #[error("{server} refuses user {user:?}: {cause}")]
    Login {
        /// Host and port.
        server: String,
        /// The user.
        user: String,
        /// The message of the server.
        cause: String,
    },
    /// The server has no such database.
    #[error("{server} has no database {database:?}; create it, or mend the address of the state database")]
    UnknownDatabase {
        /// Host and port.
        server: String,
        /// The database.
        database: String,
    },
    /// TLS is required, or a certificate cannot be verified, and there is no such connection.
    #[error("{server}: {problem}; next: {next}")]
    Tls {
        /// Host and port.
        server: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        next: String,
    },
    /// A connection pooler is in between.
    #[error("{doing}: {problem}; {NEXT_WITHOUT_POOLER} {SECTION}")]
    Pooled {
        /// What was being done.
        doing: String,
        /// What was found.
        problem: String,
    },
    /// Not reachable, or the connection was lost; a retry can help.
    #[error("the move log cannot be reached while {doing}: {cause}")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// The message of the driver or the server.
        cause: String,
    },
    /// Postgres refused.
    #[error("{doing}: Postgres refused: {cause}")]
    Rejected {
        /// What was being done.
        doing: String,
        /// The message of Postgres.
        cause: String,
        /// The constraint that was violated, if it was that.
        constraint: Option<String>,
    },
    /// What is stored or requested makes no sense.
    #[error("{doing}: {problem}")]
    Invalid {
        /// What was being done.
        doing: String,
        /// What is wrong.
        problem: String,
    },
    /// The migration does not know this org.
    #[error("migration {migration} has no org {org:?}{}", did_you_mean(near))]
    UnknownOrg {
        /// The migration.
        migration: MigrationName,
        /// The requested name.
        org: String,
        /// Similar names.
        near: Vec<OrgName>,
    },
    /// No migration knows this org.
    #[error("no migration has an org {org:?}{}", did_you_mean(near))]
    UnknownEverywhere {
        /// The requested name.
        org: String,
        /// Similar names.
        near: Vec<OrgName>,
    },
    /// There is no such move.
    #[error("there is no move {0}")]
    UnknownMove(MoveId),
    /// There is no such campaign.
    #[error("there is no campaign {0}")]
    UnknownCampaign(CampaignId),
    /// The node never joined, or has left.
    #[error("node {0} is not registered, or has left")]
    UnknownNode(NodeId),
    /// Two processes want to be the same node.
    #[error("another running process is node {name:?}; end it, or give this one another name")]
    NodeNameTaken {
        /// The name.
        name: String,
    },
    /// The source's list of orgs contradicts what was captured.
    #[error(
        "org {:?} with key {key} cannot be captured in migration {migration}: \
         it is known as org {:?} with key {known_key}",
        name.as_str(),
        known_name.as_str()
    )]
    OrgConflict {
        /// The migration.
        migration: MigrationName,
        /// The listed name.
        name: OrgName,
        /// The listed key.
        key: OrgKey,
        /// The stored name.
        known_name: OrgName,
        /// The stored key.
        known_key: OrgKey,
    },
    /// The schema of the database is newer than this program.
    #[error(
        "the state database has schema version {found}, this program knows versions up to {known}: \
         use the newer program that migrated it"
    )]
    SchemaTooNew {
        /// The version found.
        found: i32,
        /// The newest version known here.
        known: i32,
    },
    /// A schema migration in the database differs from the one that this program has under that number.
    #[error("schema migration {number} of the state database is {found:?}, which differs from this program's {name:?}")]
    SchemaDiffers {
        /// Its number.
        number: i32,
        /// Its name in the database.
        found: String,
        /// Its name in this program.
        name: String,
    },
}

fn did_you_mean(near: &[OrgName]) -> String {
    let names: Vec<String> = near.iter().map(|name| format!("{:?}", name.as_str())).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(" or ")) }
}

impl StateError {
    /// The problem code, as in docs/http.md.
    pub fn problem(&self) -> &'static str {
        match self {
            StateError::UnknownOrg { .. }
            | StateError::UnknownEverywhere { .. }
            | StateError::UnknownMove(_)
            | StateError::UnknownCampaign(_) => "not-found",
            StateError::Unreachable { .. } => "unavailable",
            _ => "conflict",
        }
    }

    /// Whether a retry can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, StateError::Unreachable { .. })
    }

    pub(super) fn postgres(doing: &str, error: &tokio_postgres::Error) -> Self {
        let (doing, cause) = (doing.to_owned(), describe(error));
        if is_transient(error) {
            return StateError::Unreachable { doing, cause };
        }
        let constraint = error.as_db_error().and_then(|db| db.constraint()).map(Into::into);
        StateError::Rejected { doing, cause, constraint }
    }

    pub(super) fn pool(doing: &str, error: &PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                Self::postgres(doing, error)
            }
            // The only message of our hook.
            PoolError::PostCreateHook(HookError::Message(problem)) => {
                StateError::Pooled { doing: doing.into(), problem: problem.to_string() }
            }
            other => StateError::Unreachable { doing: doing.into(), cause: other.to_string() },
        }
    }

    pub(super) fn invalid(doing: impl Into<String>, problem: impl Into<String>) -> Self {
        StateError::Invalid { doing: doing.into(), problem: problem.into() }
    }

    pub(super) fn stored_id(doing: &str, error: &IdError) -> Self {
        Self::invalid(doing, format!("stored: {error}"))
    }

    pub(super) fn violates(&self, name: &str) -> bool {
        matches!(self, StateError::Rejected { constraint: Some(constraint), .. } if constraint == name)
    }
}

impl From<StateError> for LogError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Unreachable { doing, cause } => LogError::Unreachable { doing, cause },
            StateError::Invalid { doing, problem } => LogError::Invalid { doing, problem },
            StateError::Rejected { doing, cause, .. } => {
                LogError::Invalid { doing, problem: format!("Postgres refused: {cause}") }
            }
            other => LogError::Invalid { doing: "looking up what was named".into(), problem: other.to_string() },
        }
    }
}

/// The message of the driver or the server, in one line, without what the caller adds.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail} [{}]", db.message(), db.code().code());
    }
    if let Some(Trouble { problem, next }) = tls::explain(error, SECTION) {
        return format!("{problem}; next: {next}");
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Whether the state of the server or the network may be different next time.
fn is_transient(error: &tokio_postgres::Error) -> bool {
    // A standby that was, or is about to become, the primary; class 53: too many connections, out of memory or disk.
    let of_the_server = |code: &SqlState| *code == SqlState::READ_ONLY_SQL_TRANSACTION || code.code().starts_with("53");
    transient::is_transient(error) || error.code().is_some_and(of_the_server)
}
