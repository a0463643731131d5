//! A store: a Postgres database with a pool of connections.

pub(in crate::engine) mod cohort;
pub(in crate::engine) mod connection;
pub(in crate::engine) mod error;
pub(in crate::engine) mod expectation;
pub(in crate::engine) mod identity;
pub(in crate::engine) mod reach;

use std::time::Duration;

use deadpool::managed::{self, Timeouts};
use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::Place;
use mover_actors::ports::EngineError;
use thiserror::Error;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;

use crate::config::Postgres;
use crate::connection_runtime::ConnectionRuntime;
use crate::engine::store::connection::{Connection, Connector, OpenError, Session};
use crate::engine::store::error::is_transient;
use crate::engine::store::expectation::Expectation;
use crate::engine::store::identity::StoreIdentity;
use crate::session::NEXT_WITHOUT_POOLER;
use crate::tls::{self, Trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(30);
const LOOK_THERE: &str = "see that Postgres runs there, or correct url in";

/// Why a store's address cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The address is not a Postgres address.
    #[error("the address of store {store} cannot be used: {cause}")]
    Address {
        /// Which store.
        store: StoreName,
        /// What is wrong with it; without the address, which may hold a password.
        cause: String,
    },
    /// No pool can be created for it.
    #[error("no connection pool for store {store}: {cause}")]
    Pool {
        /// Which store.
        store: StoreName,
        /// What the pool said.
        cause: String,
    },
}

/// A store that orgs come from or go to.
#[derive(Debug, Clone)]
pub struct Store {
    name: StoreName,
    address: String,
    pool: managed::Pool<Connector>,
    expectation: Expectation,
}

impl Store {
    /// Creates a pool of at most `connections_max` connections; the first use connects. They live in the runtime of this call.
    pub fn open(name: StoreName, url: &str, connections_max: usize) -> Result<Self, StoreError> {
        let postgres = Postgres::at(url, connections_max)
            .map_err(|error| StoreError::Address { store: name.clone(), cause: error.to_string() })?;
        Self::over(name, &postgres)
    }

    /// The same for an address that was parsed before.
    pub fn over(name: StoreName, postgres: &Postgres) -> Result<Self, StoreError> {
        let (mut config, encryption) = (postgres.options().clone(), postgres.encryption().clone());
        config.application_name("mover").connect_timeout(CONNECT_TIMEOUT);
        // Detects within a minute that a host has vanished.
        config
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3);
        let address = address_of(&config);
        let timeouts = Timeouts { wait: Some(WAIT_FOR_CONNECTION), create: Some(CONNECT_TIMEOUT), recycle: None };
        let expectation = Expectation::default();
        let connector =
            Connector { config, encryption, runtime: ConnectionRuntime::current(), expectation: expectation.clone() };
        let pool = managed::Pool::builder(connector)
            .max_size(postgres.pool_size)
            .timeouts(timeouts)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Pool { store: name.clone(), cause: error.to_string() })?;
        Ok(Self { name, address, pool, expectation })
    }

    /// The name in the configuration.
    pub fn name(&self) -> &StoreName {
        &self.name
    }

    /// Its address, without the password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The state of its connection pool.
    pub(in crate::engine) fn pool_status(&self) -> deadpool::Status {
        self.pool.status()
    }

    /// From now on connections to another identity are refused; with `held`, the reason, all work is.
    pub(in crate::engine) fn must_be(&self, identity: Option<StoreIdentity>, held: Option<String>) {
        self.expectation.set(identity, held);
    }

    /// An exclusive connection until [`Session::release`].
    pub(in crate::engine) async fn session(&self) -> Result<Session, EngineError> {
        if let Some(problem) = self.expectation.held() {
            return Err(self.unusable(true, problem));
        }
        match self.pool.get().await {
            Ok(connection) => Ok(Session::over(connection)),
            Err(managed::PoolError::Backend(error)) => Err(self.cannot_open(error)),
            Err(managed::PoolError::Timeout(managed::TimeoutType::Wait)) => Err(self.unusable(
                true,
                format!("all {} connections of the pool were busy for 30 s", self.pool.status().max_size),
            )),
            Err(managed::PoolError::Timeout(_)) => Err(self.too_late()),
            Err(other) => Err(self.unusable(true, other.to_string())),
        }
    }

    /// A connection of its own to whatever is there, also if it is not what is expected.
    pub(in crate::engine) async fn apart(&self) -> Result<Connection, EngineError> {
        match timeout(CONNECT_TIMEOUT, self.pool.manager().open()).await {
            Ok(opened) => opened.map_err(|error| self.cannot_open(error)),
            Err(_) => Err(self.too_late()),
        }
    }

    fn too_late(&self) -> EngineError {
        let seconds = CONNECT_TIMEOUT.as_secs();
        self.unusable(true, format!("no answer within {seconds} s; next: {LOOK_THERE} [stores.{}]", self.name))
    }

    fn cannot_open(&self, error: OpenError) -> EngineError {
        match error {
            OpenError::Postgres(error) => self.cannot_connect(&error),
            OpenError::Changed(problem) => self.unusable(true, format!("{problem}; {}", next_if_changed(&self.name))),
            OpenError::Pooled(pooled) => {
                self.unusable(false, format!("{pooled}; {NEXT_WITHOUT_POOLER} [stores.{}]", self.name))
            }
        }
    }

    fn cannot_connect(&self, error: &tokio_postgres::Error) -> EngineError {
        if let Some(Trouble { problem, next }) = tls::explain(error, &format!("[stores.{}]", self.name)) {
            return self.unusable(false, format!("{problem}; next: {next}"));
        }
        let code = error.code();
        let source = std::error::Error::source(error);
        let said = error.as_db_error().map(|said| said.message().to_owned());
        let cause = said.or_else(|| source.map(ToString::to_string)).unwrap_or_else(|| error.to_string());
        let next = match code {
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => "create it, or correct url in",
            // The class of authorization, or the driver has no password.
            Some(code) if code.code().starts_with("28") && !is_transient(error) => "correct user and password in",
            None if cause == "password missing" => "correct user and password in",
            Some(_) | None => LOOK_THERE,
        };
        let problem = match code {
            Some(code) if *code == SqlState::INVALID_PASSWORD => format!("the password is wrong: {cause}"),
            Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => format!("login refused: {cause}"),
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => format!("unknown database: {cause}"),
            Some(_) => cause,
            None if cause == "password missing" => "it wants a password and none is given".into(),
            None => format!("cannot be reached: {cause}"),
        };
        self.unusable(
            is_transient(error) || code.is_none() && source.is_some_and(|s| s.is::<std::io::Error>()),
            format!("{problem}; next: {next} [stores.{}]", self.name),
        )
    }

    fn unusable(&self, transient: bool, problem: String) -> EngineError {
        let place = Box::new(Place { store: Some(self.name.to_string()), systemic: true, ..Place::default() });
        EngineError { transient, reason: format!("store {} at {}: {problem}", self.name, self.address), place }
    }
}

/// What to do about a store that is not the one that it was.
pub(crate) fn next_if_changed(store: &StoreName) -> String {
    format!(
        "next: `mover doctor` shows which orgs the stores and the move log disagree about; when all is as it should be, \
         `mover doctor --accept {store}`, then `mover exec resume`"
    )
}

fn address_of(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(directory)) => directory.display().to_string(),
        None => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or("postgres");
    format!("{host}:{port}/{} (as {user})", config.get_dbname().unwrap_or(user))
}
