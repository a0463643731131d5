//! Why an audit has no result.

use thiserror::Error;

use crate::demo::postgres::causes;
use crate::demo::route::Store;

/// Why an audit has no result. What it finds is no error.
#[derive(Debug, Error)]
pub enum AuditError {
    /// A store did not answer.
    #[error("auditing, {doing} in {store}: {}", causes(source))]
    Postgres {
        /// Which one.
        store: Store,
        /// What was being done.
        doing: &'static str,
        /// The message of the driver.
        source: tokio_postgres::Error,
    },
    /// Redis did not answer.
    #[error("auditing, reading the flags of all orgs: {0}")]
    Flags(#[from] redis::RedisError),
}
