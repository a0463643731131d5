//! How the private servers are to be run.

use std::{path::PathBuf, time::Duration};

/// How the private servers are to be run. When several processes share them, the options of the one
/// that starts a server hold for that server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Run a Postgres.
    pub postgres: bool,
    /// Run a Redis.
    pub redis: bool,
    /// Survive a loss of power: wait for the disk. Off, the data still survive the death of a server.
    pub durable: bool,
    /// Redis waits for the disk at every write, rather than once a second.
    pub redis_fsync_always: bool,
    /// Settings of Postgres, laid over Mover's own.
    pub postgres_settings: Vec<(String, String)>,
    /// Where to look for the programs, instead of the places where systems keep them.
    pub program_dirs: Option<Vec<PathBuf>>,
    /// Keeps a fresh Postgres data directory here, and copies it rather than making a new one.
    pub template_dir: Option<PathBuf>,
    /// Where root keeps the data, if the user that Postgres must run as cannot enter the directory asked for.
    pub root_data_dir: PathBuf,
    /// How long a server may take to start, recovery from a crash included.
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
        // In the data directory, so that a server that is killed leaves nothing elsewhere.
        small.postgres_setting("dynamic_shared_memory_type", "mmap")
    }

    /// Sets one setting of Postgres.
    #[must_use]
    pub fn postgres_setting(mut self, name: &str, value: &str) -> Self {
        self.postgres_settings.push((name.into(), value.into()));
        self
    }

    /// Keeps a fresh Postgres data directory in `dir`, and copies it rather than making a new one.
    #[must_use]
    pub fn template(mut self, dir: impl Into<PathBuf>) -> Self {
        self.template_dir = Some(dir.into());
        self
    }

    /// No Redis.
    #[must_use]
    pub fn postgres_only(mut self) -> Self {
        self.redis = false;
        self
    }

    /// No Postgres.
    #[must_use]
    pub fn redis_only(mut self) -> Self {
        self.postgres = false;
        self
    }
}
