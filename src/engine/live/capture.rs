//! What the triggers of the leaving store have logged, and the rows in question.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{Capture, Logged, Rows, Seen, Snapshot};
use mover_actors::protocol::{RowKeys, send};
use tokio_postgres::types::ToSql;

use crate::engine::live::arrays::Arrays;
use crate::engine::live::lost;
use crate::engine::live::plan::LivePlan;
use crate::engine::live::standing::standing;
use crate::engine::rows::copy::SNAPSHOT;
use crate::engine::rows::counting::Asked;
use crate::engine::rows::of_tables;
use crate::engine::rows::side::{Leaves, PlannedSession};
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::error::{Doing, Failed};

const STANDING: &str = include_str!("sql/snapshot.sql");
const ENTRIES: &str = include_str!("sql/entries.sql");
const FORGET: &str = include_str!("sql/forget.sql");
/// The statements that run while writers wait.
pub(super) const STATEMENTS: [&str; 3] = [STANDING, ENTRIES, FORGET];

const READING: &str = "reading what was written";
/// The snapshot lives until the ranges are copied, which may take hours.
const LONG_SNAPSHOT: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

impl PlannedSession<LivePlan, Leaves> {
    /// A logged key, checked against the plan.
    fn logged_key(&self, label: &str, key: &[String], doing: Doing<'_>) -> Result<usize, EngineError> {
        let unknown = || {
            doing.on(label).refused("writes to this table were logged, but the migration does not move it (any more)")
        };
        let number = self.live().number_of(label).ok_or_else(unknown)?;
        let expected = self.live().tables[number].key.len();
        if key.len() == expected {
            return Ok(number);
        }
        Err(doing.on(label).refused(format!(
            "a logged key has {} columns, and the primary key {expected}: it was changed while the org is being moved",
            key.len()
        )))
    }
}

#[async_trait]
impl Capture for PlannedSession<LivePlan, Leaves> {
    async fn log(&self, cohort: &Cohort, snapshot: Snapshot) -> Result<Logged, EngineError> {
        let doing = self.doing(READING);
        let failed = |error| doing.failed(error);
        let begin = match snapshot {
            Snapshot::Short => SNAPSHOT,
            Snapshot::Long => LONG_SNAPSHOT,
        };
        let found = self.session.prepared(STANDING).await.map_err(failed)?;
        let entries = self.session.prepared(ENTRIES).await.map_err(failed)?;
        let begun = send(self.session.batch_execute(begin)).await;
        let found = send(self.session.query_raw(&found, cohort.names())).await;
        let entries = send(self.session.query_raw(&entries, cohort.names())).await;
        begun.answer().await.map_err(failed)?;
        let found: Vec<_> = found.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
        let standings = found.iter().map(|row| standing(row, cohort, doing)).collect::<Result<_, _>>()?;
        let seen = found.first().map(|row| row.try_get("snapshot")).transpose().map_err(failed)?;
        let mut by_org = BTreeMap::new();
        let mut entries = std::pin::pin!(entries.answer().await.map_err(failed)?);
        while let Some(row) = entries.try_next().await.map_err(failed)? {
            let (label, key): (String, Vec<String>) =
                (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
            let number = self.logged_key(&label, &key, doing)?;
            let keys = by_org
                .entry(cohort.keyed(&row, 0, doing)?.key.clone())
                .or_insert_with(|| RowKeys::none(self.live().tables.len()));
            keys.add(number, key, row.try_get(3).map_err(failed)?);
        }
        Ok(Logged { standings, by_org, seen: Seen(seen.unwrap_or_default()) })
    }

    async fn end_snapshot(&self) -> Result<(), EngineError> {
        self.session.batch_execute("COMMIT").await.map_err(|error| self.doing(READING).failed(error))
    }

    async fn rows_of<'a>(&'a self, cohort: &'a Cohort, keys: &'a RowKeys) -> Result<Rows<'a>, EngineError> {
        let live = self.live();
        let mut statements = Vec::new();
        for number in keys.tables() {
            let failed = |error| self.doing(READING).on(&live.plan.tables[number].label).failed(error);
            let table = &live.tables[number];
            let statement = self.session.prepared(&table.select).await.map_err(failed)?;
            statements.push((number, statement, Arrays::of(table.key.len(), keys.of(number))));
        }
        let mut requests = Vec::with_capacity(statements.len());
        for (number, statement, arrays) in statements {
            let request = async move {
                let parameters = arrays.after(cohort.keys());
                self.session.query_raw(&statement, parameters).await
            };
            requests.push((number, send(request).await));
        }
        Ok(Box::pin(of_tables(&live.plan, requests, (Asked::Any, READING))))
    }

    async fn note(&self, lease: &Lease, table: usize, keys: &[String]) -> Result<(), EngineError> {
        let label = self.live().plan.tables[table].label.as_str();
        let failed = |error| self.doing("looking for rows that differ").on(label).failed(error);
        let statement = self.session.prepared(include_str!("sql/log_keys.sql")).await.map_err(failed)?;
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&lease.migration.as_str(), &lease.key.as_str(), &label, &keys, &lease.epoch.0];
        self.session.execute(&statement, &parameters).await.map(drop).map_err(failed)
    }

    async fn refuse_lost(&self, cohort: &Cohort, keys: Option<&RowKeys>) -> Result<(), EngineError> {
        lost::refuse(self.live(), &self.session, cohort, keys).await
    }

    async fn forget(&self, cohort: &Cohort, seen: &Seen) -> Result<i64, EngineError> {
        let doing = self.doing("forgetting what was carried over");
        let failed = |error| doing.failed(error);
        let statement = self.session.prepared(FORGET).await.map_err(failed)?;
        let [migration, keys, epochs] = cohort.parameters();
        let row = self.session.query_one(&statement, &[migration, keys, epochs, &seen.0]).await.map_err(failed)?;
        row.try_get(0).map_err(failed)
    }
}
