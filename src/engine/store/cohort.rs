//! A cohort as parameters of statements.

use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
pub(in crate::engine) use mover_actors::protocol::Cohort;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::engine::store::error::{Doing, Failed};

/// The parameters of statements about a cohort, and its orgs in their answers.
pub(in crate::engine) trait Parameters {
    /// The migration, the keys and the epochs: for statements about guard rows.
    fn parameters(&self) -> [&(dyn ToSql + Sync); 3];
    /// The migration and the keys.
    fn names(&self) -> [&(dyn ToSql + Sync); 2];
    /// The lease of a row that has its org's place among the keys, from 1, in a column.
    fn numbered(&self, row: &Row, column: usize, doing: Doing<'_>) -> Result<&Lease, EngineError>;
    /// The lease of a row that has its org's key in a column.
    fn keyed(&self, row: &Row, column: usize, doing: Doing<'_>) -> Result<&Lease, EngineError>;
}

impl Parameters for Cohort {
    fn parameters(&self) -> [&(dyn ToSql + Sync); 3] {
        [self.migration(), self.keys(), self.epochs()]
    }

    fn names(&self) -> [&(dyn ToSql + Sync); 2] {
        [self.migration(), self.keys()]
    }

    fn numbered(&self, row: &Row, column: usize, doing: Doing<'_>) -> Result<&Lease, EngineError> {
        let number: i64 = row.try_get(column).map_err(|error| doing.failed(error))?;
        let place = usize::try_from(number - 1).ok();
        place.and_then(|place| self.leases().get(place)).ok_or_else(|| unasked(doing))
    }

    fn keyed(&self, row: &Row, column: usize, doing: Doing<'_>) -> Result<&Lease, EngineError> {
        let key: &str = row.try_get(column).map_err(|error| doing.failed(error))?;
        self.lease(key).ok_or_else(|| unasked(doing))
    }
}

fn unasked(doing: Doing<'_>) -> EngineError {
    doing.refused("the store answered with an org that was not asked for")
}
