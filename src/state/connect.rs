//! Connections to the state database, with clear errors.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

use super::StateError;
use super::error::{SECTION, describe};
use crate::connection_runtime::ConnectionRuntime;
use crate::session::{self, Pooled, SessionError};
use crate::tls::{self, Encryption, Trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A statement is planned once per connection, maybe while the tables are still empty, and the plan is kept: a plan with a
/// sequential scan would stay when the table has grown. Planning a batch again each time would cost as much as writing it, and
/// JIT compilation takes longer than any of our statements.
const PLANNER: &str = "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan";
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a pool of at most `size` connections to the state database, and checks with one of them that it works. They live in
/// the runtime of this call. No error repeats a password.
pub async fn connect(config: &Config, encryption: &Encryption, size: usize) -> Result<Pool, StateError> {
    let mut config = config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("mover");
    }
    // Detects within seconds that a server has vanished.
    config.keepalives_idle(KEEPALIVE_IDLE);
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(ANSWER_TIMEOUT);
    }
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pooled = Refusals::default();
    let opener =
        Opener { encryption: encryption.clone(), runtime: ConnectionRuntime::current(), pooled: pooled.clone() };
    let manager = Manager::from_connect(config.clone(), opener, recycling);
    let pool = Pool::builder(manager)
        .post_create(Hook::sync_fn(move |client: &mut ClientWrapper, _| pooled.refuse(client)))
        .max_size(size.max(1))
        .runtime(Runtime::Tokio1)
        .create_timeout(Some(CONNECT_TIMEOUT))
        .wait_timeout(Some(WAIT_TIMEOUT))
        .build()
        .map_err(|error| StateError::Address { problem: error.to_string() })?;
    match pool.get().await {
        Ok(_) => Ok(pool),
        Err(error) => Err(refused(&config, &error)),
    }
}

/// Opens the connections of the pool.
struct Opener {
    encryption: Encryption,
    runtime: ConnectionRuntime,
    pooled: Refusals,
}

/// Connections behind a pooler. The pool knows errors of the driver alone, so they are opened, left as they are, and refused by a
/// hook.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<Vec<Pooled>>>);

impl Refusals {
    fn add(&self, pooled: Pooled) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pooled);
    }

    fn refuse(&self, client: &Client) -> Result<(), HookError> {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match refusals.iter().position(|pooled| pooled.is_about(client)) {
            Some(place) => Err(HookError::message(refusals.swap_remove(place).to_string())),
            None => Ok(()),
        }
    }
}

impl Connect for Opener {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let (config, encryption, pooled) = (config.clone(), self.encryption.clone(), self.pooled.clone());
        let opening = async move {
            let (client, task) = encryption.connect(&config).await?;
            match session::begin(&client).await {
                Ok(_) => client.batch_execute(PLANNER).await?,
                Err(SessionError::Pooled(found)) => pooled.add(found),
                Err(SessionError::Postgres(error)) => return Err(error),
            }
            Ok((client, task))
        };
        self.runtime.open(Box::pin(opening)).boxed()
    }
}

fn refused(config: &Config, error: &PoolError) -> StateError {
    let server = server(config);
    let user = config.get_user().unwrap_or("(no user)").to_owned();
    let database = config.get_dbname().unwrap_or(&user).to_owned();
    let doing = format!("connecting to {server}");
    let backend = match error {
        PoolError::Backend(backend) => backend,
        PoolError::Timeout(_) => {
            let cause = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
            return StateError::Unreachable { doing, cause };
        }
        other => return StateError::pool(&doing, other),
    };
    if let Some(Trouble { problem, next }) = tls::explain(backend, SECTION) {
        return StateError::Tls { server, problem, next };
    }
    let logins = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    match backend.code() {
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => StateError::UnknownDatabase { server, database },
        Some(code) if logins.contains(code) => StateError::Login { server, user, cause: describe(backend) },
        Some(_) => StateError::postgres(&format!("connecting to {server}"), backend),
        None if describe(backend).contains("password missing") => {
            StateError::Login { server, user, cause: "it wants a password and none is given".into() }
        }
        // Without an answer of the server all that is known is that it could not be reached or understood.
        None => StateError::Unreachable { doing: format!("connecting to {server}"), cause: describe(backend) },
    }
}

fn server(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(place, host)| {
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            #[cfg(unix)]
            Host::Unix(path) => format!("{} (port {port})", path.display()),
        }
    });
    hosts.collect::<Vec<_>>().join(", ")
}
