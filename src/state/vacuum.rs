//! VACUUM after many rows were changed.

use super::PgMoveLog;

/// With at least this many changed rows it does not wait for autovacuum.
const ROWS_MANY: u64 = 10_000;

impl PgMoveLog {
    /// Vacuums and analyzes the table, so that the first claims and counts after a big change are
    /// as fast as the others. A failure here does not undo the change.
    pub(super) async fn vacuum_moves(&self, rows_changed: u64) {
        if rows_changed < ROWS_MANY {
            return;
        }
        let doing = "cleaning up after many orgs were changed";
        let cleaned = match self.client(doing).await {
            Ok(client) => client
                .batch_execute("VACUUM (ANALYZE) mover.org_migration_state")
                .await
                .map_err(|error| super::StateError::postgres(doing, &error)),
            Err(error) => Err(error),
        };
        if let Err(error) = cleaned {
            tracing::warn!(%error, "autovacuum will do it later; until then claims and counts may be slow");
        }
    }
}
