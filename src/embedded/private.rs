//! Servers for a single process with disposable data, for tests and benchmarks.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use super::{EmbeddedError, Options, ServerKind, Servers, blocking, daemon::Stop, pair::Pair};

/// Containers often have 64 MB, which even a few small servers would fill.
const ROOM_IN_MEMORY_BYTES: f64 = 2e9;

/// Servers in a temporary directory. They can be killed and started again, and are removed without a trace when this is
/// dropped, also if a test panics.
#[derive(Debug)]
pub struct Private {
    servers: Servers,
}

impl Private {
    /// Starts servers of its own in the [`scratch_dir`], best with [`Options::throwaway`].
    pub async fn start(options: Options) -> Result<Self, EmbeddedError> {
        Self::start_below(scratch_dir(), options).await
    }

    /// Starts servers of its own in a new directory below `parent`: for measurements, on a real disk.
    pub async fn start_below(parent: impl AsRef<Path>, options: Options) -> Result<Self, EmbeddedError> {
        let name = Uuid::new_v4().simple().to_string();
        let dir = parent.as_ref().join(format!("mover-private-{}", &name[..12]));
        let servers = Servers::start(dir, options).await?;
        Ok(Self { servers })
    }

    /// Stops a server cleanly, like an administrator: open transactions are rolled back.
    pub async fn stop(&self, kind: ServerKind) -> Result<(), EmbeddedError> {
        self.on(move |pair| pair.end(kind, Stop::Orderly)).await
    }

    /// Kills a server with SIGKILL, and waits until its last process has ended.
    pub async fn kill9(&self, kind: ServerKind) -> Result<(), EmbeddedError> {
        self.on(move |pair| pair.end(kind, Stop::Kill)).await
    }

    /// Starts a stopped server, including recovery.
    pub async fn start_again(&self, kind: ServerKind) -> Result<(), EmbeddedError> {
        self.on(move |pair| pair.begin(kind).map(drop)).await
    }

    /// Stops a server cleanly and starts it again.
    pub async fn restart(&self, kind: ServerKind) -> Result<(), EmbeddedError> {
        self.stop(kind).await?;
        self.start_again(kind).await
    }

    async fn on(
        &self,
        work: impl FnOnce(&Pair) -> Result<(), EmbeddedError> + Send + 'static,
    ) -> Result<(), EmbeddedError> {
        let pair = Arc::clone(&self.servers.pair);
        blocking(move || work(&pair)).await
    }
}

impl Deref for Private {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        &self.servers
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let pair = &self.servers.pair;
        if let Err(error) = pair.leave_and(Stop::AtOnce).and_then(|_| pair.remove()) {
            tracing::error!(%error, "ending private servers");
        }
    }
}

/// The best directory for throwaway servers: in memory if there is room. A Postgres has a thousand files, and disk file systems
/// become slow at creating files where many were just deleted, as in tests.
pub fn scratch_dir() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    // The types of these numbers differ between systems; a rough product is enough.
    let free_bytes =
        statvfs(&memory).map_or(0.0, |found| found.blocks_available() as f64 * found.fragment_size() as f64);
    if free_bytes >= ROOM_IN_MEMORY_BYTES { memory } else { std::env::temp_dir() }
}
