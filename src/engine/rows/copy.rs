//! All rows of orgs, read from a snapshot and written in one transaction: in the binary form in which they come, table by
//! table, in constant memory, whatever their number.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{join, try_join_all};
use futures_util::{StreamExt, TryStreamExt, stream};
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::TableTally;
use mover_actors::failpoint;
use mover_actors::ports::{Copied, EngineError};
use mover_actors::protocol::store::{
    Entered, Leaving, Prove, Reader, Receiver, Receiving, Rows, Seen, Since, Snapshotted,
};
use mover_actors::protocol::{Mode, send};
use tokio_postgres::Row;

use crate::engine::guard;
use crate::engine::plan::Plan;
use crate::engine::plan::passed_through;
use crate::engine::plan::sequences;
use crate::engine::plan::sizes;
use crate::engine::rows::counting::Asked;
use crate::engine::rows::side::{Leaves, Planned, PlannedSession, Receives, RouteEnd};
use crate::engine::rows::{Pour, of_tables};
use crate::engine::store::Store;
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

pub(in crate::engine) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const SEEN: &str = "SELECT pg_current_snapshot()::text";
const READING: &str = "reading the org";
const WRITING: &str = "writing the org";

#[async_trait]
impl<P: Planned> Leaving for RouteEnd<P, Leaves> {
    async fn must_be_movable(&self, cohort: &Cohort) -> Result<(), EngineError> {
        if let Some(hazard) = &self.side.plan().hazard {
            return Err(hazard.clone());
        }
        self.side.plan().keys.must_be_canonical(&self.side.store, cohort).await
    }

    async fn sizes(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, i64>, EngineError> {
        sizes::sizes(self.side.plan(), &self.side.store, cohort).await
    }

    async fn reader(&self) -> Result<Box<dyn Reader>, EngineError> {
        Ok(Box::new(self.open().await?))
    }
}

#[async_trait]
impl<P: Planned> Receiving for RouteEnd<P, Receives> {
    async fn receiver(&self) -> Result<Box<dyn Receiver>, EngineError> {
        Ok(Box::new(self.open().await?))
    }
}

#[async_trait]
impl<P: Planned> Reader for PlannedSession<P, Leaves> {
    async fn rows<'a>(&'a self, cohort: &'a Cohort) -> Result<Snapshotted<'a>, EngineError> {
        let (plan, doing) = (self.plan(), self.doing(READING));
        let failed = move |error| doing.failed(error);
        let statements = plan.tables.iter().map(|table| self.session.prepared(&table.select_by_org));
        let statements = try_join_all(statements).await.map_err(failed)?;
        let seen = self.session.prepared(SEEN).await.map_err(failed)?;
        let begun = send(self.session.batch_execute(SNAPSHOT)).await;
        let seen = async move { self.session.query_one(&seen, &[]).await };
        let seen = send(seen).await;
        let mut requests = Vec::with_capacity(statements.len());
        for (number, statement) in statements.into_iter().enumerate() {
            let request = async move { self.session.query_raw(&statement, [cohort.keys()]).await };
            requests.push((number, send(request).await));
        }
        let ended = send(self.session.batch_execute("COMMIT")).await;
        let seen = async move {
            begun.answer().await.map_err(failed)?;
            let row = seen.answer().await.map_err(failed)?;
            row.try_get(0).map(Seen).map_err(failed)
        };
        // It yields no row; its error ends the stream.
        let last = stream::once(async move { ended.answer().await.map_err(failed) });
        let last = last.map_ok(|()| stream::empty()).try_flatten();
        let rows = of_tables(plan, requests, (Asked::ByOrg(cohort), READING)).chain(last);
        Ok(Snapshotted { rows: Box::pin(rows), seen: Box::pin(seen) })
    }

