//! The servers, the configuration of the measured Mover, and the reset before a run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mover::demo::sample::{MOVED_TABLES, Sample, Shape};
use mover::demo::{WHOLE_ORG, WHOLE_ORG_OFFLINE};
use mover::embedded::{Options, Private};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::{Trouble, machine, say};

/// A migration that copies nothing: states, events and flags only.
pub(crate) const FLAGS_ONLY: &str = include_str!("flags_only.toml");
const STATE: &str = "mover";
/// More connections than any set has workers.
const SERVER_CONNECTIONS: &str = "400";

/// How long a reading of processor time waits for backends to end.
const BACKENDS_END_WITHIN: Duration = Duration::from_millis(500);

/// One Postgres with all databases and one Redis, on a real disk and with durable settings.
pub(crate) struct World {
    servers: Private,
    dir: TempDir,
    sample: Sample,
}

impl World {
    pub(crate) async fn start() -> Result<Self, Trouble> {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::create_dir_all(parent)?;
        say(format_args!("starting servers below {}", parent.display()));
        // Checkpoints come between the runs, not in them: see `reset`.
        let options = Options::default()
            .postgres_setting("shared_buffers", "512MB")
            .postgres_setting("max_wal_size", "8GB")
            .postgres_setting("checkpoint_timeout", "1h")
            .postgres_setting("max_connections", SERVER_CONNECTIONS);
        let servers = Private::start_below(parent, options).await?;
        for database in ["old", "new"] {
            servers.ensure_database(database).await?;
        }
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        Ok(Self { servers, dir: TempDir::new_in(parent)?, sample })
    }

    /// Fills the source again.
    pub(crate) async fn fill(&self, shape: &Shape) -> Result<(), Trouble> {
        say(format_args!("making {} orgs with {} rows", shape.orgs, shape.rows_total));
        self.sample.reset(shape, |seeded| say(format_args!("  {} rows in {}", seeded.rows, seeded.table))).await?;
        Ok(())
    }

    /// Resets the target, the move log and the flags to the state before the first run, and writes everything else to disk.
    pub(crate) async fn reset(&self) -> Result<(), Trouble> {
        let new = self.client("new").await?;
        let no_guard = "DROP SCHEMA IF EXISTS mover CASCADE";
        self.client("old").await?.batch_execute(no_guard).await?;
        new.batch_execute(&format!("{no_guard}; TRUNCATE {}", MOVED_TABLES.join(", "))).await?;
        self.servers.drop_database(STATE).await?;
        self.servers.ensure_database(STATE).await?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut self.redis().await?).await?;
        self.checkpoint().await
    }

    /// A checkpoint, so that a run does not write the dirty pages of the previous one.
    pub(crate) async fn checkpoint(&self) -> Result<(), Trouble> {
        Ok(self.client("postgres").await?.batch_execute("CHECKPOINT").await?)
    }

    /// The configuration of the measured Mover: defaults except the addresses.
    pub(crate) fn config(&self) -> Result<PathBuf, Trouble> {
        let migrations = self.dir.path().join("migrations");
        std::fs::create_dir_all(&migrations)?;
        std::fs::write(migrations.join("whole_org_offline.toml"), WHOLE_ORG_OFFLINE)?;
        std::fs::write(migrations.join("whole_org.toml"), WHOLE_ORG)?;
        std::fs::write(migrations.join("flags_only.toml"), FLAGS_ONLY)?;
        let database =
            |section: &str, name: &str| format!("[{section}]\nurl = \"{}\"\n", self.servers.postgres_url(name));
        let path = self.dir.path().join("mover.toml");
        let text = format!(
            "[redis]\nurl = \"{}\"\n{}{}{}",
            self.servers.redis_url(),
            database("state", STATE),
            database("stores.old", "old"),
            database("stores.new", "new"),
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }

    pub(crate) fn postgres_url(&self, database: &str) -> String {
        self.servers.postgres_url(database)
    }

    pub(crate) async fn client(&self, database: &str) -> Result<Client, Trouble> {
        let (client, connection) = tokio_postgres::connect(&self.servers.postgres_url(database), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(crate) async fn setting(&self, name: &str) -> Result<String, Trouble> {
        let client = self.client("postgres").await?;
        Ok(client.query_one("SELECT current_setting($1)", &[&name]).await?.get(0))
    }

    pub(crate) async fn redis_version(&self) -> Result<String, Trouble> {
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.redis().await?).await?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.unwrap_or("?").trim().into())
    }

    /// Processor seconds spent so far by our child processes and by those of the servers' processes that have ended: the
    /// backends of a run end soon after it.
    pub(crate) async fn cpu_seconds(&self) -> Result<f64, Trouble> {
        tokio::time::sleep(BACKENDS_END_WITHIN).await;
        let client = self.client("postgres").await?;
        let postgres: String = client.query_one(include_str!("sql/postmaster.sql"), &[]).await?.get(0);
        let redis: String = redis::cmd("INFO").arg("server").query_async(&mut self.redis().await?).await?;
        let redis = redis.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap_or("self").trim().to_owned();
        let processes = ["self", &postgres, &redis];
        processes.into_iter().map(machine::cpu_seconds).sum()
    }

    async fn redis(&self) -> Result<redis::aio::MultiplexedConnection, Trouble> {
        Ok(redis::Client::open(self.servers.redis_url())?.get_multiplexed_async_connection().await?)
    }
}
