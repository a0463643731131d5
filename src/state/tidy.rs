//! After many rows changed at once.

use super::PgMoveLog;

/// From how many changed rows on it is worth not to wait for autovacuum.
const ROWS_MANY: u64 = 10_000;

impl PgMoveLog {
    /// Lets Postgres clean up and learn what the table holds, so that the first claims and counts after a big change are
    /// as fast as the others. What was changed stands, whatever becomes of this.
    pub(super) async fn tidy_moves(&self, rows_changed: u64) {
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
