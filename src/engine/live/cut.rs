//! Cuts a large org into ranges of its keys.

use async_trait::async_trait;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{Ranges, Rows};
use mover_actors::protocol::{Piece, send};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::engine::live::plan::LivePlan;
use crate::engine::plan::union;
use crate::engine::rows::counting::Asked;
use crate::engine::rows::of_tables;
use crate::engine::rows::side::{Leaves, PlannedSession};
use crate::engine::store::error::Failed;

const READING: &str = "reading a range of the org";

#[async_trait]
impl Ranges for PlannedSession<LivePlan, Leaves> {
    async fn is_large(&self, lease: &Lease, rows: i64) -> Result<bool, EngineError> {
        let doing = self.doing("looking how big the org is");
        let failed = |error| doing.failed(error);
        let counted = self.plan().tables.iter().map(|table| table.source.rows());
        let counts = counted.map(|of_table| format!(", count(*) FROM (SELECT 1 {of_table} LIMIT $2::int8 + 1) AS s"));
        let statement = self.session.prepared(&union(counts)).await.map_err(failed)?;
        let orgs = [lease.key.as_str()];
        for row in self.session.query(&statement, &[&orgs.as_slice(), &rows]).await.map_err(failed)? {
            if row.try_get::<_, i64>(1).map_err(failed)? > rows {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn export(&self) -> Result<String, EngineError> {
        let failed = |error| self.doing("reading the org").failed(error);
        let row = self.session.query_one("SELECT pg_export_snapshot()", &[]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }

    async fn cut(&self, lease: &Lease, rows: i64) -> Result<Vec<Piece>, EngineError> {
        let mut pieces = Vec::new();
        for table in 0..self.live().tables.len() {
            let ends = self.ends(lease, table, rows).await?;
            let above = std::iter::once(None).chain(ends.iter().cloned().map(Some));
            let upto = ends.iter().cloned().map(Some).chain([None]);
            let piece = |(number, (above, upto))| Piece { table, number, above, upto, is_done: false };
            pieces.extend((0..).zip(above.zip(upto)).map(piece));
        }
        Ok(pieces)
    }

    async fn join_snapshot(&self, name: &str) -> Result<(), EngineError> {
        // The name comes from the store itself; the store would refuse a quote in it.
        let name = name.replace('\'', "''");
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{name}'");
        self.session.batch_execute(&begin).await.map_err(|error| {
            // The session that has exported it has ended, as when the store was started again: the copy takes another.
            let gone = [SqlState::INVALID_PARAMETER_VALUE, SqlState::UNDEFINED_OBJECT];
            let is_gone = error.code().is_some_and(|code| gone.contains(code));
            let failed = self.doing(READING).failed(error);
            EngineError { transient: failed.transient || is_gone, ..failed }
        })
    }

    async fn rows_in<'a>(&'a self, lease: &'a Lease, piece: &'a Piece) -> Result<Rows<'a>, EngineError> {
        let live = self.live();
        let planned = &live.plan.tables[piece.table];
        let condition = live.tables[piece.table].ranging.on_leaving(piece.above.is_some(), piece.upto.is_some());
        let statement = self.session.prepared(&format!("{}{condition}", planned.select)).await;
        let statement = statement.map_err(|error| self.doing(READING).on(&planned.label).failed(error))?;
        let request = async move {
            let orgs = [lease.key.as_str()];
            self.session.query_raw(&statement, parameters(&orgs.as_slice(), piece)).await
        };
        Ok(Box::pin(of_tables(&live.plan, vec![(piece.table, send(request).await)], (Asked::OfOne, READING))))
    }
}

impl PlannedSession<LivePlan, Leaves> {
    /// The keys at the ends of the ranges of one table; none if it has few rows.
    async fn ends(&self, lease: &Lease, table: usize, rows_wanted: i64) -> Result<Vec<Vec<String>>, EngineError> {
        let (planned, ranging) = (&self.plan().tables[table], &self.live().tables[table].ranging);
        let failed = |error| self.doing("cutting the org into ranges").on(&planned.label).failed(error);
        let orgs = [lease.key.as_str()];
        let count = format!("SELECT count(*) {}", planned.source.rows());
        let counted = self.session.query_one(&count, &[&orgs.as_slice()]).await.map_err(failed)?;
        let rows: i64 = counted.try_get(0).map_err(failed)?;
        let mut ends = Vec::new();
        if rows > rows_wanted {
            let rows_in_each = ranging.rows_in_each(rows, rows_wanted);
            let sql = ranging.ends(planned.source.rows());
            for row in self.session.query(&sql, &[&orgs.as_slice(), &rows_in_each]).await.map_err(failed)? {
                let end = (0..row.len()).map(|index| row.try_get(index)).collect::<Result<Vec<String>, _>>();
                ends.push(end.map_err(failed)?);
            }
        }
        Ok(ends)
    }
}

/// The org's key, and the ends of the range that are not open.
pub(super) fn parameters<'a>(orgs: &'a &'a [&'a str], piece: &'a Piece) -> Vec<&'a (dyn ToSql + Sync)> {
    let ends = piece.above.iter().chain(&piece.upto).flatten();
    std::iter::once(orgs as &(dyn ToSql + Sync)).chain(ends.map(|value| value as &(dyn ToSql + Sync))).collect()
}
