//! One connection to Redis, shared by all callers and opened again when it breaks; no wait is longer than [`PATIENCE`], because
//! a move, or an operator at night, is waiting for the answer.
//!
//! Every request that goes through here may safely be sent twice, so a broken connection is no error
//! as long as there is time for another try.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mover_actors::ports::FlagsError;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, ServerError,
    Value,
};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};

use crate::connection_runtime::ConnectionRuntime;
use crate::tls;

/// How long one request may take, with all its tries.
const PATIENCE: Duration = Duration::from_millis(2_000);
/// How long one try may wait for Redis.
const TRY_MAX: Duration = Duration::from_millis(1_500);
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_millis(320);

const CORRECT_IT: &str = "next: correct url and password in [redis]";

/// Answers that mean "not now" or "not here": a restart, a failover, a long script of another client.
const PASSING: [&str; 6] = ["LOADING", "READONLY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "BUSY"];

/// Why Redis refused or failed.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// It did not answer in time, or cannot for now.
    Unreachable(String),
    /// It answered with an error.
    Refused {
        /// The index of the command in the request.
        index: usize,
        /// The first word of the error, e.g. `WRONGTYPE`.
        code: String,
        /// The message of Redis.
        said: String,
    },
}

impl Trouble {
    /// An answer that makes no sense, or an error that a script passed on.
    pub(super) fn odd(said: impl Into<String>) -> Self {
        Trouble::Refused { index: 0, code: String::new(), said: said.into() }
    }

    /// The same with the operation, for the caller.
    pub(super) fn while_doing(self, doing: impl Into<String>) -> FlagsError {
        let doing = doing.into();
        match self {
            Trouble::Unreachable(cause) => FlagsError::Unreachable { doing, cause },
            Trouble::Refused { said: cause, .. } => FlagsError::Rejected { doing, cause },
        }
    }
}

/// The connection to one Redis server.
pub(super) struct Link {
    client: Client,
    runtime: ConnectionRuntime,
    address: String,
    /// `None`: over a Unix socket, where there is no TLS.
    encrypted: Option<bool>,
    /// Held while connecting, so that many callers make one connection between them.
    connection: AsyncMutex<Option<MultiplexedConnection>>,
}

impl Link {
    /// Parses the address. Does not connect yet.
    pub(super) fn open(address: impl IntoConnectionInfo) -> Result<Self, FlagsError> {
        // The driver's error may repeat the address, and with it the password.
        let client = Client::open(address).map_err(|_| FlagsError::Rejected {
            doing: "reading its address".into(),
            cause:
                "not an address of a Redis server, e.g. redis://:password@127.0.0.1:6379/0 or unix:///run/redis.sock"
                    .into(),
        })?;
        let at = client.get_connection_info().addr();
        let encrypted = match at {
            ConnectionAddr::Tcp(..) => Some(false),
            ConnectionAddr::TcpTls { .. } => Some(true),
            _ => None,
        };
        let address = at.to_string();
        Ok(Self {
            client,
            runtime: ConnectionRuntime::current(),
            address,
            encrypted,
            connection: AsyncMutex::new(None),
        })
    }

    /// Another connection to the same server. Does not connect yet.
    pub(super) fn beside(&self) -> Self {
        let Self { client, runtime, address, encrypted, .. } = self;
        let (client, runtime, address) = (client.clone(), runtime.clone(), address.clone());
        Self { client, runtime, address, encrypted: *encrypted, connection: AsyncMutex::new(None) }
    }

    /// The address of the server.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request and waits for the answers, one for each command.
    pub(super) async fn ask(&self, request: &Pipeline) -> Result<Vec<Value>, Trouble> {
        let last = Mutex::new(None);
        match timeout(PATIENCE, self.ask_until_answered(request, &last)).await {
            Ok(answer) => answer,
            Err(_) => {
                let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
                let cause = last.unwrap_or_else(|| format!("no answer within {} ms", PATIENCE.as_millis()));
                let next = "next: see that Redis runs there, or correct url in [redis]";
                let scheme = if self.encrypted == Some(true) { " (redis:// is for a server without TLS)" } else { "" };
                Err(Trouble::Unreachable(format!("{cause} ({}); {next}{scheme}", self.address)))
            }
        }
    }

    /// Retries forever while Redis is unreachable; stores the reason in `last`.
    async fn ask_until_answered(
        &self,
        request: &Pipeline,
        last: &Mutex<Option<String>>,
    ) -> Result<Vec<Value>, Trouble> {
        let mut backoff = BACKOFF_MIN;
        loop {
            let error = match self.ask_once(request).await {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            if let Some(refused) = self.refusal(&error) {
                return Err(refused);
            }
            *self.connection.lock().await = None;
            // A server that accepts only TLS looks the same.
            let cut = error.is_connection_dropped() && !error.is_connection_refusal();
            let hint = if cut && self.encrypted == Some(false) { "; rediss:// is for a server with TLS" } else { "" };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{}{hint}", message_of(&error)));
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn ask_once(&self, request: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let mut connection = self.connected().await?;
        request.query_async(&mut connection).await
    }

    async fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(connection.clone());
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(TRY_MAX)).set_response_timeout(Some(TRY_MAX));
        let client = self.client.clone();
        let opening = async move { client.get_multiplexed_async_connection_with_config(&config).await };
        let connection = self.runtime.open(Box::pin(opening)).await?;
        Ok(slot.insert(connection).clone())
    }

    /// Errors that a retry cannot fix.
    fn refusal(&self, error: &RedisError) -> Option<Trouble> {
        if let Some(tls::Trouble { problem, next }) = tls::explain(error, "[redis]") {
            return Some(Trouble::Unreachable(format!("{}: {problem}; next: {next}", self.address)));
        }
        if error.kind() == ErrorKind::AuthenticationFailed {
            let said = format!("user or password is wrong for {} ({error}); {CORRECT_IT}", self.address);
            return Some(Trouble::Refused { index: 0, code: "WRONGPASS".into(), said });
        }
        let (index, error) = error.clone().into_server_errors()?.first()?.clone();
        let code = error.code().to_owned();
        if PASSING.contains(&code.as_str()) {
            return None;
        }
        let mut said = answered(&error);
        if code == "NOAUTH" {
            said = format!("{} asks for a password and none was given ({said}); {CORRECT_IT}", self.address);
        }
        Some(Trouble::Refused { index, code, said })
    }
}

/// The error, in the words of Redis if it answered.
fn message_of(error: &RedisError) -> String {
    let first = error.clone().into_server_errors().and_then(|errors| errors.first().map(|(_, error)| answered(error)));
    first.unwrap_or_else(|| error.to_string())
}

fn answered(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default())
}

/// Without the original address: it may hold a password.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}
