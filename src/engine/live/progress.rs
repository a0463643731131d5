//! The progress of copies in ranges.

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::ports::EngineError;
use tokio_postgres::error::SqlState;

use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// The progress of an org that is copied in ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangedCopy {
    /// Which org.
    pub key: OrgKey,
    /// Ranges of its tables in all.
    pub ranges: u64,
    /// Ranges that are copied.
    pub ranges_done: u64,
    /// Rows in the copied ranges.
    pub rows_copied: u64,
    /// About how many rows there will be in the end.
    pub rows_expected: u64,
}

/// The orgs of a migration that are being copied in ranges, or were and are not done yet.
pub(in crate::engine) async fn progress(
    target: &Store,
    migration: &MigrationName,
    range_rows: i64,
) -> Result<Vec<RangedCopy>, EngineError> {
    let doing = Doing::new(target.name(), "looking how far copies are");
    let failed = |error| doing.failed(error);
    let session = target.session().await?;
    let statement = match session.prepared(include_str!("sql/range_progress.sql")).await {
        Ok(statement) => statement,
        // No org was ever moved there.
        Err(error)
            if [Some(&SqlState::UNDEFINED_TABLE), Some(&SqlState::INVALID_SCHEMA_NAME)].contains(&error.code()) =>
        {
            session.release();
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let rows = session.query(&statement, &[&migration.as_str(), &range_rows]).await.map_err(failed)?;
    session.release();
    let count =
        |row: &tokio_postgres::Row, column| row.try_get::<_, i64>(column).map(i64::unsigned_abs).map_err(failed);
    let mut copies = Vec::with_capacity(rows.len());
    for row in &rows {
        let key: String = row.try_get(0).map_err(failed)?;
        copies.push(RangedCopy {
            key: OrgKey::new(key).map_err(|error| doing.refused(error.to_string()))?,
            ranges: count(row, 1)?,
            ranges_done: count(row, 2)?,
            rows_copied: count(row, 3)?,
            rows_expected: count(row, 4)?,
        });
    }
    Ok(copies)
}
