//! What was last found behind the stores of a migration.

use mover_actors::domain::ids::{Epoch, MigrationName, StoreName};

use super::decode::Columns;
use super::query::only;
use super::{PgMoveLog, StateError};

/// A store as it was last seen, or accepted by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSeen {
    /// The system identifier of its server.
    pub system: String,
    /// The timeline of its server.
    pub timeline: i64,
    /// The number of its database.
    pub database: i64,
    /// The newest epoch that it had of the migration.
    pub newest_epoch: Epoch,
}

impl PgMoveLog {
    /// What was last found behind a store; `None` if the migration never began there.
    pub async fn store_seen(
        &self,
        migration: &MigrationName,
        store: &StoreName,
    ) -> Result<Option<StoreSeen>, StateError> {
        let doing = "reading what was found behind a store";
        let sql = include_str!("sql/store_seen.sql");
        let rows = self.query(doing, sql, &[&migration.as_str(), &store.as_str()]).await?;
        let seen = |row| {
            let columns = Columns::new(doing, row);
            Ok(StoreSeen {
                system: columns.get("system")?,
                timeline: columns.get("timeline")?,
                database: columns.get("database_oid")?,
                newest_epoch: Epoch(columns.get("newest_epoch")?),
            })
        };
        rows.first().map(seen).transpose()
    }

    /// Notes what was found, unless it is another store than before.
    pub async fn see_store(
        &self,
        migration: &MigrationName,
        store: &StoreName,
        seen: &StoreSeen,
    ) -> Result<(), StateError> {
        self.note_store(include_str!("sql/store_see.sql"), migration, store, seen).await
    }

    /// Notes what was found, whatever it was before: an operator has accepted it.
    pub async fn accept_store(
        &self,
        migration: &MigrationName,
        store: &StoreName,
        seen: &StoreSeen,
    ) -> Result<(), StateError> {
        self.note_store(include_str!("sql/store_accept.sql"), migration, store, seen).await
    }

    /// The migration has left a store: what was remembered of its epochs there is void.
    pub async fn forget_epochs(&self, migration: &MigrationName, store: &StoreName) -> Result<(), StateError> {
        let doing = "forgetting the epochs of a store";
        let sql = include_str!("sql/store_forget_epoch.sql");
        self.execute(doing, sql, &[&migration.as_str(), &store.as_str()]).await.map(drop)
    }

    async fn note_store(
        &self,
        sql: &str,
        migration: &MigrationName,
        store: &StoreName,
        seen: &StoreSeen,
    ) -> Result<(), StateError> {
        let StoreSeen { system, timeline, database, newest_epoch } = seen;
        let doing = "noting what was found behind a store";
        let params: super::query::Params<'_> =
            &[&migration.as_str(), &store.as_str(), system, timeline, database, &newest_epoch.0];
        self.execute(doing, sql, params).await.map(drop)
    }

    /// The newest epoch that was taken.
    pub async fn newest_epoch(&self) -> Result<Epoch, StateError> {
        let doing = "reading the newest epoch";
        let row = only(doing, self.query(doing, include_str!("sql/epoch_newest.sql"), &[]).await?)?;
        Ok(Epoch(Columns::new(doing, &row).get("epoch")?))
    }
}
