//! Brings single rows up to date in the receiving store.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::future::{join, try_join_all};
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::state::Way;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{Prove, Replace, Rows};
use mover_actors::protocol::{RowKeys, Standing, send};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::engine::live::arrays::Arrays;
use crate::engine::live::lock;
use crate::engine::live::plan::LivePlan;
use crate::engine::live::single_rows::run;
use crate::engine::live::standing::{self, FORGET_PIECES, LOCK_ROW, RAISE, RECEIVE};
use crate::engine::plan::sequences;
use crate::engine::rows::Pour;
use crate::engine::rows::side::{PlannedSession, Receives};
use crate::engine::store::cohort::Cohort;
use crate::engine::store::error::Failed;

const WRITING: &str = "carrying over what was written";
const REHEARSING: &str = "making ready for the switch";

impl PlannedSession<LivePlan, Receives> {
    async fn delete(&self, cohort: &Cohort, keys: &RowKeys) -> Result<(), EngineError> {
        let live = self.live();
        let doing = |number: usize| self.doing(WRITING).on(&live.plan.tables[number].label);
        let mut prepared = Vec::new();
        for number in keys.tables() {
            let table = &live.tables[number];
            let statement = self.session.prepared(&table.delete).await.map_err(|error| doing(number).failed(error))?;
            prepared.push((number, statement, Arrays::of(table.key.len(), keys.of(number))));
        }
        let mut sent = Vec::with_capacity(prepared.len());
        // Rows are found through their parents: children are removed first.
        for (number, statement, arrays) in prepared.into_iter().rev() {
            let delete = async move { self.session.execute(&statement, &arrays.after(cohort.keys())).await };
            sent.push((number, send(delete).await));
        }
        for (number, delete) in sent {
            delete.answer().await.map_err(|error| doing(number).failed(error))?;
        }
        Ok(())
    }

    async fn prove_foreign_keys(&self, cohort: &Cohort, keys: &RowKeys) -> Result<(), EngineError> {
        let live = self.live();
        let of_table = |number: usize| async move {
            let doing = self.doing("comparing what was written").on(&live.plan.tables[number].label);
            let failed = |error| doing.failed(error);
            let table = &live.tables[number];
            let Some(probe) = &table.orphans.probe else { return Ok(()) };
            let statement = self.session.prepared(probe).await.map_err(failed)?;
            let arrays = Arrays::of(table.key.len(), keys.of(number));
            let broken = self.session.query_raw(&statement, arrays.after(cohort.keys())).await.map_err(failed)?;
            let broken: Vec<Row> = broken.try_collect().await.map_err(failed)?;
            broken.first().map_or(Ok(()), |row| Err(table.orphans.accuse(row, doing)))
        };
        try_join_all(keys.tables().map(of_table)).await.map(drop)
    }
}

/// A row that went from one moving org to another conflicts with its copy until the other org has removed that.
fn is_taken(error: &tokio_postgres::Error) -> bool {
    const TAKEN: [SqlState; 2] = [SqlState::UNIQUE_VIOLATION, SqlState::EXCLUSION_VIOLATION];
    error.code().is_some_and(|code| TAKEN.contains(code))
}

#[async_trait]
impl Replace for PlannedSession<LivePlan, Receives> {
    async fn hold(&self, cohort: &Cohort, idle: Option<Duration>) -> Result<HashMap<OrgKey, Standing>, EngineError> {
        let doing = self.doing(WRITING);
        self.session.prepared(LOCK_ROW).await.map_err(|error| doing.failed(error))?;
        let begin = match idle {
            None => "BEGIN".into(),
            Some(idle) => format!("BEGIN; SET LOCAL idle_in_transaction_session_timeout = {}", idle.as_millis()),
        };
        let begun = send(self.session.batch_execute(&begin)).await;
        let found = standing::read(&self.session, LOCK_ROW, cohort, doing).await?;
        begun.answer().await.map_err(|error| doing.failed(error))?;
        Ok(found)
    }

    async fn replace(&self, cohort: &Cohort, keys: &RowKeys, rows: Rows<'_>) -> Result<(), EngineError> {
        let wanted: HashSet<usize> = keys.tables().collect();
        let copies = self.prepare_copies(|number| wanted.contains(&number)).await?;
        self.delete(cohort, keys).await?;
        // In a cohort the removals come first: what one org removes must not wait for what others insert.
        let passes = if cohort.single().is_some() { is_taken } else { |_: &_| false };
        Pour::all(self.plan(), &self.session, &copies, &self.end.outermost, passes, rows).await.map(drop)
    }

    async fn prove_rows(&self, cohort: &Cohort, keys: &RowKeys, prove: Prove) -> Result<(), EngineError> {
        let outermost = self.take_outermost();
        let proven = async {
            match prove {
                Prove::All => self.prove_foreign_keys(cohort, keys).await,
                Prove::OnlyContents => Ok(()),
            }
        };
        let far_behind = self.live().far_behind();
        let ahead = sequences::keep_ahead(&self.session, self.plan(), &outermost, far_behind);
        let (proven, ahead) = join(proven, ahead).await;
        proven.and(ahead)
    }

    async fn raise(&self, cohort: &Cohort) -> Result<(), EngineError> {
        standing::raise(&self.session, cohort, self.doing(WRITING)).await
    }

    async fn receive(&self, cohort: &Cohort, way: Way, is_open: bool) -> Result<(), EngineError> {
        let doing = self.doing("making the org live here");
        if !is_open {
            self.session.batch_execute("BEGIN").await.map_err(|error| doing.failed(error))?;
        }
        standing::receive(&self.session, cohort, way, doing).await
    }

    async fn rehearse(&self, cohort: &Cohort, wait: Duration) -> Result<(), EngineError> {
        let doing = self.doing(REHEARSING);
        let failed = |error| doing.failed(error);
        let statements = [LOCK_ROW, RAISE, RECEIVE, FORGET_PIECES].map(|sql| self.session.prepared(sql));
        try_join_all(statements).await.map_err(failed)?;
        self.prepare_copies(|_| true).await?;
        let of_tables = self.live().tables.iter().enumerate().map(|(number, table)| async move {
            let mut asked = vec![table.delete.as_str(), table.receiving.tally.as_str()];
            asked.extend(table.orphans.probe.as_deref());
            self.rehearse_rows(number, cohort, &asked).await
        });
        try_join_all(of_tables).await?;
        if !self.plan().sequences.is_empty() {
            let statement = self.session.prepared(&self.plan().sequences_stand).await.map_err(failed)?;
            run(&self.session, &statement, &[]).await.map_err(failed)?;
        }
        lock::wait_at_most(&self.session, wait, doing).await
    }

    async fn reset_timeouts(&self) -> Result<(), EngineError> {
        lock::reset_timeouts(&self.session, self.doing("leaving the switch")).await
    }
}
