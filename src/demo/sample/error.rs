//! Errors of creating or reading the sample.

use mover_actors::domain::ids::IdError;
use thiserror::Error;

use crate::demo::postgres::causes;

/// Why there is no sample.
#[derive(Debug, Error)]
pub enum SampleError {
    /// The database holds something that the demo did not create.
    #[error(
        "{store} holds tables that the demo did not make; it drops everything in its stores, so give it databases of its own"
    )]
    NotOurs {
        /// The store.
        store: &'static str,
    },
    /// A name of an org that Mover does not accept.
    #[error("reading organizations in old: {0}")]
    BadName(#[from] IdError),
    /// Postgres refused, or cannot be reached.
    #[error("{doing} in {store}: {}", causes(source))]
    Postgres {
        /// The store.
        store: &'static str,
        /// The operation.
        doing: &'static str,
        /// The message of the driver.
        source: tokio_postgres::Error,
    },
}
