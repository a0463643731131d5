//! Connections to a store: opened with known settings, with their prepared statements, never reused in an unknown state.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Statement};

use crate::connection_runtime::ConnectionRuntime;
use crate::engine::store::expectation::Expectation;
use crate::session::{self, Pooled, SessionError};
use crate::tls::Encryption;

const SESSION_SETTINGS: &str = include_str!("sql/session.sql");

/// Opens connections for the pool.
#[derive(Debug)]
pub(in crate::engine) struct Connector {
    pub(in crate::engine) config: Config,
    pub(in crate::engine) encryption: Encryption,
    pub(in crate::engine) runtime: ConnectionRuntime,
    pub(in crate::engine) expectation: Expectation,
}

/// Why a connection cannot be used.
#[derive(Debug, Error)]
pub(in crate::engine) enum OpenError {
    /// The driver or the server failed.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// A pooler is in between.
    #[error(transparent)]
    Pooled(Pooled),
    /// The store is not the one that it was.
    #[error("{0}")]
    Changed(String),
}

impl From<SessionError> for OpenError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Postgres(error) => Self::Postgres(error),
            SessionError::Pooled(pooled) => Self::Pooled(pooled),
        }
    }
}

/// A connection with its prepared statements.
#[derive(Debug)]
pub(in crate::engine) struct Connection {
    client: Client,
    task: JoinHandle<()>,
    /// The `search_path` of the role, which ours replaces.
    role_path: String,
    statements: Mutex<HashMap<String, Statement>>,
    /// Whether a session uses it. In the pool that means: it was abandoned in the middle of something.
    in_use: AtomicBool,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = OpenError;

    async fn create(&self) -> Result<Connection, OpenError> {
        let fresh = self.open().await?;
        match self.expectation.changes(&fresh.client).await? {
            Some(problem) => Err(OpenError::Changed(problem)),
            None => Ok(fresh),
        }
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<OpenError> {
        if connection.client.is_closed() || connection.in_use.load(Ordering::Relaxed) {
            return Err(RecycleError::message("left in the middle of something"));
        }
        Ok(())
    }
}

impl Connector {
    /// Opens a connection to whatever is there.
    pub(in crate::engine) async fn open(&self) -> Result<Connection, OpenError> {
        let (config, encryption) = (self.config.clone(), self.encryption.clone());
        let opening = async move { encryption.connect(&config).await };
        let (client, task) = self.runtime.open(Box::pin(opening)).await?;
        let (role_path, statements, in_use) = (String::new(), Mutex::default(), AtomicBool::new(false));
        let mut fresh = Connection { client, task, role_path, statements, in_use };
        fresh.role_path = session::begin(&fresh.client).await?;
        fresh.client.batch_execute(SESSION_SETTINGS).await?;
        Ok(fresh)
    }
}

impl Connection {
    /// Prepares a statement once for the life of the connection.
    pub(in crate::engine) async fn prepared(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.into(), statement.clone());
        Ok(statement)
    }

    /// The `search_path` for names in the definition.
    pub(in crate::engine) fn role_path(&self) -> &str {
        &self.role_path
    }
}

impl Deref for Connection {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection taken from the pool. It goes back only through [`Session::release`]: dropped anywhere else, on an error or
/// because its future was dropped, it is closed, which ends its transaction.
#[derive(Debug)]
pub(in crate::engine) struct Session {
    connection: managed::Object<Connector>,
}

impl Session {
    pub(in crate::engine) fn over(connection: managed::Object<Connector>) -> Self {
        connection.in_use.store(true, Ordering::Relaxed);
        Self { connection }
    }

    /// Gives the connection back, idle.
    pub(in crate::engine) fn release(self) {
        self.connection.in_use.store(false, Ordering::Relaxed);
    }
}

impl Deref for Session {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.connection.in_use.load(Ordering::Relaxed) {
            return;
        }
        // Ending its task closes the socket, and with it the transaction and its locks. A server in the middle of a long
        // statement notices that by itself (session.sql). We send no cancel request: if it hits a commit that waits for a
        // standby, it ends the wait, and exposes data that may still be lost.
        self.connection.task.abort();
    }
}
