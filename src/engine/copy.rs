//! Orgs' rows on their way from one store to the other, in constant memory, whatever their number.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{join, try_join_all};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::{Copied, EngineError};
use tokio_postgres::{CopyInSink, Row, RowStream, Statement};

use super::cohort::Cohort;
use super::connection::Session;
use super::error::Doing;
use super::guard::{self, Mode};
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
    /// Take the orgs' guard on the target: whoever carried over what was logged before is then done, and seen by the
    /// snapshot.
    Guard,
}

/// Copies orgs in one transaction of the target, from one snapshot of the source; answers how much that was over all of them.
pub(super) async fn copy(
    plan: &Plan,
    source: &Store,
    target: &Store,
    cohort: &Cohort,
    first: First,
) -> Result<Copied, EngineError> {
    let from = source.session().await?;
    let to = target.session().await?;
    let reading = Doing::new(&plan.source, "reading the org");
    let keys = cohort.keys();
    let selects = prepare(&from, plan.tables.iter().map(|table| table.select.as_str()), reading).await?;
    let copies = prepare(&to, plan.tables.iter().map(|table| table.copy.as_str()), writing(plan)).await?;

    if first == First::Guard {
        enter(plan, &to, cohort).await?;
    }
    // The source gets everything to do at once, and works while the target makes ready.
    let snapshot = send(from.batch_execute(SNAPSHOT)).await;
    let mut results = Vec::with_capacity(selects.len());
    for select in &selects {
        results.push(send(from.query_raw(select, [keys])).await);
    }
    let end_of_snapshot = send(from.batch_execute("COMMIT")).await;

    if first == First::Snapshot {
        enter(plan, &to, cohort).await?;
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

    let (proven, ahead) =
        join(plan.references.prove(&to, plan, keys), sequences::keep_ahead(&to, plan, &outermost, FarBehind::Refuse))
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
    lease: &Lease,
    plan: impl FnOnce() -> F + Send,
) -> Result<(), EngineError>
where
    F: Future<Output = Result<Arc<Plan>, EngineError>> + Send,
{
    let doing = Doing::new(target.name(), "removing the copied rows");
    let failed = |error| doing.failed(error);
    let cohort = Cohort::one(lease);
    let mut to = target.session().await?;
    if !enter_to_discard(&to, &cohort, doing).await?.is_empty() {
        // Whoever makes a plan needs a connection: not while one is held, and with it the org's guard row.
        to.batch_execute("ROLLBACK").await.map_err(failed)?;
        to.release();
        let plan = plan().await?;
        to = target.session().await?;
        if !enter_to_discard(&to, &cohort, doing).await?.is_empty() {
            clear(&plan, &to, &cohort, doing).await?;
            forget_ranges(&to, &cohort, doing).await?;
        }
    }
    failpoint::hit("discard.before_commit");
    to.batch_execute("COMMIT").await.map_err(failed)?;
    failpoint::hit("discard.committed");
    to.release();
    Ok(())
}

/// Begins a transaction in which the copy is removed; answers as [`guard::enter`] does.
async fn enter_to_discard(to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<HashSet<String>, EngineError> {
    guard::prepare(to, doing).await?;
    let begun = send(to.batch_execute("BEGIN")).await;
    let incoming = guard::enter(to, cohort, Mode::Discarded, doing).await?;
    begun.answer().await.map_err(|error| doing.failed(error))?;
    Ok(incoming)
}

/// Nothing of an online copy is left to go on with. A store that saw only offline moves has no such table.
async fn forget_ranges(to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let found = to.query_one("SELECT to_regclass('mover.copy_range') IS NOT NULL", &[]).await.map_err(failed)?;
    if !found.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(());
    }
    let sql = include_str!("live/sql/ranges_remove.sql");
    to.execute(sql, &cohort.names()).await.map(drop).map_err(failed)
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

/// Begins the transaction on the target, takes the orgs' guard, and leaves no row of theirs there.
async fn enter(plan: &Plan, to: &Session, cohort: &Cohort) -> Result<(), EngineError> {
    let doing = writing(plan);
    let failed = |error| doing.failed(error);
    // What is prepared beforehand is sent at once, so it runs in this order.
    let occupied = to.prepared(&plan.occupied).await.map_err(failed)?;
    guard::prepare(to, doing).await?;
    let begun = send(to.batch_execute(plan.begin)).await;
    let entered = send(guard::enter(to, cohort, Mode::Incoming, doing)).await;
    let found = send(to.query_raw(&occupied, [cohort.keys()])).await;
    begun.answer().await.map_err(failed)?;
    let incoming = entered.answer().await?;
    let found: Vec<Row> = found.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    if found.is_empty() {
        return Ok(());
    }
    if let Some(tried_before) = cohort.only(|lease| incoming.contains(lease.key.as_str())) {
        clear(plan, to, &tried_before, doing).await?;
    }
    match cohort.only(|lease| !incoming.contains(lease.key.as_str())) {
        Some(untried) => refuse_foreign_rows(plan, to, &untried, doing).await,
        None => Ok(()),
    }
}

/// Rows that Mover did not bring are not replaced (P6).
pub(super) async fn refuse_foreign_rows(
    plan: &Plan,
    to: &Session,
    cohort: &Cohort,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let occupied = to.prepared(&plan.occupied).await.map_err(failed)?;
    let Some(row) = to.query(&occupied, &[&cohort.keys()]).await.map_err(failed)?.into_iter().next() else {
        return Ok(());
    };
    let unknown = || doing.refused("the store answered with a table that was not asked for");
    let table = plan.table_of(&row).map_err(failed)?.ok_or_else(unknown)?;
    let doing = doing.on(&table.label);
    let failed = |error| doing.failed(error);
    let sql = format!("SELECT o.number, count(*) {} GROUP BY o.number LIMIT 1", table.target.rows_by_org("1"));
    let Some(row) = to.query_opt(&sql, &[&cohort.keys()]).await.map_err(failed)? else { return Ok(()) };
    let (lease, rows) = (cohort.numbered(&row, 0, doing)?, row.try_get::<_, i64>(1).map_err(failed)?);
    let rows = if rows == 1 { "1 row".into() } else { format!("{rows} rows") };
    Err(doing.refused(format!(
        "the target already holds {rows} of org {} that Mover did not bring; remove them or leave this org out",
        lease.org
    )))
}

/// Removes the orgs' rows, children first.
pub(super) async fn clear(plan: &Plan, to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    for table in plan.tables.iter().rev() {
        let failed = |error| doing.on(&table.label).failed(error);
        let delete = to.prepared(&table.delete).await.map_err(failed)?;
        to.execute(&delete, &[&cohort.keys()]).await.map_err(failed)?;
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
