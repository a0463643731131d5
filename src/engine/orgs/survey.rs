//! The guard rows of a migration in both stores, to be compared with the move log.

use std::collections::HashMap;
use std::str::FromStr;

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey};
use mover_actors::ports::{EngineError, Side};
use mover_actors::protocol::Mode;

use crate::engine::PgEngine;
use crate::engine::guard;
use crate::engine::store::error::{Doing, Failed};

/// What a store says of an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarded {
    /// `None` if nothing was decided, and only keys are left in the log.
    pub mode: Option<Mode>,
    /// The epoch of the last change.
    pub epoch: Epoch,
    /// The number of logged keys.
    pub entries: i64,
}

impl Guarded {
    /// Whether the guard row was not changed in between; the org may have been written.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.mode, self.epoch) == (other.mode, other.epoch)
    }
}

impl PgEngine {
    /// What a store says of the orgs that it has decided something about; `None` if it keeps nothing of the migration.
    pub async fn guarded(
        &self,
        migration: &MigrationName,
        side: Side,
    ) -> Result<Option<HashMap<OrgKey, Guarded>>, EngineError> {
        let definition = self.definition(migration)?;
        let name = match side {
            Side::Source => &definition.from,
            Side::Target => &definition.to,
        };
        let store = self.store(name)?;
        if !guard::has_tables(store).await? {
            return Ok(None);
        }
        let doing = Doing::new(name, "reading what the guard says of orgs");
        let failed = |error| doing.failed(error);
        let session = store.session().await?;
        let any = session.query_one(include_str!("sql/has_guard_rows.sql"), &[&migration.as_str()]).await;
        let has_any: bool = any.and_then(|row| row.try_get(0)).map_err(failed)?;
        let rows = session.query(include_str!("sql/survey.sql"), &[&migration.as_str()]).await.map_err(failed)?;
        session.release();
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let key: String = row.try_get("org_key").map_err(failed)?;
            let key = OrgKey::new(key).map_err(|error| doing.refused(error.to_string()))?;
            let mode: Option<&str> = row.try_get("mode").map_err(failed)?;
            let mode = mode.map(Mode::from_str).transpose().map_err(|problem| doing.refused(problem))?;
            let epoch = Epoch(row.try_get("epoch").map_err(failed)?);
            found.insert(key, Guarded { mode, epoch, entries: row.try_get("entries").map_err(failed)? });
        }
        Ok((has_any || !found.is_empty()).then_some(found))
    }
}