    async fn tally_since(
        &self,
        cohort: &Cohort,
        seen: &Seen,
    ) -> Result<HashMap<OrgKey, BTreeMap<usize, Since>>, EngineError> {
        if self.plan().tables.iter().all(|table| table.hashed.is_none()) {
            return Ok(HashMap::new());
        }
        let doing = self.doing("looking for rows that were written since they were copied");
        let failed = |error| doing.failed(error);
        let statement = self.session.prepared(&self.plan().tally_since).await.map_err(failed)?;
        let nothing = |lease: &Lease| (lease.key.clone(), BTreeMap::new());
        let mut tallies: HashMap<_, _> = cohort.leases().iter().map(nothing).collect();
        for row in self.session.query(&statement, &[cohort.keys(), &seen.0]).await.map_err(failed)? {
            let (table, rows): (i32, i64) = (row.try_get(0).map_err(failed)?, row.try_get(2).map_err(failed)?);
            let (is_written, hash) = (row.try_get(3).map_err(failed)?, row.try_get(4).map_err(failed)?);
            let key = &cohort.numbered(&row, 1, doing)?.key;
            match (is_written, usize::try_from(table)) {
                (false, Ok(table)) => {
                    let since = match hash {
                        Some(hash) => Since::Tallied(TableTally { rows, hash }),
                        None => Since::Unwritten(rows),
                    };
                    tallies.entry(key.clone()).and_modify(|of_org| drop(of_org.insert(table, since)));
                }
                _ => drop(tallies.remove(key)),
            }
        }
        Ok(tallies)
    }
}

#[async_trait]
impl<P: Planned> Receiver for PlannedSession<P, Receives> {
    async fn enter(&self, cohort: &Cohort) -> Result<Entered, EngineError> {
        let (plan, doing) = (self.plan(), self.doing(WRITING));
        let failed = |error| doing.failed(error);
        // Statements that are prepared already are sent at once, so they run in this order.
        let occupied = self.session.prepared(&plan.occupied).await.map_err(failed)?;
        guard::prepare(&self.session, doing).await?;
        let begun = send(self.session.batch_execute(plan.begin)).await;
        let entered = send(guard::enter(&self.session, cohort, Mode::Incoming, doing)).await;
        let found = send(self.session.query_raw(&occupied, [cohort.keys()])).await;
        begun.answer().await.map_err(failed)?;
        let again = entered.answer().await?;
        let found: Vec<Row> = found.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
        Ok(Entered { again, has_rows: !found.is_empty() })
    }

    async fn clear(&self, cohort: &Cohort) -> Result<(), EngineError> {
        clear(self.plan(), &self.session, cohort, self.doing(WRITING)).await
    }

    async fn refuse_foreign(&self, cohort: &Cohort) -> Result<(), EngineError> {
        refuse_foreign_rows(self.plan(), &self.session, cohort, self.doing(WRITING)).await
    }

    async fn write(&self, rows: Rows<'_>) -> Result<Copied, EngineError> {
        let copies = self.prepare_copies(|_| true).await?;
        let (copied, by_table) =
            Pour::all(self.plan(), &self.session, &copies, &self.end.outermost, |_| false, rows).await?;
        self.keep_written(by_table);
        Ok(copied)
    }

    async fn prove(&self, cohort: &Cohort, prove: Prove) -> Result<(), EngineError> {
        let plan = self.plan();
        let references = async {
            match prove {
                Prove::All => {
                    plan.references.prove(&self.session, plan, cohort.keys()).await?;
                    passed_through::prove(&self.session, plan, cohort.keys(), &self.take_written()).await
                }
                Prove::OnlyContents => Ok(()),
            }
        };
        let outermost = self.take_outermost();
        let far_behind = self.side.terms.plan.far_behind();
        let (proven, ahead) =
            join(references, sequences::keep_ahead(&self.session, plan, &outermost, far_behind)).await;
        proven.and(ahead)
    }

    async fn commit(&self) -> Result<(), EngineError> {
        self.session.batch_execute("COMMIT").await.map_err(|error| self.doing(WRITING).failed(error))
    }

