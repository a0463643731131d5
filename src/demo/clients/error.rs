//! Why clients cannot start.

use thiserror::Error;

use crate::demo::postgres::causes;
use crate::demo::route::Store;

/// Why clients cannot start. Errors of their writes are counted, not raised.
#[derive(Debug, Error)]
pub enum ClientsError {
    /// There are no orgs to write to.
    #[error("starting clients: there are no orgs to write to")]
    NoOrgs,
    /// The address of Redis is invalid.
    #[error("starting clients, reading the address of Redis: {0}")]
    RedisUrl(#[from] redis::RedisError),
    /// A store does not answer, or does not hold the sample.
    #[error("starting clients, reading client_writes in {store}: {}", causes(source))]
    Postgres {
        /// The store.
        store: Store,
        /// The message of the driver.
        source: tokio_postgres::Error,
    },
    /// A client panicked, so its acknowledged writes are unknown.
    #[error("a simulated client died: {0}")]
    Died(#[from] tokio::task::JoinError),
}
