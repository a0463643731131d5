//! The switch in the leaving store.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{Gate, Hold, Seen};
use mover_actors::protocol::{Mode, Standing, send};
use tokio_postgres::error::SqlState;

use crate::engine::live::capture::STATEMENTS;
use crate::engine::live::plan::LivePlan;
use crate::engine::live::standing::{self, why_refused};
use crate::engine::live::{lock, lost};
use crate::engine::rows::side::{Leaves, PlannedSession};
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::error::{Doing, Failed};

const MOVED: &str = include_str!("sql/moved.sql");
const REHEARSING: &str = "making ready for the switch";
const WAITING: &str = "waiting for the lock that keeps writers out";

#[async_trait]
impl Gate for PlannedSession<LivePlan, Leaves> {
    async fn rehearse(&self, cohort: &Cohort, wait: Duration) -> Result<(), EngineError> {
        let doing = self.doing(REHEARSING);
        let statements = STATEMENTS.into_iter().chain([MOVED]).map(|sql| self.session.prepared(sql));
        try_join_all(statements).await.map_err(|error| doing.failed(error))?;
        lock::prepare(&self.session, doing).await?;
        let of_tables = self.live().tables.iter().enumerate().map(|(number, table)| async move {
            let mut asked = vec![table.select.as_str(), table.leaving.tally.as_str()];
            asked.extend(lost::asked_of(table));
            self.rehearse_rows(number, cohort, &asked).await
        });
        try_join_all(of_tables).await?;
        lock::wait_at_most(&self.session, wait, doing).await
    }

    async fn try_lock(&self, lease: &Lease, hold: Hold) -> Result<bool, EngineError> {
        lock::try_lock(&self.session, lease, hold, self.doing(WAITING)).await
    }

    async fn lock_free(&self, cohort: &Cohort, hold: Hold) -> Result<HashSet<OrgKey>, EngineError> {
        lock::lock_free(&self.session, cohort, hold, self.doing(WAITING)).await
    }

    async fn lock_refusal(&self, lease: &Lease, waited: Duration) -> Result<EngineError, EngineError> {
        lock::lock_refusal(&self.session, lease, self.doing(WAITING), waited).await
    }

    async fn move_away(&self, cohort: &Cohort, seen: &Seen, has_snapshot: bool) -> Result<(), EngineError> {
        let doing = self.doing("moving the org away");
        let failed = |error| doing.failed(error);
        let statement = self.session.prepared(MOVED).await.map_err(failed)?;
        let ended = match has_snapshot {
            true => Some(send(self.session.batch_execute("COMMIT")).await),
            false => None,
        };
        let [migration, keys, epochs] = cohort.parameters();
        let parameters = [migration, keys, epochs, &seen.0];
        let moved = send(self.session.query_one(&statement, &parameters)).await;
        if let Some(ended) = ended {
            ended.answer().await.map_err(failed)?;
        }
        match moved.answer().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => {
                Err(self.not_moved(cohort, doing).await?)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn unlock(&self, cohort: &Cohort) -> Result<(), EngineError> {
        lock::unlock(&self.session, cohort, self.doing("letting writers go on")).await
    }

    async fn reset_timeouts(&self) -> Result<(), EngineError> {
        lock::reset_timeouts(&self.session, self.doing("letting writers go on")).await
    }
}

impl PlannedSession<LivePlan, Leaves> {
    /// Why the orgs were not moved away.
    async fn not_moved(&self, cohort: &Cohort, doing: Doing<'_>) -> Result<EngineError, EngineError> {
        let found = standing::read(&self.session, standing::READ, cohort, doing).await?;
        for lease in cohort.leases() {
            let is_ours = |found: &Standing| found.mode == Mode::Capturing && found.epoch == lease.epoch;
            if !found.get(&lease.key).is_some_and(is_ours) {
                return why_refused(&self.session, lease, doing).await;
            }
        }
        Ok(doing.refused("something was logged although all writers wait: a trigger does not take the lock"))
    }
}
