//! The servers, and the reset before a campaign.

use std::path::{Path, PathBuf};

use mover::demo::WHOLE_ORG;
use mover::demo::sample::{Sample, Shape};
use mover::embedded::{Options, Private};
use tempfile::TempDir;

use crate::Trouble;

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
        let options = Options::default()
            .postgres_setting("shared_buffers", "512MB")
            .postgres_setting("max_wal_size", "8GB")
            .postgres_setting("checkpoint_timeout", "1h")
            .postgres_setting("max_connections", "200");
        let servers = Private::start_below(parent, options).await?;
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        Ok(Self { servers, dir: TempDir::new_in(parent)?, sample })
    }

    /// Moves all orgs back to the old store, with no move recorded.
    pub(crate) async fn reset(&self, orgs: u32) -> Result<(), Trouble> {
        for database in ["mover", "old", "new"] {
            self.servers.drop_database(database).await?;
            self.servers.ensure_database(database).await?;
        }
        let redis = redis::Client::open(self.servers.redis_url())?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut redis.get_multiplexed_async_connection().await?).await?;
        self.sample.reset(&Shape::demo().orgs(orgs).rows(u64::from(orgs) * 200), |_| {}).await?;
        Ok(())
    }

    /// The configuration of the measured Mover.
    pub(crate) fn config(&self) -> Result<PathBuf, Trouble> {
        let migrations = self.dir.path().join("migrations");
        std::fs::create_dir_all(&migrations)?;
        std::fs::write(migrations.join("whole_org.toml"), WHOLE_ORG)?;
        let url = |name: &str| self.servers.postgres_url(name);
        let path = self.dir.path().join("mover.toml");
        let text = format!(
            "[redis]\nurl = {:?}\n[state]\nurl = {:?}\n[stores.old]\nurl = {:?}\n[stores.new]\nurl = {:?}\n\
             [http]\nlisten = \"127.0.0.1:0\"\nrequests_per_second = 100000\n[log]\nlevel = \"info\"\n",
            self.servers.redis_url(),
            url("mover"),
            url("old"),
            url("new"),
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }
}
