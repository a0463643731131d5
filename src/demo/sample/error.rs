//! What can go wrong while the sample is made or read.

use mover_actors::domain::ids::IdError;
use thiserror::Error;

use crate::demo::postgres::causes;

/// Why there is no sample.
#[derive(Debug, Error)]
pub enum SampleError {
    /// The database holds something that the demo did not make.
    #[error(
        "{store} holds tables that the demo did not make; it drops everything in its stores, so give it databases of its own"
    )]
    NotOurs {
        /// Which store.
        store: &'static str,
    },
    /// An org was given a name that Mover cannot work with.
    #[error("reading organizations in old: {0}")]
    BadName(#[from] IdError),
    /// Postgres refused, or cannot be reached.
    #[error("{doing} in {store}: {}", causes(source))]
    Postgres {
        /// Which store.
        store: &'static str,
        /// What was being done.
        doing: &'static str,
        /// The message of the driver.
        source: tokio_postgres::Error,
    },
}
