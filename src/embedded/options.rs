//! Options of the private servers.

use std::{path::PathBuf, time::Duration};

/// Options of the private servers. If several processes share a server, the options of the one that starts it apply.
#[derive(Clone, Debug)]
pub struct Options {
    /// Run a Postgres.
    pub postgres: bool,
    /// Run a Redis.
    pub redis: bool,
    /// Survive a loss of power: wait for the disk. Without it, the data still survive a crash of a server.
    pub durable: bool,
    /// Redis syncs at every write, rather than once a second.
    pub redis_fsync_always: bool,
    /// Settings of Postgres that override Mover's own.
    pub postgres_settings: Vec<(String, String)>,
    /// Directories to search for the programs, instead of the usual places.
    pub program_dirs: Option<Vec<PathBuf>>,
    /// Keeps a fresh Postgres data directory here, and copies it instead of running initdb.
    pub template_dir: Option<PathBuf>,
    /// Where root keeps the data, if the user that Postgres must run as cannot enter the requested directory.
    pub root_data_dir: PathBuf,
    /// How long a server may take to start, including crash recovery.
    pub start_limit: Duration,
    /// How long a server may take to stop before it is killed.
    pub stop_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            postgres: true,
            redis: true,
            durable: true,
            redis_fsync_always: false,
            postgres_settings: Vec::new(),
            program_dirs: None,
            template_dir: None,
            root_data_dir: PathBuf::from("/var/lib/mover"),
            start_limit: Duration::from_secs(60),
            stop_limit: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// Servers with disposable data: small, and without waiting for the disk.
    pub fn throwaway() -> Self {
        let small = Self { durable: false, ..Self::default() }.postgres_setting("shared_buffers", "32MB");
        // In the data directory, so that a killed server leaves nothing elsewhere.
        small.postgres_setting("dynamic_shared_memory_type", "mmap")
    }

    /// Sets one setting of Postgres.
    #[must_use]
    pub fn postgres_setting(mut self, name: &str, value: &str) -> Self {
        self.postgres_settings.push((name.into(), value.into()));
        self
    }

    /// Keeps a fresh Postgres data directory in `dir`, and copies it instead of running initdb.
    #[must_use]
    pub fn template(mut self, dir: impl Into<PathBuf>) -> Self {
        self.template_dir = Some(dir.into());
        self
    }

    /// Without Redis.
    #[must_use]
    pub fn postgres_only(mut self) -> Self {
        self.redis = false;
        self
    }

    /// Without Postgres.
    #[must_use]
    pub fn redis_only(mut self) -> Self {
        self.postgres = false;
        self
    }
}
