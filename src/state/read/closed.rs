//! Orgs that are blocked now.

use std::time::SystemTime;

use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::Strategy;

use crate::state::decode::Columns;
use crate::state::{PgMoveLog, StateError};

const DOING: &str = "reading who is shut out";

/// An org whose writers a move has blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedOrg {
    /// The org.
    pub org: OrgName,
    /// The migration of the move.
    pub migration: MigrationName,
    /// Its step.
    pub step: String,
    /// When it was blocked.
    pub since: SystemTime,
    /// The strategy of the move.
    pub strategy: Strategy,
}

impl PgMoveLog {
    /// Orgs whose writers are blocked by a move, at most this many, the longest first.
    pub async fn closed_orgs(&self, limit: u32) -> Result<Vec<ClosedOrg>, StateError> {
        let rows = self.query(DOING, include_str!("../sql/closed_now.sql"), &[&i64::from(limit)]).await?;
        let closed = |row| {
            let columns = Columns::new(DOING, row);
            Ok(ClosedOrg {
                org: columns.id("org_name")?,
                migration: columns.id("migration")?,
                step: columns.get("step")?,
                since: columns.get("closed_at")?,
                strategy: columns.strategy()?,
            })
        };
        rows.iter().map(closed).collect()
    }

    /// Keys of hashes with a block by an operator, each with its field.
    pub async fn closed_by_operators(&self, limit: u32) -> Result<Vec<(String, String)>, StateError> {
        let rows = self.query(DOING, include_str!("../sql/flags_closed.sql"), &[&i64::from(limit)]).await?;
        let field = |row| {
            let columns = Columns::new(DOING, row);
            Ok((columns.get("key")?, columns.get("field")?))
        };
        rows.iter().map(field).collect()
    }
}
