//! The pieces that a big org is copied in: ranges of big tables, and small tables whole.

use std::collections::BTreeMap;

use mover_actors::domain::record::Lease;
use mover_actors::ports::{Copied, EngineError};
use tokio_postgres::Row;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::plan::Plan;
use super::block::remove_ranges;
use super::limits::LiveLimits;
use super::plan::LivePlan;

/// Rows of one table whose keys are in a range.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) table: usize,
    pub(super) number: i32,
    /// Keys are greater than this.
    pub(super) above: Option<Vec<String>>,
    /// Keys are not greater than this.
    pub(super) upto: Option<Vec<String>>,
    pub(super) is_done: bool,
}

impl Piece {
    fn is_whole_table(&self) -> bool {
        self.above.is_none() && self.upto.is_none()
    }
}

/// The pieces that an earlier try has planned.
pub(super) async fn begun(live: &LivePlan, to: &Session, cohort: &Cohort) -> Result<Vec<Piece>, EngineError> {
    let doing = Doing::new(&live.plan.target, "looking how far the copy has come");
    let failed = |error| doing.failed(error);
    let statement = to.prepared(include_str!("sql/ranges.sql")).await.map_err(failed)?;
    let rows = to.query(&statement, &cohort.names()).await.map_err(failed)?;
    rows.iter().map(|row| piece_of(live, row, doing)).collect()
}

fn piece_of(live: &LivePlan, row: &Row, doing: Doing<'_>) -> Result<Piece, EngineError> {
    let failed = |error| doing.failed(error);
    let label: String = row.try_get(0).map_err(failed)?;
    let unknown =
        || doing.on(&label).refused("an earlier try has copied it, but the migration does not move it (any more)");
    Ok(Piece {
        table: live.number_of(&label).ok_or_else(unknown)?,
        number: row.try_get(1).map_err(failed)?,
        above: row.try_get(2).map_err(failed)?,
        upto: row.try_get(3).map_err(failed)?,
        is_done: row.try_get(4).map_err(failed)?,
    })
}

/// Cuts all tables, as the snapshot of `from` has them, and notes the pieces in the transaction of `to`.
pub(super) async fn plan(
    live: &LivePlan,
    from: &Session,
    to: &Session,
    lease: &Lease,
    limits: LiveLimits,
) -> Result<Vec<Piece>, EngineError> {
    let writing = Doing::new(&live.plan.target, "noting how the org is copied");
    remove_ranges(to, &Cohort::one(lease), writing).await?;
    let statement = to.prepared(include_str!("sql/range_add.sql")).await.map_err(|error| writing.failed(error))?;
    let mut pieces = Vec::new();
    for table in 0..live.tables.len() {
        let cut = cut(live, table, from, lease, limits).await?;
        let label = live.plan.tables[table].label.as_str();
        for piece in &cut {
            let (migration, key) = (lease.migration.as_str(), lease.key.as_str());
            to.execute(&statement, &[&migration, &key, &label, &piece.number, &piece.above, &piece.upto])
                .await
                .map_err(|error| writing.failed(error))?;
        }
        pieces.extend(cut);
    }
    Ok(pieces)
}

async fn cut(
    live: &LivePlan,
    table: usize,
    from: &Session,
    lease: &Lease,
    limits: LiveLimits,
) -> Result<Vec<Piece>, EngineError> {
    let (planned, ranging) = (&live.plan.tables[table], &live.tables[table].ranging);
    let doing = Doing::new(&live.plan.source, "cutting the org into ranges").on(&planned.label);
    let failed = |error| doing.failed(error);
    let count = format!("SELECT count(*) {}", planned.source.rows);
    let counted = from.query_one(&count, &[&[lease.key.as_str()].as_slice()]).await.map_err(failed)?;
    let rows: i64 = counted.try_get(0).map_err(failed)?;
    let mut ends = Vec::new();
    if rows > limits.range_rows {
        let rows_in_each = ranging.rows_in_each(rows, limits.range_rows);
        let found =
            from.query(&ranging.ends(&planned.source.rows), &[&[lease.key.as_str()].as_slice(), &rows_in_each]).await;
        for row in found.map_err(failed)? {
            let end = (0..row.len()).map(|index| row.try_get(index)).collect::<Result<Vec<String>, _>>();
            ends.push(end.map_err(failed)?);
        }
    }
    let above = std::iter::once(None).chain(ends.iter().cloned().map(Some));
    let upto = ends.iter().cloned().map(Some).chain([None]);
    let piece = |(number, (above, upto))| Piece { table, number, above, upto, is_done: false };
    Ok((0..).zip(above.zip(upto)).map(piece).collect())
}

/// What may be copied at the same time, group after group; each item is one transaction. Tables that others hang on come
/// in an earlier group.
pub(super) fn in_order(live: &LivePlan, pieces: Vec<Piece>) -> Vec<Vec<Vec<Piece>>> {
    let mut groups: BTreeMap<usize, (Vec<Piece>, Vec<Vec<Piece>>)> = BTreeMap::new();
    for piece in pieces {
        let (small, ranges) = groups.entry(live.tables[piece.table].depth).or_default();
        match piece.is_whole_table() {
            true => small.push(piece),
            false => ranges.push(vec![piece]),
        }
    }
    let jobs = |(small, mut ranges): (Vec<Piece>, Vec<Vec<Piece>>)| {
        if !small.is_empty() {
            ranges.insert(0, small);
        }
        ranges
    };
    groups.into_values().map(jobs).collect()
}

/// How much has been copied, by earlier tries too.
pub(super) async fn sum(plan: &Plan, to: &Session, lease: &Lease) -> Result<Copied, EngineError> {
    let doing = Doing::new(&plan.target, "counting what was copied");
    let failed = |error| doing.failed(error);
    let statement = to.prepared(include_str!("sql/ranges_sum.sql")).await.map_err(failed)?;
    let row = to.query_one(&statement, &[&lease.migration.as_str(), &lease.key.as_str()]).await.map_err(failed)?;
    Ok(Copied { rows: row.try_get(0).map_err(failed)?, bytes: row.try_get(1).map_err(failed)? })
}
