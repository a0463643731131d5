//! Single rows by their keys, in a store on either side: counts, hashes, and lookups through parents.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::TableTally;
use mover_actors::ports::EngineError;
use mover_actors::protocol::RowKeys;
use mover_actors::protocol::store::{Part, SingleRows};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::engine::live::arrays::Arrays;
use crate::engine::live::plan::LivePlan;
use crate::engine::plan::SidePlan;
use crate::engine::rows::side::{End, PlannedSession};
use crate::engine::schema::name::quote;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const COMPARING: &str = "comparing what was written";

impl<E: End> PlannedSession<LivePlan, E> {
    pub(super) fn live(&self) -> &LivePlan {
        &self.side.terms.plan
    }

    fn doing_on<'a>(&'a self, what: &'a str, table: usize) -> Doing<'a> {
        self.doing(what).on(&self.live().plan.tables[table].label)
    }

    /// Runs statements about single rows for no rows at all, so that none is prepared or planned while writers wait.
    pub(super) async fn rehearse_rows(&self, table: usize, cohort: &Cohort, sql: &[&str]) -> Result<(), EngineError> {
        let failed = |error| self.doing_on("making ready for the switch", table).failed(error);
        let nothing = Arrays::of(self.live().tables[table].key.len(), []);
        let parameters = &nothing.after(cohort.keys());
        let run = |sql| async move {
            let statement = self.session.prepared(sql).await?;
            run(&self.session, &statement, parameters).await
        };
        try_join_all(sql.iter().copied().map(run)).await.map_err(failed)?;
        self.branches_of(table, &[]).await.map(drop)
    }
}

#[async_trait]
impl<E: End> SingleRows for PlannedSession<LivePlan, E> {
    async fn tally_of(&self, cohort: &Cohort, keys: &RowKeys) -> Result<BTreeMap<usize, TableTally>, EngineError> {
        let of_table = |number: usize| async move {
            let failed = |error| self.doing_on(COMPARING, number).failed(error);
            let table = &self.live().tables[number];
            let statement = self.session.prepared(&E::live_table(table).tally).await.map_err(failed)?;
            let arrays = Arrays::of(table.key.len(), keys.of(number));
            let row = self.session.query_one(&statement, &arrays.after(cohort.keys())).await.map_err(failed)?;
            let tally = TableTally { rows: row.try_get(0).map_err(failed)?, hash: row.try_get(1).map_err(failed)? };
            Ok((number, tally))
        };
        // All requests are sent before the first is answered.
        Ok(try_join_all(keys.tables().map(of_table)).await?.into_iter().collect())
    }

    async fn hashes_of(
        &self,
        cohort: &Cohort,
        keys: &RowKeys,
        table: usize,
    ) -> Result<BTreeMap<String, i64>, EngineError> {
        let failed = |error| self.doing_on(COMPARING, table).failed(error);
        let planned = &self.live().tables[table];
        let arrays = Arrays::of(planned.key.len(), keys.of(table));
        let sql = &E::live_table(planned).hashes;
        let rows = self.session.query(sql, &arrays.after(cohort.keys())).await.map_err(failed)?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(failed)
    }

    async fn branches_of(
        &self,
        table: usize,
        parents: &[Vec<String>],
    ) -> Result<Vec<(usize, Vec<String>)>, EngineError> {
        let planned = &self.live().tables[table];
        let arrays = Arrays::of(planned.key.len(), parents);
        let parameters: Vec<&(dyn ToSql + Sync)> = arrays.parameters().collect();
        let mut found = Vec::new();
        for branch in &planned.branches {
            let failed =
                |error| self.doing_on("looking for rows that hang on changed ones", branch.child).failed(error);
            let statement = self.session.prepared(E::branch(branch)).await.map_err(failed)?;
            for row in self.session.query(&statement, &parameters).await.map_err(failed)? {
                let key = (0..row.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>();
                found.push((branch.child, key.map_err(failed)?));
            }
        }
        Ok(found)
    }

    async fn hashes_in(&self, lease: &Lease, table: usize, part: Part) -> Result<HashMap<String, i64>, EngineError> {
        let failed = |error| self.doing_on("looking for rows that differ", table).failed(error);
        let live = self.live();
        let sql = rows_of_part(E::table(&live.plan.tables[table]), &live.tables[table].key);
        let statement = self.session.prepared(&sql).await.map_err(failed)?;
        let orgs = [lease.key.as_str()];
        let parameters: [&(dyn ToSql + Sync); 3] = [&orgs.as_slice(), &part.of, &part.number];
        let rows = self.session.query_raw(&statement, parameters).await.map_err(failed)?;
        let pair = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.and_then(|row| std::future::ready(pair(row))).try_collect().await.map_err(failed)
    }
}

/// Runs a statement and ignores its result.
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
    format!("SELECT {key}, {} {} AND abs(hashtext({key})::int8) % $2::int8 = $3::int8", side.hash, side.rows())
}
