//! Removes the rows of an org from a store that it has left, a few at a time, so that other sessions there do not wait long.

use std::path::PathBuf;

use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;
use mover_actors::protocol::Mode;

use crate::engine::live::backed_up;
use crate::engine::live::backup_file::{Header, Reader};
use crate::engine::live::plan::LivePlan;
use crate::engine::live::standing::{self, LOCK_ROW};
use crate::engine::store::Store;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// A backup, opened and not read yet.
pub(super) struct Opened {
    pub(super) file: PathBuf,
    pub(super) reader: Reader,
    pub(super) header: Header,
}

/// Removes the org's rows from the receiving store of `live`, children first; returns how many. Each transaction checks that
/// the org has moved away from there. With a backup only rows that are in it are removed, and it is refused if there are others.
pub(super) async fn purge(
    live: &LivePlan,
    store: &Store,
    lease: &Lease,
    rows_at_once: i64,
    backup: Option<Opened>,
) -> Result<i64, EngineError> {
    let doing = Doing::new(store.name(), "removing the org's rows");
    let session = store.session().await?;
    let by_backup = backup.is_some();
    if let Some(Opened { file, reader, header }) = backup {
        backed_up::load(&session, live, &file, (reader, header), doing).await?;
    }
    let mut removed = 0;
    for (planned, table) in live.plan.tables.iter().zip(&live.tables).rev() {
        let doing = doing.on(&planned.label);
        loop {
            let sql = if by_backup { &table.remove_backed_up } else { &table.remove_some };
            let rows = batch(&session, sql, lease, rows_at_once, doing).await?;
            if rows == 0 {
                break;
            }
            removed += rows;
        }
        // Rows of children are found through this table, so it must not lose the rows that they belong to.
        if by_backup {
            refuse_left(&session, &table.left, lease, doing).await?;
        }
    }
    if !by_backup {
        session.release();
    }
    Ok(removed)
}

/// Refuses if the org has rows there that are in no backup.
async fn refuse_left(session: &Session, sql: &str, lease: &Lease, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let row = session.query_one(sql, &[&[lease.key.as_str()].as_slice()]).await.map_err(failed)?;
    let (rows, key): (i64, Option<&str>) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    match key {
        None => Ok(()),
        Some(key) => Err(doing.refused(format!(
            "{rows} rows of org {} here are not in its backup, e.g. the one with key {key}: they came after the org had left, and nothing \
             that is in no backup is removed; next: write them to the other store and remove them here; the purge goes on by itself then",
            lease.org
        ))),
    }
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
