//! One transaction of a copy in pieces.

use futures_util::try_join;
use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;
use tokio_postgres::types::ToSql;

use super::super::connection::Session;
use super::super::copy::Pour;
use super::super::error::Doing;
use super::super::sequences;
use super::super::store::Store;
use super::guard_row;
use super::pieces::Piece;
use super::plan::LivePlan;

const SHARE_ROW: &str = include_str!("sql/share_row.sql");
const DONE: &str = include_str!("sql/range_done.sql");

/// What all transactions of a copy have in common.
#[derive(Debug)]
pub(super) struct Pouring<'a> {
    pub(super) live: &'a LivePlan,
    pub(super) source: &'a Store,
    pub(super) target: &'a Store,
    pub(super) lease: &'a Lease,
    /// The snapshot that all read from.
    pub(super) snapshot: &'a str,
    /// Whether rows may be there already: those that were carried over after an earlier try.
    pub(super) is_resumed: bool,
}

/// Copies some pieces in one transaction, and notes that they are done.
pub(super) async fn pour(pouring: &Pouring<'_>, job: Vec<Piece>) -> Result<(), EngineError> {
    let Pouring { live, source, target, lease, snapshot, is_resumed } = *pouring;
    let (reading, writing) = (
        Doing::new(&live.plan.source, "reading a range of the org"),
        Doing::new(&live.plan.target, "writing a range of the org"),
    );
    let (from, to) = try_join!(source.session(), target.session())?;
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'");
    from.batch_execute(&begin).await.map_err(|error| reading.failed(error))?;
    to.batch_execute("BEGIN").await.map_err(|error| writing.failed(error))?;
    guard_row::must_be(&to, SHARE_ROW, "incoming", lease, writing).await?;
    if is_resumed {
        for piece in job.iter().rev() {
            remove(live, &to, lease, piece, writing).await?;
        }
    }
    // While rows are poured nothing else may be asked of this connection: the end of one COPY is on its way when the next one
    // begins, and an answer would be waited for that comes after it.
    let mut copies = Vec::with_capacity(job.len());
    for piece in &job {
        let planned = &live.plan.tables[piece.table];
        copies.push(to.prepared(&planned.copy).await.map_err(|error| writing.on(&planned.label).failed(error))?);
    }
    let mut stream = Pour::new(&live.plan, &to);
    let mut sizes = Vec::with_capacity(job.len());
    for (piece, copy) in job.iter().zip(&copies) {
        let planned = &live.plan.tables[piece.table];
        let doing = reading.on(&planned.label);
        let condition = live.tables[piece.table].ranging.on_leaving(piece.above.is_some(), piece.upto.is_some());
        let sql = format!("{}{condition}", planned.select);
        let select = from.prepared(&sql).await.map_err(|error| doing.failed(error))?;
        let orgs = [lease.key.as_str()];
        let rows =
            from.query_raw(&select, parameters(&orgs.as_slice(), piece)).await.map_err(|error| doing.failed(error))?;
        let before = stream.copied;
        stream.table(planned, rows, copy).await?;
        sizes.push((stream.copied.rows - before.rows, stream.copied.bytes - before.bytes));
    }
    let (_, outermost) = stream.end().await?;
    sequences::keep_ahead(&to, &live.plan, &outermost, live.far_behind()).await?;
    let done = to.prepared(DONE).await.map_err(|error| writing.failed(error))?;
    for (piece, (rows, bytes)) in job.iter().zip(sizes) {
        let (migration, key) = (lease.migration.as_str(), lease.key.as_str());
        let label = live.plan.tables[piece.table].label.as_str();
        to.execute(&done, &[&migration, &key, &label, &piece.number, &rows, &bytes])
            .await
            .map_err(|error| writing.failed(error))?;
    }
    failpoint::hit("range.before_commit");
    to.batch_execute("COMMIT").await.map_err(|error| writing.failed(error))?;
    failpoint::hit("range.committed");
    from.batch_execute("COMMIT").await.map_err(|error| reading.failed(error))?;
    from.release();
    to.release();
    Ok(())
}

/// Rows that were carried over into a range that is only copied now.
async fn remove(
    live: &LivePlan,
    to: &Session,
    lease: &Lease,
    piece: &Piece,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let planned = &live.plan.tables[piece.table];
    let failed = |error| doing.on(&planned.label).failed(error);
    let condition = live.tables[piece.table].ranging.on_receiving(piece.above.is_some(), piece.upto.is_some());
    let delete = to.prepared(&format!("{}{condition}", planned.delete)).await.map_err(failed)?;
    let orgs = [lease.key.as_str()];
    to.execute(&delete, &parameters(&orgs.as_slice(), piece)).await.map(drop).map_err(failed)
}

/// The org's key, and the ends of the range that are not open.
fn parameters<'a>(orgs: &'a &'a [&'a str], piece: &'a Piece) -> Vec<&'a (dyn ToSql + Sync)> {
    let ends = piece.above.iter().chain(&piece.upto).flatten();
    std::iter::once(orgs as &(dyn ToSql + Sync)).chain(ends.map(|value| value as &(dyn ToSql + Sync))).collect()
}