    async fn roll_back(&self) -> Result<(), EngineError> {
        self.session.batch_execute("ROLLBACK").await.map_err(|error| self.doing(WRITING).failed(error))
    }
}

/// Removes a copy, unless it is live. It needs a plan only if there are rows to remove: the way back must be open even if the
/// stores' schemas are not what they should be.
pub(in crate::engine) async fn discard<F>(
    target: &Store,
    cohort: &Cohort,
    plan: impl FnOnce() -> F + Send,
) -> Result<(), EngineError>
where
    F: Future<Output = Result<Arc<Plan>, EngineError>> + Send,
{
    let doing = Doing::new(target.name(), "removing the copied rows");
    let failed = |error| doing.failed(error);
    let mut to = target.session().await?;
    if !enter_to_discard(&to, cohort, doing).await?.is_empty() {
        // Making a plan takes a connection: not while we hold one, and with it the org's guard row.
        to.batch_execute("ROLLBACK").await.map_err(failed)?;
        to.release();
        let plan = plan().await?;
        to = target.session().await?;
        if !enter_to_discard(&to, cohort, doing).await?.is_empty() {
            clear(&plan, &to, cohort, doing).await?;
            forget_ranges(&to, cohort, doing).await?;
        }
    }
    failpoint::hit("discard.before_commit");
    to.batch_execute("COMMIT").await.map_err(failed)?;
    failpoint::hit("discard.committed");
    to.release();
    Ok(())
}

/// Begins a transaction in which the copy is removed; returns the same as [`guard::enter`].
async fn enter_to_discard(to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<HashSet<OrgKey>, EngineError> {
    guard::prepare(to, doing).await?;
    let begun = send(to.batch_execute("BEGIN")).await;
    let incoming = guard::enter(to, cohort, Mode::Discarded, doing).await?;
    begun.answer().await.map_err(|error| doing.failed(error))?;
    guard::drop_fences(to, cohort, doing).await?;
    Ok(incoming)
}

/// Removes the ranges of an online copy. A store that saw only offline moves has no such table.
async fn forget_ranges(to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let found = to.query_one("SELECT to_regclass('mover.copy_range') IS NOT NULL", &[]).await.map_err(failed)?;
    if !found.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(());
    }
    let sql = include_str!("../live/sql/ranges_remove.sql");
    to.execute(sql, &cohort.names()).await.map(drop).map_err(failed)
}

/// Rows that Mover did not write are not replaced (P6).
async fn refuse_foreign_rows(plan: &Plan, to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let occupied = to.prepared(&plan.occupied).await.map_err(failed)?;
    let Some(row) = to.query(&occupied, &[&cohort.keys()]).await.map_err(failed)?.into_iter().next() else {
        return Ok(());
    };
    let unknown = || doing.refused("the store answered with a table that was not asked for");
    let table = plan.table_of(&row).map_err(failed)?.ok_or_else(unknown)?;
    let doing = doing.on(&table.label);
    let failed = |error| doing.failed(error);
    let sql = format!("SELECT o.number, count(*) {} GROUP BY o.number LIMIT 1", table.target.by_org.of_each("1"));
    let Some(row) = to.query_opt(&sql, &[&cohort.keys()]).await.map_err(failed)? else { return Ok(()) };
    let (lease, rows) = (cohort.numbered(&row, 0, doing)?, row.try_get::<_, i64>(1).map_err(failed)?);
    let rows = if rows == 1 { "1 row".into() } else { format!("{rows} rows") };
    Err(doing.refused(format!(
        "the target already holds {rows} of org {} that Mover did not bring; remove them or leave this org out",
        lease.org
    )))
}

/// Removes the orgs' rows, children first.
async fn clear(plan: &Plan, to: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    for table in plan.tables.iter().rev() {
        let failed = |error| doing.on(&table.label).failed(error);
        let delete = to.prepared(&table.delete).await.map_err(failed)?;
        to.execute(&delete, &[&cohort.keys()]).await.map_err(failed)?;
    }
    Ok(())
}
