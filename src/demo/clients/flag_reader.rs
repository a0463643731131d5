//! A client's own connection to Redis.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mover_actors::domain::ids::OrgName;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};

use crate::demo::route::{Route, RouteBy};

/// The timeout of reading flags.
const PATIENCE: Duration = Duration::from_millis(1_000);

pub(super) struct FlagReader {
    client: redis::Client,
    route_by: RouteBy,
    connection: Option<MultiplexedConnection>,
    /// How long a route is cached.
    believed: Duration,
    known: HashMap<OrgName, (Instant, Route)>,
}

impl FlagReader {
    pub(super) fn new(client: redis::Client, route_by: RouteBy, believed: Duration) -> Self {
        Self { client, route_by, connection: None, believed, known: HashMap::new() }
    }

    /// Drops all cached routes.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// The route of the org by the flags of now, or of a moment ago. If Redis fails, there is no route either.
    pub(super) async fn route(&mut self, org: &OrgName) -> Route {
        if let Some((read_at, route)) = self.known.get(org)
            && read_at.elapsed() < self.believed
        {
            return route.clone();
        }
        match self.ask(org).await {
            Ok(route) => {
                if !self.believed.is_zero() {
                    self.known.insert(org.clone(), (Instant::now(), route.clone()));
                }
                route
            }
            Err(error) => Route::Unknown(format!("reading the flags of {org}: {error}")),
        }
    }

    async fn ask(&mut self, org: &OrgName) -> Result<Route, RedisError> {
        // Put back only after a success: a connection that failed is not used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE));
                self.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        let route = self.route_by.route(&mut connection, org).await?;
        self.connection = Some(connection);
        Ok(route)
    }
}
