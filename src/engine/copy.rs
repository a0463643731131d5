//! An org's rows on their way from one store to the other, in constant memory, whatever their number.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{join, try_join_all};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Claim;
use mover_actors::failpoint;
use mover_actors::ports::{Copied, EngineError};
use tokio_postgres::{CopyInSink, Row, RowStream, Statement};

use super::connection::Session;
use super::error::Doing;
use super::guard::{self, Before, Mode};
use super::pipeline::{Sent, send};
use super::plan::{Plan, TablePlan};
use super::reframe::CopyFrames;
use super::sequences;
use super::sequences::{FarBehind, Outermost};
use super::store::Store;

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What a copy does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Take the snapshot: faster, where nobody writes to the source.
    Snapshot,
    /// Take the org's guard on the target: whoever carried over what was logged before is then done, and seen by the
    /// snapshot.
    Guard,
}

/// Copies an org in one transaction of the target, from one snapshot of the source.
pub(super) async fn copy(
    plan: &Plan,
    source: &Store,
    target: &Store,
    claim: &Claim,
    first: First,
) -> Result<Copied, EngineError> {
    let from = source.session().await?;
    let to = target.session().await?;
    let reading = Doing::new(&plan.source, "reading the org");
    let selects = prepare(&from, plan.tables.iter().map(|table| table.select.as_str()), reading).await?;
    let copies = prepare(&to, plan.tables.iter().map(|table| table.copy.as_str()), writing(plan)).await?;

    if first == First::Guard {
        enter(plan, &to, claim).await?;
    }
    // The source gets everything to do at once, and works while the target makes ready.
    let snapshot = send(from.batch_execute(SNAPSHOT)).await;
    let mut results = Vec::with_capacity(selects.len());
    for select in &selects {
        results.push(send(from.query_raw(select, [claim.key.as_str()])).await);
    }
    let end_of_snapshot = send(from.batch_execute("COMMIT")).await;

    if first == First::Snapshot {
        enter(plan, &to, claim).await?;
    }
    failpoint::hit("copy.cleared");
    snapshot.answer().await.map_err(|error| reading.failed(error))?;
    let mut pour = Pour::new(plan, &to);
    for ((table, result), copy) in plan.tables.iter().zip(results).zip(&copies) {
        let rows = result.answer().await.map_err(|error| reading.on(&table.label).failed(error))?;
        pour.table(table, rows, copy).await?;
    }
    let (copied, outermost) = pour.end().await?;
    end_of_snapshot.answer().await.map_err(|error| reading.failed(error))?;
    from.release();

    let (proven, ahead) = join(
        plan.references.prove(&to, plan, &claim.key),
        sequences::keep_ahead(&to, plan, &outermost, FarBehind::Refuse),
    )
    .await;
    proven.and(ahead)?;
    failpoint::hit("copy.before_commit");
    to.batch_execute("COMMIT").await.map_err(|error| writing(plan).failed(error))?;
    failpoint::hit("copy.committed");
    to.release();
    Ok(copied)
}

/// Removes what a copy brought, unless it is live. Only if there is anything to remove a plan is needed: the way back must
/// be open even when the stores' schemas are not what they should be.
pub(super) async fn discard<F>(
    target: &Store,
    claim: &Claim,
    plan: impl FnOnce() -> F + Send,
) -> Result<(), EngineError>
where
    F: Future<Output = Result<Arc<Plan>, EngineError>> + Send,
{
    let to = target.session().await?;
    let doing = Doing::new(target.name(), "removing the copied rows");
    let failed = |error| doing.failed(error);
    let begun = send(to.batch_execute("BEGIN")).await;
    let before = guard::enter(&to, claim, Mode::Discarded, doing).await?;
    begun.answer().await.map_err(failed)?;
    if before == Before::Incoming {
        let plan = plan().await?;
        clear(&plan, &to, &claim.key, doing).await?;
        forget_ranges(&to, claim, doing).await?;
    }
    failpoint::hit("discard.before_commit");
    to.batch_execute("COMMIT").await.map_err(failed)?;
    failpoint::hit("discard.committed");
    to.release();
    Ok(())
}

/// Nothing of an online copy is left to go on with. A store that saw only offline moves has no such table.
async fn forget_ranges(to: &Session, claim: &Claim, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let found = to.query_one("SELECT to_regclass('mover.copy_range') IS NOT NULL", &[]).await.map_err(failed)?;
    if !found.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(());
    }
    let sql = include_str!("live/sql/ranges_remove.sql");
    to.execute(sql, &[&claim.migration.as_str(), &claim.key.as_str()]).await.map(drop).map_err(failed)
}

fn writing(plan: &Plan) -> Doing<'_> {
    Doing::new(&plan.target, "writing the org")
}

async fn prepare(
    session: &Session,
    statements: impl Iterator<Item = &str>,
    doing: Doing<'_>,
) -> Result<Vec<Statement>, EngineError> {
    try_join_all(statements.map(|sql| session.prepared(sql))).await.map_err(|error| doing.failed(error))
}

