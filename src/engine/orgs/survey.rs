//! The guard rows of a migration in both stores, to be compared with the move log.

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey};
use mover_actors::ports::{EngineError, Side};

use crate::engine::PgEngine;
use crate::engine::guard;
use crate::engine::store::error::{Doing, Failed};

/// How many orgs are read at once.
const PAGE_ORGS: i64 = 1_000;

/// An org that is not plainly settled in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// Which org.
    pub key: OrgKey,
    /// In which store.
    pub side: Side,
    /// `capturing`, `moved`, `incoming`, `discarded`, or `settled` if only keys are left in the log.
    pub mode: String,
    /// The epoch of the last change.
    pub epoch: Epoch,
    /// The number of logged keys.
    pub entries: i64,
}

impl Guarded {
    /// Whether the guard row was not changed in between; the org may have been written.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.key, self.side, &self.mode, self.epoch) == (&other.key, other.side, &other.mode, other.epoch)
    }
}

impl PgEngine {
    /// The next orgs after `after` that are not plainly settled in a store; none if there is no guard.
    pub async fn guarded(
        &self,
        migration: &MigrationName,
        side: Side,
        after: Option<&OrgKey>,
    ) -> Result<Vec<Guarded>, EngineError> {
        let definition = self.definition(migration)?;
        let name = match side {
            Side::Source => &definition.from,
            Side::Target => &definition.to,
        };
        let store = self.store(name)?;
        if !guard::has_tables(store).await? {
            return Ok(Vec::new());
        }
        let doing = Doing::new(name, "reading what the guard says of orgs");
        let failed = |error| doing.failed(error);
        let session = store.session().await?;
        let statement = session.prepared(include_str!("sql/survey.sql")).await.map_err(failed)?;
        let after = after.map_or("", OrgKey::as_str);
        let rows = session.query(&statement, &[&migration.as_str(), &after, &PAGE_ORGS]).await.map_err(failed)?;
        session.release();
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let key: String = row.try_get(0).map_err(failed)?;
            found.push(Guarded {
                key: OrgKey::new(key).map_err(|error| doing.refused(error.to_string()))?,
                side,
                mode: row.try_get(1).map_err(failed)?,
                epoch: Epoch(row.try_get(2).map_err(failed)?),
                entries: row.try_get(3).map_err(failed)?,
            });
        }
        Ok(found)
    }
}
