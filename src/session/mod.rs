//! The beginning of every session with a store or the move log.
//!
//! First, whether the session is Mover's own: behind a pooler its settings would stay in sessions of applications, and its locks
//! would be nobody's. Then the settings that override those of role and database: name lookup in `pg_catalog`, durable
//! commits, and no timer that could cancel one.

mod backend;

use thiserror::Error;
use tokio_postgres::{Client, SimpleQueryMessage};

/// The settings of a session. Repeating them is harmless.
pub(crate) const BEGIN: &str = include_str!("begin.sql");

/// What to do about a pooler, before the name of a section of the configuration.
pub(crate) const NEXT_WITHOUT_POOLER: &str =
    "next: name the server's own host and port, not those of the pooler, in url in";

/// Why a session cannot begin.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// The driver or the server failed.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// A pooler is in between.
    #[error(transparent)]
    Pooled(#[from] Pooled),
}

/// The process that runs our statements is not the one that the connection was opened with: a pooler is in between, which gives the
/// same process to other clients.
#[derive(Debug, Clone, Error)]
#[error(
    "a connection pooler such as PgBouncer is in between: {}, and statements run in process {found}. It gives the sessions that \
     Mover sets up for itself (no triggers, no foreign keys) to applications, and Mover's locks would be lost",
    opened_with(*announced)
)]
pub(crate) struct Pooled {
    announced: Option<i32>,
    found: i32,
}

fn opened_with(announced: Option<i32>) -> String {
    match announced {
        Some(process) => format!("the connection was opened with process {process}"),
        None => "the connection was opened without the number of a process".into(),
    }
}

impl Pooled {
    /// Whether this was found on that connection.
    pub(crate) fn is_about(&self, client: &Client) -> bool {
        self.announced == backend::announced(client)
    }
}

/// Begins a session, and returns the `search_path` that it had: table names of a definition are looked up in it. Nothing is set in
/// a session that is not Mover's own.
pub(crate) async fn begin(client: &Client) -> Result<String, SessionError> {
    must_be_ours(client).await?;
    // SHOW looks up no names.
    let answers = client.simple_query(&format!("SHOW search_path;\n{BEGIN}")).await?;
    Ok(first_value(&answers).unwrap_or_default().to_owned())
}

/// A pooler makes up the number that it announces; a server announces that of the process that serves the connection.
async fn must_be_ours(client: &Client) -> Result<(), SessionError> {
    let answers = client.simple_query("SELECT pg_catalog.pg_backend_pid()").await?;
    let found = first_value(&answers).and_then(|value| value.parse().ok()).unwrap_or_default();
    match backend::announced(client) {
        Some(process) if process == found => Ok(()),
        announced => Err(Pooled { announced, found }.into()),
    }
}

fn first_value(answers: &[SimpleQueryMessage]) -> Option<&str> {
    answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    })
}
