//! The two sample stores without writers, for tests of the order of an operator's commands.

use std::collections::BTreeMap;
use std::path::Path;

use mover::demo::sample::{Sample, SampleOrg, Shape};
use mover::embedded::{Options, Private, ServerKind};
use redis::AsyncCommands;
use tempfile::TempDir;
use tokio_postgres::Client;

use super::program::{Ended, Program};
use super::world::{configuration, connect};

const ORGS: u32 = 6;

pub(crate) struct QuietStores {
    servers: Private,
    dir: TempDir,
    sample: Sample,
    pub(crate) orgs: Vec<SampleOrg>,
}

impl QuietStores {
    pub(crate) async fn new() -> Self {
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-template");
        let servers = Private::start(Options::throwaway().template(template)).await.unwrap();
        for database in ["mover", "old", "new"] {
            servers.ensure_database(database).await.unwrap();
        }
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        sample.reset(&Shape::demo().orgs(ORGS).rows(u64::from(ORGS) * 60), |_| {}).await.unwrap();
        let orgs = sample.orgs().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mover.toml"), configuration(&servers)).unwrap();
        Self { servers, dir, sample, orgs }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn mover(&self, arguments: &[&str]) -> Ended {
        Program::start(self.dir(), arguments, None).end().await
    }

    pub(crate) async fn exec(&self, command: &str) -> Ended {
        self.mover(&["exec", "--yes", command]).await
    }

    /// Gives the console these lines on its standard input.
    pub(crate) async fn console(&self, lines: &str) -> Ended {
        Program::fed(self.dir(), &["console", "--yes"], None, lines).end().await
    }

    /// How many orgs of a migration are in each state.
    pub(crate) async fn states(&self, migration: &str) -> BTreeMap<String, i64> {
        let log = connect(&self.servers.postgres_url("mover")).await;
        let sql = "SELECT state, count(*) FROM mover.org_migration_state WHERE migration = $1 GROUP BY 1";
        log.query(sql, &[&migration]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// The fields of a flag hash, without the epoch.
    pub(crate) async fn flags(&self, key: &str) -> BTreeMap<String, String> {
        let client = redis::Client::open(self.servers.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut fields: BTreeMap<String, String> = connection.hgetall(key).await.unwrap();
        fields.remove("mover_epoch");
        fields
    }

    /// Whether a table has the same rows in both stores, and how many.
    pub(crate) async fn alike(&self, table: &str) -> (bool, i64) {
        let sql = format!("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t");
        let old = connect(&self.sample.old_url).await.query_one(&sql, &[]).await.unwrap();
        let new = connect(&self.sample.new_url).await.query_one(&sql, &[]).await.unwrap();
        let digest = |row: &tokio_postgres::Row| row.get::<_, Option<String>>(1);
        (digest(&old) == digest(&new), new.get(0))
    }

    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.servers.redis_url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    pub(crate) async fn new_store(&self) -> Client {
        connect(&self.sample.new_url).await
    }

    /// A new org in the old store, as after a sign-up.
    pub(crate) async fn sign_up(&self, name: &str) {
        let sql = "INSERT INTO organizations (id, name, full_name, created_at, settings) \
                   VALUES (gen_random_uuid(), $1, $1, now(), '{}')";
        connect(&self.sample.old_url).await.execute(sql, &[&name]).await.unwrap();
    }

    pub(crate) async fn stop_redis(&self) {
        self.servers.stop(ServerKind::Redis).await.unwrap();
    }

    pub(crate) async fn start_redis(&self) {
        self.servers.start_again(ServerKind::Redis).await.unwrap();
    }
}
