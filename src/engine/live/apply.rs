//! Bringing rows to their present state in the receiving store, and proving that they are.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use futures_util::future::{join, try_join_all};
use mover_actors::domain::verified::TableTally;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::copy::Pour;
use super::super::error::{Doing, shortened};
use super::super::pipeline::send;
use super::super::sequences;
use super::keys::Keys;
use super::lost;
use super::plan::LivePlan;
use super::subtree;
use super::work::{Prove, Work};

/// So many rows that differ are named.
const NAMED_MAX: usize = 5;

/// Replaces all rows with these keys, and rows that hang on them, by what the snapshot has: `from` is inside of it, and `to`
/// inside of a transaction that holds the orgs' guard rows. All keys of a snapshot at once: a part of them could break
/// unique constraints.
pub(super) async fn apply(
    live: &LivePlan,
    from: &Session,
    to: &Session,
    cohort: &Cohort,
    keys: &mut Keys,
    prove: Prove,
) -> Result<(), EngineError> {
    subtree::grow(live, from, to, keys).await?;
    let work: Vec<Work<'_>> = keys.tables().map(|number| Work::new(live, number, keys.of(number))).collect();
    let reading = Doing::new(&live.plan.source, "reading what was written");
    let writing = Doing::new(&live.plan.target, "carrying over what was written");
    let prepared = try_join_all(work.iter().map(|work| work.prepare(from, to, prove))).await?;
    let orgs = cohort.keys();
    for work in &work {
        lost::refuse_rows(live, work.table, work.label, from, &work.parameters(&orgs)).await?;
    }

    // Both stores get all they can do at once; answers are taken in the order of the requests.
    let parameters: Vec<_> = work.iter().map(|work| work.parameters(&orgs)).collect();
    let mut selects = Vec::with_capacity(work.len());
    for (prepared, parameters) in prepared.iter().zip(&parameters) {
        selects.push(send(from.query_raw(&prepared.select, parameters.iter().copied())).await);
    }
    let mut tallies = Vec::with_capacity(work.len());
    for (prepared, parameters) in prepared.iter().zip(&parameters) {
        tallies.push(send(from.query_one(&prepared.leaving, parameters)).await);
    }
    let mut deletes = Vec::with_capacity(work.len());
    // Rows are found through their parents: children go first.
    for ((prepared, parameters), work) in prepared.iter().zip(&parameters).zip(&work).rev() {
        deletes.push((work.label, send(to.execute(&prepared.delete, parameters)).await));
    }
    for (label, delete) in deletes {
        delete.answer().await.map_err(|error| writing.on(label).failed(error))?;
    }
    let mut pour = Pour::new(&live.plan, to);
    for ((work, select), prepared) in work.iter().zip(selects).zip(&prepared) {
        let rows = select.answer().await.map_err(|error| reading.on(work.label).failed(error))?;
        pour.table(&live.plan.tables[work.number], rows, &prepared.copy).await?;
    }
    let (_, outermost) = pour.end().await?;

    let proven = async {
        let mut found = Vec::with_capacity(work.len());
        for (prepared, parameters) in prepared.iter().zip(&parameters) {
            let tally = send(to.query_one(&prepared.receiving, parameters)).await;
            let orphans = match &prepared.orphans {
                Some(orphans) => Some(send(to.query_raw(orphans, parameters.iter().copied())).await),
                None => None,
            };
            found.push((tally, orphans));
        }
        for (((tally, orphans), leaving), work) in found.into_iter().zip(tallies).zip(&work) {
            let (reading, writing) = (reading.on(work.label), writing.on(work.label));
            let here =
                leaving.answer().await.and_then(|row| tally_of(&row, 0)).map_err(|error| reading.failed(error))?;
            let there =
                tally.answer().await.and_then(|row| tally_of(&row, 0)).map_err(|error| writing.failed(error))?;
            if here != there {
                return Err(unlike(work, from, to, &orgs, (reading, writing)).await?);
            }
            if let Some(orphans) = orphans {
                let failed = |error| writing.failed(error);
                let broken: Vec<Row> = orphans.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
                if let Some(row) = broken.first() {
                    return Err(work.table.orphans.accuse(row, writing));
                }
            }
        }
        Ok(())
    };
    let (proven, ahead) = join(proven, sequences::keep_ahead(to, &live.plan, &outermost, live.far_behind())).await;
    proven.and(ahead)
}

/// Counts and hashes the rows with these keys: in the leaving store, and in the receiving one.
pub(super) async fn tally(
    live: &LivePlan,
    from: &Session,
    to: &Session,
    cohort: &Cohort,
    keys: &Keys,
) -> Result<BTreeMap<usize, (TableTally, TableTally)>, EngineError> {
    let orgs = cohort.keys();
    let mut tallies = BTreeMap::new();
    for number in keys.tables() {
        let work = Work::new(live, number, keys.of(number));
        let parameters = work.parameters(&orgs);
        let here = tally_one(from, &work.table.leaving.tally, &parameters, work.doing(&live.plan.source));
        let there = tally_one(to, &work.table.receiving.tally, &parameters, work.doing(&live.plan.target));
        tallies.insert(number, futures_util::try_join!(here, there)?);
    }
    Ok(tallies)
}

async fn tally_one(
    session: &Session,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    doing: Doing<'_>,
) -> Result<TableTally, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    session.query_one(&statement, parameters).await.and_then(|row| tally_of(&row, 0)).map_err(failed)
}

/// A count and a sum of hashes, from two columns.
fn tally_of(row: &Row, first: usize) -> Result<TableTally, tokio_postgres::Error> {
    Ok(TableTally { rows: row.try_get(first)?, hash: row.try_get(first + 1)? })
}

/// The error for rows that are not alike after they were carried over.
async fn unlike(
    work: &Work<'_>,
    from: &Session,
    to: &Session,
    orgs: &&[String],
    (reading, writing): (Doing<'_>, Doing<'_>),
) -> Result<EngineError, EngineError> {
    let here = hashes(from, &work.table.leaving.hashes, &work.parameters(orgs), reading).await?;
    let there = hashes(to, &work.table.receiving.hashes, &work.parameters(orgs), writing).await?;
    let unlike = here.iter().filter(|(key, hash)| there.get(*key) != Some(hash)).map(|(key, _)| key);
    let surplus = there.keys().filter(|key| !here.contains_key(*key));
    let named: Vec<String> = unlike.chain(surplus).take(NAMED_MAX).cloned().collect();
    let columns = work.table.key.join(", ");
    let rows = shortened(&format!("({columns})={}", named.join(", ")));
    let mut error = writing.refused(format!("rows differ after they were carried over: {rows}"));
    error.place.row = Some(rows);
    Ok(error)
}

async fn hashes(
    session: &Session,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
    doing: Doing<'_>,
) -> Result<BTreeMap<String, i64>, EngineError> {
    let failed = |error| doing.failed(error);
    let rows = session.query(sql, parameters).await.map_err(failed)?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(failed)
}
