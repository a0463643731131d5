//! How many rows orgs have, as far as the move log knows.

use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::domain::state::State;

use crate::state::decode::Columns;
use crate::state::query::only;
use crate::state::{PgMoveLog, StateError};

/// The known row counts of a migration's orgs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowsKnown {
    /// Orgs in the source whose rows were counted.
    pub orgs: u64,
    /// Their rows.
    pub rows: u64,
    /// The live campaign, if it migrates.
    pub campaign: Option<RowsMoved>,
}

/// The rows that a campaign has moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowsMoved {
    /// Rows of orgs that have migrated.
    pub rows: u64,
    /// How long it has been open.
    pub seconds: f64,
}

/// An org in flight whose rows are copied in ranges.
#[derive(Debug, Clone, PartialEq)]
pub struct Copying {
    /// Its name.
    pub org: OrgName,
    /// The key of its rows.
    pub key: OrgKey,
    /// Its state.
    pub state: State,
    /// How long ago the copy of its rows began.
    pub seconds: f64,
}

impl PgMoveLog {
    /// The known row counts of a migration's orgs, and how fast they are moved.
    pub async fn rows_known(&self, migration: &MigrationName) -> Result<RowsKnown, StateError> {
        let doing = "reading how many rows orgs have";
        let rows = self.query(doing, include_str!("../sql/rows_known.sql"), &[&migration.as_str()]).await?;
        let row = only(doing, rows)?;
        let columns = Columns::new(doing, &row);
        let of_campaign = columns.count("of_campaign")?;
        let seconds: Option<f64> = columns.get("seconds")?;
        let campaign = seconds.map(|seconds| RowsMoved { rows: of_campaign, seconds });
        Ok(RowsKnown { orgs: columns.count("orgs")?, rows: columns.count("rows")?, campaign })
    }

    /// Those of the given orgs that are in flight to the target, and when the copy of their rows began.
    pub async fn copying_since(&self, migration: &MigrationName, keys: &[&OrgKey]) -> Result<Vec<Copying>, StateError> {
        let doing = "reading since when orgs are copied";
        let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let rows = self.query(doing, include_str!("../sql/copying_since.sql"), &[&migration.as_str(), &keys]).await?;
        let copying = |row| {
            let columns = Columns::new(doing, row);
            let step: &str = columns.get("step")?;
            Ok(Copying {
                org: columns.id("org_name")?,
                key: columns.id("org_key")?,
                state: State::from_parts("started", Some(step))
                    .map_err(|error| StateError::invalid(doing, error.to_string()))?,
                seconds: columns.get("seconds")?,
            })
        };
        rows.iter().map(copying).collect()
    }
}
