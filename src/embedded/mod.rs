//! A private Postgres and Redis, so that every command works on the first try.
//!
//! They are the system's own programs, run by the operator's user (as `postgres` if that is root), with
//! their data, logs and sockets in one directory, usually `.mover/`. They listen on sockets in a directory that only
//! this user can enter, never on a port.
//!
//! Any number of processes may use one directory at the same time. The first process starts the servers,
//! the last one stops them. If a process is killed, its servers keep running, and the next process uses them:
//! locks show what is in use; the kernel releases those of dead processes (see `servers_dir` and `daemon`).
//!
//! ```no_run
//! # async fn example() -> Result<(), mover::embedded::EmbeddedError> {
//! use mover::embedded::{Options, Servers};
//!
//! let servers = Servers::start(".mover", Options::default()).await?;
//! servers.ensure_database("old").await?;
//! println!("{} {}", servers.postgres_url("old"), servers.redis_url());
//! servers.release().await?;
//! # Ok(())
//! # }
//! ```

mod account;
mod binaries;
mod daemon;
mod database;
mod error;
mod lock;
mod options;
mod pair;
mod postgres;
mod private;
mod redis;
mod servers_dir;
mod watch;
mod watchdog;

use std::{
    fmt, panic,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use error::EmbeddedError;
pub use options::Options;
pub use private::{Private, scratch_dir};
pub use watch::Failure;
pub use watchdog::Watchdog;

use pair::Pair;

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// The stores and the move log.
    Postgres,
    /// The flags.
    Redis,
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
        })
    }
}

/// What happened to the servers when one of their users left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// We were the last.
    Stopped,
    /// Another process still uses them.
    StillUsed,
}

/// The right to use the private servers of one directory, which run at least as long as this lives.
///
/// Dropping it does the same as [`release`](Self::release), but blocks its thread meanwhile.
#[derive(Debug)]
pub struct Servers {
    pair: Arc<Pair>,
}

impl Servers {
    /// Starts the servers of a directory, or joins the processes that use them already.
    pub async fn start(dir: impl AsRef<Path>, options: Options) -> Result<Self, EmbeddedError> {
        let dir = dir.as_ref().to_owned();
        let pair = blocking(move || Pair::join(&dir, options)).await?;
        Ok(Self { pair: Arc::new(pair) })
    }

    /// The URL of a database of the private Postgres, as its superuser. The same after every restart.
    pub fn postgres_url(&self, database: &str) -> String {
        database::url(self.pair.socket_dir(), database)
    }

    /// The URL of the private Redis. The same after every restart.
    pub fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.pair.redis_socket().display())
    }

    /// For `psql -h` and other programs that take no URL.
    pub fn postgres_socket_dir(&self) -> &Path {
        self.pair.socket_dir()
    }

    /// For `redis-cli -s` and other programs that take no URL.
    pub fn redis_socket(&self) -> PathBuf {
        self.pair.redis_socket()
    }

    /// The log files of the servers.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.pair.logs()
    }

    /// Creates a database if it does not exist.
    pub async fn ensure_database(&self, name: &str) -> Result<(), EmbeddedError> {
        database::ensure(&self.postgres_url(database::MAINTENANCE), name).await
    }

    /// Drops a database if it exists, and closes the connections to it.
    pub async fn drop_database(&self, name: &str) -> Result<(), EmbeddedError> {
        database::drop(&self.postgres_url(database::MAINTENANCE), name).await
    }

    /// Waits until a server dies. It does not poll: it holds a connection to each server, which ends with the server.
    pub async fn wait_for_failure(&self) -> Failure {
        let redis = self.pair.runs(ServerKind::Redis).then(|| self.redis_socket());
        let postgres = self.pair.runs(ServerKind::Postgres).then(|| self.postgres_url(database::MAINTENANCE));
        watch::first_failure(postgres, redis).await
    }

    /// Starts dead servers, and returns which. Another process may have been faster.
    pub async fn heal(&self) -> Result<Vec<ServerKind>, EmbeddedError> {
        let pair = Arc::clone(&self.pair);
        blocking(move || pair.heal()).await
    }

    /// Releases the servers, and stops them if no other process uses them. A second call does nothing.
    pub async fn release(&self) -> Result<Left, EmbeddedError> {
        let pair = Arc::clone(&self.pair);
        blocking(move || pair.leave()).await
    }
}

/// Stops the servers of a directory and deletes everything in it. Refused while another process uses them. Returns whether
/// there was anything to delete.
pub async fn clean(dir: impl AsRef<Path>) -> Result<bool, EmbeddedError> {
    let dir = dir.as_ref().to_owned();
    blocking(move || pair::clean(&dir)).await
}

/// Runs blocking work: waiting for locks and processes would stall a thread of the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
) -> Result<T, EmbeddedError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(ended) => match ended.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(ended) => Err(EmbeddedError::CutShort(ended)),
        },
    }
}
