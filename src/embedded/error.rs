//! Errors of the private servers, each with the next step for the operator.

use std::{io, path::PathBuf};

use super::ServerKind;

/// Why the private servers could not be found, started, used or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// A required program of the system is missing.
    #[error(
        "{program} is not installed (looked in {searched}). Install it with \
         `apt-get install postgresql redis-server` (Debian, Ubuntu), \
         `dnf install postgresql-server redis` (Fedora) or `brew install postgresql redis` (macOS), \
         or name your own Postgres and Redis in mover.toml"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// The directories that were searched.
        searched: String,
    },

    /// The data was written by another major version of Postgres than the one installed.
    #[error(
        "{} was written by PostgreSQL {data_major}, but {} is PostgreSQL {server_major}: install \
         postgresql-{data_major}, or throw the data away with `mover clean`",
        data.display(), server.display()
    )]
    OtherMajor {
        /// The data directory.
        data: PathBuf,
        /// The version that wrote it.
        data_major: String,
        /// The server program found.
        server: PathBuf,
        /// The version of that program.
        server_major: String,
    },

    /// The directory belongs to another user, so its servers cannot be ours.
    #[error(
        "{} belongs to user {owner}, but Mover runs as {us}: run Mover as {owner}, or in another directory",
        dir.display()
    )]
    OtherOwner {
        /// The directory.
        dir: PathBuf,
        /// The user who created it.
        owner: String,
        /// Our user.
        us: String,
    },

    /// Another process still uses servers that should be removed.
    #[error("{} is in use by another running mover: end it first", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },

    /// Mover did not create the directory that should be cleaned.
    #[error("{} was not made by mover, so it is left alone", dir.display())]
    NotOurs {
        /// The directory.
        dir: PathBuf,
    },

    /// Postgres refuses to run as root, and there is no other user to run it.
    #[error("Postgres does not run as root, and this system has neither a user postgres nor nobody")]
    NoLesserUser,

    /// The operating system's list of users could not be read.
    #[error("looking up user {user}")]
    Account {
        /// The user's name or number.
        user: String,
        /// The error of the system.
        source: nix::Error,
    },

    /// A file or a directory could not be read or written.
    #[error("{doing} {}", path.display())]
    File {
        /// The operation, as "creating".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// A program could not be started.
    #[error("running {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The error of the system.
        source: io::Error,
    },

    /// A program ran and failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: String,
        /// Its output.
        output: String,
    },

    /// A server ended before it was ready.
    #[error("{server} did not start; the end of {} says:\n{tail}", log.display())]
    DidNotStart {
        /// The server.
        server: ServerKind,
        /// Its log.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },

    /// A server runs, but does not accept connections.
    #[error("{server} runs but has not answered for {limit_ms} ms; the end of {} says:\n{tail}", log.display())]
    NoAnswer {
        /// The server.
        server: ServerKind,
        /// The time limit.
        limit_ms: u128,
        /// Its log.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },

    /// A server survived even SIGKILL.
    #[error("{server} in {} did not end within {limit_ms} ms", dir.display())]
    DidNotStop {
        /// The server.
        server: ServerKind,
        /// The directory of its data.
        dir: PathBuf,
        /// The time limit.
        limit_ms: u128,
    },

    /// A signal could not be sent.
    #[error("signalling {server}, process {pid}")]
    Signal {
        /// The server.
        server: ServerKind,
        /// Its process id.
        pid: i32,
        /// The error of the system.
        source: nix::Error,
    },

    /// Postgres runs, but a database could not be created or dropped.
    #[error("{doing} database {name} in the private Postgres")]
    Database {
        /// The operation, as "creating".
        doing: &'static str,
        /// The database.
        name: String,
        /// The error of Postgres.
        source: tokio_postgres::Error,
    },

    /// The thread that did the work ended, because the runtime ends.
    #[error("handling the private servers was cut short")]
    CutShort(#[source] tokio::task::JoinError),
}

/// Adds the operation and the file to an [`io::Error`].
pub(super) trait DoingTo<T> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, EmbeddedError>;
}

impl<T> DoingTo<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::File { doing, path: path.to_owned(), source })
    }
}
