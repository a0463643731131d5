//! Errors of the private servers, each with the next step for the operator.

use std::{io, path::PathBuf};

use super::ServerKind;

/// Why the private servers could not be found, started, asked or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// A program of the system that Mover needs is not there.
    #[error(
        "{program} is not installed (looked in {searched}). Install it with \
         `apt-get install postgresql redis-server` (Debian, Ubuntu), \
         `dnf install postgresql-server redis` (Fedora) or `brew install postgresql redis` (macOS), \
         or name your own Postgres and Redis in mover.toml"
    )]
    Missing {
        /// The program that was looked for.
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
        /// Who made it.
        owner: String,
        /// Who we are.
        us: String,
    },

    /// Another process still uses servers that were to be removed.
    #[error("{} is in use by another running mover: end it first", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },

    /// A directory to be cleaned was never made by Mover.
    #[error("{} was not made by mover, so it is left alone", dir.display())]
    NotOurs {
        /// The directory.
        dir: PathBuf,
    },

    /// Postgres refuses to run as root, and there is no other user to run it as.
    #[error("Postgres does not run as root, and this system has neither a user postgres nor nobody")]
    NoLesserUser,

    /// The operating system's list of users could not be read.
    #[error("looking up user {user}")]
    Account {
        /// The user's name or number.
        user: String,
        /// What the system answered.
        source: nix::Error,
    },

    /// A file or a directory could not be read or written.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done, as "creating".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },

    /// A program could not be run at all.
    #[error("running {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// What the system answered.
        source: io::Error,
    },

    /// A program ran and failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: String,
        /// What it printed.
        output: String,
    },

    /// A server ended before it was ready.
    #[error("{server} did not start; the end of {} says:\n{tail}", log.display())]
    DidNotStart {
        /// Which server.
        server: ServerKind,
        /// Its log.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },

    /// A server is there, but does not take connections.
    #[error("{server} runs but has not answered for {limit_ms} ms; the end of {} says:\n{tail}", log.display())]
    NoAnswer {
        /// Which server.
        server: ServerKind,
        /// How long it was waited for.
        limit_ms: u128,
        /// Its log.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },

    /// A server outlived even SIGKILL.
    #[error("{server} in {} did not end within {limit_ms} ms", dir.display())]
    DidNotStop {
        /// Which server.
        server: ServerKind,
        /// Where it keeps its data.
        dir: PathBuf,
        /// How long it was waited for.
        limit_ms: u128,
    },

    /// A signal could not be sent.
    #[error("signalling {server}, process {pid}")]
    Signal {
        /// Which server.
        server: ServerKind,
        /// Its process.
        pid: i32,
        /// What the system answered.
        source: nix::Error,
    },

    /// Postgres runs, but a database could not be made or dropped.
    #[error("{doing} database {name} in the private Postgres")]
    Database {
        /// What was being done, as "creating".
        doing: &'static str,
        /// The database.
        name: String,
        /// What Postgres answered.
        source: tokio_postgres::Error,
    },

    /// The thread that did the work was lost, because the runtime ends.
    #[error("handling the private servers was cut short")]
    CutShort(#[source] tokio::task::JoinError),
}

/// Adds what was being done, and to which file, to an [`io::Error`].
pub(super) trait DoingTo<T> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, EmbeddedError>;
}

impl<T> DoingTo<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &std::path::Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::File { doing, path: path.to_owned(), source })
    }
}