/// Begins the transaction on the target, takes the org's guard, and leaves no row of the org there.
async fn enter(plan: &Plan, to: &Session, claim: &Claim) -> Result<(), EngineError> {
    let doing = writing(plan);
    let failed = |error| doing.failed(error);
    // What is prepared beforehand is sent at once, so it runs in this order.
    let occupied = to.prepared(&plan.occupied).await.map_err(failed)?;
    guard::prepare(to, doing).await?;
    let begun = send(to.batch_execute(plan.begin)).await;
    let entered = send(guard::enter(to, claim, Mode::Incoming, doing)).await;
    let found = send(to.query_raw(&occupied, [claim.key.as_str()])).await;
    begun.answer().await.map_err(failed)?;
    let before = entered.answer().await?;
    let found: Vec<Row> = found.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    match (before, found.first()) {
        (Before::Incoming, _) => clear(plan, to, &claim.key, doing).await,
        (Before::Nothing, None) => Ok(()),
        (Before::Nothing, Some(row)) => match plan.table_of(row).map_err(failed)? {
            Some(table) => Err(foreign_rows(table, to, claim, doing).await?),
            None => Err(doing.refused("the store answered with a table that was not asked for")),
        },
    }
}

/// The error for rows that were there before (P6).
pub(super) async fn foreign_rows(
    table: &TablePlan,
    to: &Session,
    claim: &Claim,
    doing: Doing<'_>,
) -> Result<EngineError, EngineError> {
    let doing = doing.on(&table.label);
    let failed = |error| doing.failed(error);
    let sql = format!("SELECT count(*) {}", table.target.rows);
    let row = to.query_one(&sql, &[&claim.key.as_str()]).await.map_err(failed)?;
    let rows: i64 = row.try_get(0).map_err(failed)?;
    let rows = if rows == 1 { "1 row".into() } else { format!("{rows} rows") };
    Ok(doing.refused(format!(
        "the target already holds {rows} of org {} that Mover did not bring; remove them or leave this org out",
        claim.org
    )))
}

/// Removes the org's rows, children first.
pub(super) async fn clear(plan: &Plan, to: &Session, key: &OrgKey, doing: Doing<'_>) -> Result<(), EngineError> {
    for table in plan.tables.iter().rev() {
        let failed = |error| doing.on(&table.label).failed(error);
        let delete = to.prepared(&table.delete).await.map_err(failed)?;
        to.execute(&delete, &[&key.as_str()]).await.map_err(failed)?;
    }
    Ok(())
}

type Ending = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>;

/// Rows being poured into the tables of the target, one COPY after the other on one connection, of which nothing else may be
/// asked until the end.
pub(super) struct Pour<'a> {
    plan: &'a Plan,
    to: &'a Session,
    pub(super) copied: Copied,
    outermost: Outermost,
    /// The COPY before, whose end is on its way and need not be waited for before the next begins.
    ending: Option<(&'a str, Sent<Ending>)>,
}

impl<'a> Pour<'a> {
    pub(super) fn new(plan: &'a Plan, to: &'a Session) -> Self {
        Self { plan, to, copied: Copied::default(), outermost: Outermost::new(plan), ending: None }
    }

    /// Pours a table. A table without a row costs the target nothing.
    pub(super) async fn table(
        &mut self,
        table: &'a TablePlan,
        rows: RowStream,
        copy: &Statement,
    ) -> Result<(), EngineError> {
        let reading = |error| Doing::new(&self.plan.source, "reading the org").on(&table.label).failed(error);
        let writing = |error| writing(self.plan).on(&table.label).failed(error);
        let mut rows = std::pin::pin!(rows);
        let mut next = rows.next().await;
        if next.is_none() {
            return Ok(());
        }
        let begun: Result<CopyInSink<Bytes>, _> = match self.ending.take() {
            None => self.to.copy_in(copy).await,
            Some((label, ending)) => {
                let (ended, begun) = join(ending.answer(), self.to.copy_in(copy)).await;
                ended.map_err(|error| self::writing(self.plan).on(label).failed(error))?;
                begun
            }
        };
        let mut sink = Box::pin(begun.map_err(writing)?);
        let mut frames = CopyFrames::begin();
        while let Some(row) = next {
            let row = row.map_err(reading)?;
            self.outermost.see(self.plan, &row, &table.sequence_columns).map_err(reading)?;
            frames.push(&row).map_err(reading)?;
            while let Some(chunk) = frames.full_chunk() {
                sink.feed(chunk).await.map_err(writing)?;
            }
            next = rows.next().await;
        }
        sink.feed(frames.end()).await.map_err(writing)?;
        self.copied.rows += frames.rows();
        self.copied.bytes += frames.bytes();
        let ending: Ending = Box::pin(async move { sink.as_mut().finish().await });
        self.ending = Some((&table.label, send(ending).await));
        Ok(())
    }

    pub(super) async fn end(self) -> Result<(Copied, Outermost), EngineError> {
        if let Some((label, ending)) = self.ending {
            ending.answer().await.map_err(|error| writing(self.plan).on(label).failed(error))?;
        }
        Ok((self.copied, self.outermost))
    }
}
