//! A client's own connection to Redis.

use std::time::Duration;

use mover_actors::domain::ids::OrgName;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};

use crate::demo::route::{Route, RouteBy};

/// No application waits longer for its flags.
const PATIENCE: Duration = Duration::from_millis(1_000);

pub(super) struct FlagReader {
    client: redis::Client,
    route_by: RouteBy,
    connection: Option<MultiplexedConnection>,
}

impl FlagReader {
    pub(super) fn new(client: redis::Client, route_by: RouteBy) -> Self {
        Self { client, route_by, connection: None }
    }

    /// Where requests of the org go by the flags of now. Trouble with Redis is no route either.
    pub(super) async fn route(&mut self, org: &OrgName) -> Route {
        match self.ask(org).await {
            Ok(route) => route,
            Err(error) => Route::Unknown(format!("reading the flags of {org}: {error}")),
        }
    }

    async fn ask(&mut self, org: &OrgName) -> Result<Route, RedisError> {
        // Put back only if it worked: a connection that failed once is not asked again.
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
