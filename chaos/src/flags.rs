//! A client's own view of the flags.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mover::demo::route::{self, Route, RouteBy};
use mover_actors::domain::ids::OrgName;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use crate::servers::Store;

/// The timeout of reading flags.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// Where the flags route an org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    To(Store),
    /// The org is in 503 mode, which nothing in this trial sets.
    Shut,
    /// The flags cannot be read, or do not route the org.
    Unknown(String),
}

pub(crate) struct Flags {
    client: redis::Client,
    connection: Option<MultiplexedConnection>,
    /// How long a route is cached.
    believed: Duration,
    known: HashMap<String, (Instant, Store)>,
}

impl Flags {
    pub(crate) fn open(url: &str, believed: Duration) -> Result<Self, redis::RedisError> {
        Ok(Self { client: redis::Client::open(url)?, connection: None, believed, known: HashMap::new() })
    }

    /// The route of an org's requests; it may come from the cache.
    pub(crate) async fn way(&mut self, org: &str) -> Way {
        if let Some((read_at, store)) = self.known.get(org)
            && read_at.elapsed() < self.believed
        {
            return Way::To(*store);
        }
        let way = self.read(org).await;
        match way {
            Way::To(store) => drop(self.known.insert(org.into(), (Instant::now(), store))),
            Way::Shut | Way::Unknown(_) => self.forget(org),
        }
        way
    }

    /// Drops the cached route of an org.
    pub(crate) fn forget(&mut self, org: &str) {
        self.known.remove(org);
    }

    async fn read(&mut self, org: &str) -> Way {
        let name = match OrgName::new(org) {
            Ok(name) => name,
            Err(error) => return Way::Unknown(error.to_string()),
        };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.connect().await {
                Ok(connection) => connection,
                Err(error) => return Way::Unknown(error.to_string()),
            },
        };
        match RouteBy::cell().route(&mut connection, &name).await {
            Ok(route) => {
                self.connection = Some(connection);
                match route {
                    Route::To(route::Store::Old) => Way::To(Store::Old),
                    Route::To(route::Store::New) => Way::To(Store::New),
                    Route::Blocked { .. } => Way::Shut,
                    Route::Unknown(reason) => Way::Unknown(reason),
                }
            }
            Err(error) => Way::Unknown(error.to_string()),
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}
