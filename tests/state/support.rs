//! A Postgres with a migrated move log in as many databases as are asked for.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use deadpool_postgres::Pool;
use futures_util::stream;
use mover::state::{self, PgMoveLog, StateError};
use mover::tls::Encryption;
use mover_actors::domain::ids::{MigrationName, NodeId, OrgKey, OrgName};
use mover_actors::domain::state::{State, Strategy};

use crate::contract::World;
use crate::servers;

const TEMPLATE: &str = "migrated";

/// As `mover` connects, with the address as a text. Nothing is on the search path, so an unqualified name fails.
pub(crate) async fn connect(url: &str, size: usize) -> Result<Pool, StateError> {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let options = format!("{} -csearch_path=", config.get_options().unwrap_or_default());
    state::connect(config.options(options), &Encryption::none(), size).await
}

/// A server whose databases begin with the schema in place.
pub(crate) struct Server {
    pub(crate) postgres: Arc<servers::Server>,
    databases: AtomicU32,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let postgres = Arc::new(servers::Server::start().await);
        let server = Self { postgres, databases: AtomicU32::new(0) };
        server.run(&format!("CREATE DATABASE {TEMPLATE}")).await;
        let log = PgMoveLog::new(connect(&server.postgres.url(TEMPLATE), 1).await.unwrap());
        log.migrate_schema().await.unwrap();
        log.pool().close();
        drop(log);
        server
    }

    /// A database with nothing in it; its address.
    pub(crate) async fn empty(&self) -> String {
        self.create("template0").await
    }

    /// A database with an empty move log.
    pub(crate) async fn world(&self) -> PgWorld {
        PgWorld::new(self.create(TEMPLATE).await, self.postgres.clone()).await
    }

    async fn create(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        // Refused while the connection that made the template is still closing.
        let force =
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{template}'");
        self.run(&force).await;
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        self.postgres.url(&name)
    }

    async fn run(&self, sql: &str) {
        let pool = connect(&self.postgres.url("postgres"), 1).await.unwrap();
        pool.get().await.unwrap().batch_execute(sql).await.unwrap();
    }
}

/// One move log in a database of its own.
pub(crate) struct PgWorld {
    pub(crate) url: String,
    pub(crate) log: Arc<PgMoveLog>,
    /// Keeps the server running.
    _postgres: Arc<servers::Server>,
}

impl PgWorld {
    async fn new(url: String, postgres: Arc<servers::Server>) -> Self {
        let log = Arc::new(PgMoveLog::new(connect(&url, 4).await.unwrap()));
        Self { url, log, _postgres: postgres }
    }

    /// Runs SQL as an outsider.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.log.pool().get().await.unwrap().batch_execute(sql).await
    }

    /// The first column of the rows, as text.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        let rows = self.log.pool().get().await.unwrap().query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[async_trait]
impl World for PgWorld {
    type Log = PgMoveLog;

    async fn process(&self) -> Arc<PgMoveLog> {
        Arc::new(PgMoveLog::new(connect(&self.url, 4).await.unwrap()))
    }

    async fn capture(&self, migration: &MigrationName, strategy: Strategy, orgs: &[OrgName]) {
        let listed: Vec<Result<(OrgName, OrgKey), Infallible>> =
            orgs.iter().map(|org| Ok((org.clone(), OrgKey::new(format!("key of {org}")).unwrap()))).collect();
        self.log.capture(migration, strategy, stream::iter(listed)).await.unwrap();
    }

    async fn states(&self, migration: &MigrationName) -> Vec<(OrgName, State)> {
        let moves = self.log.list(migration, None, None, 1_000).await.unwrap();
        moves.into_iter().map(|view| (view.record.org, view.record.state)).collect()
    }

    async fn expire_lease(&self, node: NodeId) {
        let sql = format!("UPDATE mover.node SET lease_until = now() - interval '1 second' WHERE id = {node}");
        self.run(&sql).await.unwrap();
    }

    async fn kill(&self, node: NodeId) {
        // What the kernel does to the connections of a killed process.
        let sql = format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks \
             WHERE locktype = 'advisory' AND classid = 1297044070 AND objid = {node} AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        );
        self.run(&sql).await.unwrap();
    }
}
