//! Removes the rows of an org from a store that it has left, a few at a time, so that other sessions there do not wait long.

use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;
use mover_actors::protocol::Mode;

use crate::engine::live::plan::LivePlan;
use crate::engine::live::standing::{self, LOCK_ROW};
use crate::engine::store::Store;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Removes the org's rows from the receiving store of `live`, children first; returns how many. Each transaction checks that
/// the org has moved away from there.
pub(super) async fn purge(
    live: &LivePlan,
    store: &Store,
    lease: &Lease,
    rows_at_once: i64,
) -> Result<i64, EngineError> {
    let doing = Doing::new(store.name(), "removing the org's rows");
    let session = store.session().await?;
    let mut removed = 0;
    for (planned, table) in live.plan.tables.iter().zip(&live.tables).rev() {
        let doing = doing.on(&planned.label);
        loop {
            let rows = batch(&session, &table.remove_some, lease, rows_at_once, doing).await?;
            if rows == 0 {
                break;
            }
            removed += rows;
        }
    }
    session.release();
    Ok(removed)
}

async fn batch(
    session: &Session,
    sql: &str,
    lease: &Lease,
    rows_at_once: i64,
    doing: Doing<'_>,
) -> Result<i64, EngineError> {
    let failed = |error| doing.failed(error);
    session.batch_execute("BEGIN").await.map_err(failed)?;
    standing::must_be(session, LOCK_ROW, Mode::Moved, lease, doing).await?;
    let cohort = Cohort::one(lease);
    standing::raise(session, &cohort, doing).await?;
    let statement = session.prepared(sql).await.map_err(failed)?;
    let rows = session.execute(&statement, &[cohort.keys(), &rows_at_once]).await.map_err(failed)?;
    session.batch_execute("COMMIT").await.map_err(failed)?;
    failpoint::hit("purge.batch");
    Ok(i64::try_from(rows).unwrap_or(i64::MAX))
}
