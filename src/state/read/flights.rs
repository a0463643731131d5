//! The orgs in flight, and how long they have been at their step.

use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::Step;

use crate::state::decode::Columns;
use crate::state::{PgMoveLog, StateError};

/// The orgs of a migration that are at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Flight {
    /// The migration.
    pub migration: MigrationName,
    /// The step.
    pub step: Step,
    /// The number of orgs.
    pub orgs: u64,
    /// How long the first of them has been at it, in seconds.
    pub oldest_seconds: f64,
    /// That org.
    pub oldest_org: OrgName,
    /// How long the first of those in 503 mode has been in it; `None` if none is.
    pub shut_seconds: Option<f64>,
}

impl PgMoveLog {
    /// The orgs in flight, over all migrations; steps with none are left out.
    pub async fn flights(&self) -> Result<Vec<Flight>, StateError> {
        let doing = "counting orgs in flight";
        let rows = self.query(doing, include_str!("../sql/flights.sql"), &[]).await?;
        let flight = |row| {
            let columns = Columns::new(doing, row);
            let step: &str = columns.get("step")?;
            Ok(Flight {
                migration: columns.id("migration")?,
                step: step.parse().map_err(|error| StateError::invalid(doing, format!("stored: {error}")))?,
                orgs: columns.count("orgs")?,
                oldest_seconds: columns.get("oldest_seconds")?,
                oldest_org: columns.id("oldest_org")?,
                shut_seconds: columns.get("shut_seconds")?,
            })
        };
        rows.iter().map(flight).collect()
    }
}
