//! Single rows by their keys, in one store: counted, hashed, found through their parents. The same on both sides.

use std::collections::{BTreeMap, HashMap};

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::TableTally;
use mover_actors::ports::EngineError;
use mover_actors::protocol::RowKeys;
use mover_actors::protocol::store::Part;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::engine::live::arrays::Arrays;
use crate::engine::live::plan::{LivePlan, LiveSide, LiveTable};
use crate::engine::live::subtree::Branch;
use crate::engine::plan::SidePlan;
use crate::engine::schema::name::quote;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// One store's view of a plan.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) live: &'a LivePlan,
    pub(super) store: &'a StoreName,
    pub(super) session: &'a Session,
    pub(super) side: fn(&LiveTable) -> &LiveSide,
    pub(super) branch: fn(&Branch) -> &str,
}

impl<'a> View<'a> {
    fn doing(self, what: &'a str, table: usize) -> Doing<'a> {
        let doing = Doing::new(self.store, what);
        self.live.plan.tables.get(table).map_or(doing, |table| doing.on(&table.label))
    }

    fn arrays(self, keys: &RowKeys, table: usize) -> Arrays {
        Arrays::of(self.live.tables[table].key.len(), keys.of(table))
    }

    /// Counts and hashes rows, table by table. All requests are sent before the first is answered.
    pub(super) async fn tally(
        self,
        cohort: &Cohort,
        keys: &RowKeys,
    ) -> Result<BTreeMap<usize, TableTally>, EngineError> {
        let of_table = |table: usize| async move {
            let failed = |error| self.doing("comparing what was written", table).failed(error);
            let statement =
                self.session.prepared(&(self.side)(&self.live.tables[table]).tally).await.map_err(failed)?;
            let arrays = self.arrays(keys, table);
            let row = self.session.query_one(&statement, &arrays.after(cohort.keys())).await.map_err(failed)?;
            let tally = TableTally { rows: row.try_get(0).map_err(failed)?, hash: row.try_get(1).map_err(failed)? };
            Ok((table, tally))
        };
        Ok(try_join_all(keys.tables().map(of_table)).await?.into_iter().collect())
    }

    /// The hash of each row of one table, by its key.
    pub(super) async fn hashes(
        self,
        cohort: &Cohort,
        keys: &RowKeys,
        table: usize,
    ) -> Result<BTreeMap<String, i64>, EngineError> {
        let failed = |error| self.doing("comparing what was written", table).failed(error);
        let sql = &(self.side)(&self.live.tables[table]).hashes;
        let arrays = self.arrays(keys, table);
        let rows = self.session.query(sql, &arrays.after(cohort.keys())).await.map_err(failed)?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(failed)
    }

    /// What hangs on rows of a table: tables and keys.
    pub(super) async fn branches(
        self,
        table: usize,
        parents: &[Vec<String>],
    ) -> Result<Vec<(usize, Vec<String>)>, EngineError> {
        let arrays = Arrays::of(self.live.tables[table].key.len(), parents);
        let parameters: Vec<&(dyn ToSql + Sync)> = arrays.parameters().collect();
        let mut found = Vec::new();
        for branch in &self.live.tables[table].branches {
            let failed = |error| self.doing("looking for rows that hang on changed ones", branch.child).failed(error);
            let statement = self.session.prepared((self.branch)(branch)).await.map_err(failed)?;
            for row in self.session.query(&statement, &parameters).await.map_err(failed)? {
                let key = (0..row.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>();
                found.push((branch.child, key.map_err(failed)?));
            }
        }
        Ok(found)
    }

    /// Key and hash of each row of an org in one table whose key falls into a part.
    pub(super) async fn hashes_in(
        self,
        lease: &Lease,
        table: usize,
        side: &SidePlan,
        part: Part,
    ) -> Result<HashMap<String, i64>, EngineError> {
        let failed = |error| self.doing("looking for rows that differ", table).failed(error);
        let statement =
            self.session.prepared(&rows_of_part(side, &self.live.tables[table].key)).await.map_err(failed)?;
        let orgs = [lease.key.as_str()];
        let parameters: [&(dyn ToSql + Sync); 3] = [&orgs.as_slice(), &part.of, &part.number];
        let rows = self.session.query_raw(&statement, parameters).await.map_err(failed)?;
        let pair = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.and_then(|row| std::future::ready(pair(row))).try_collect().await.map_err(failed)
    }

    /// Runs statements about single rows for no rows at all, so that none is prepared or planned while writers wait.
    pub(super) async fn rehearse(self, table: usize, cohort: &Cohort, sql: &[&str]) -> Result<(), EngineError> {
        let failed = |error| self.doing("making ready for the switch", table).failed(error);
        let nothing = Arrays::of(self.live.tables[table].key.len(), []);
        let parameters = nothing.after(cohort.keys());
        let parameters = &parameters;
        let run = |sql| async move {
            let statement = self.session.prepared(sql).await?;
            run(self.session, &statement, parameters).await
        };
        try_join_all(sql.iter().copied().map(run)).await.map_err(failed)?;
        self.branches(table, &[]).await.map(drop)
    }
}

pub(super) async fn run(
    session: &Session,
    statement: &Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<(), tokio_postgres::Error> {
    let rows = session.query_raw(statement, parameters.iter().copied()).await?;
    rows.try_collect::<Vec<Row>>().await.map(drop)
}

/// Key and hash of each row of the org whose key falls into part `$3` of `$2`.
fn rows_of_part(side: &SidePlan, key: &[String]) -> String {
    let columns: Vec<String> = key.iter().map(|name| format!("t.{}::text", quote(name))).collect();
    let key = format!("ARRAY[{}]::text", columns.join(", "));
    format!("SELECT {key}, {} {} AND abs(hashtext({key})::int8) % $2::int8 = $3::int8", side.hash, side.rows)
}
