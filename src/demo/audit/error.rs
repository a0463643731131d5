//! Why an audit has no result.

use thiserror::Error;

use crate::demo::postgres::causes;
use crate::demo::route::Store;

/// Why an audit has no result. Its findings are no errors.
#[derive(Debug, Error)]
pub enum AuditError {
    /// A store did not answer.
    #[error("auditing, {doing} in {store}: {}", causes(source))]
    Postgres {
        /// The store.
        store: Store,
        /// The operation.
        doing: &'static str,
        /// The message of the driver.
        source: tokio_postgres::Error,
    },
    /// Redis did not answer.
    #[error("auditing, reading the flags of all orgs: {0}")]
    Flags(#[from] redis::RedisError),
}
