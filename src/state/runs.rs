//! Runs of runbooks: which steps were begun and how they ended, so that a run that was killed continues where it was.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::SystemTime;

use deadpool_postgres::{ClientWrapper, Object};
use mover_actors::domain::ids::CampaignId;
use tokio_postgres::types::Json;

use super::decode::Columns;
use super::query::only;
use super::{PgMoveLog, StateError, TokenHash};

const DOING: &str = "keeping the journal of a runbook";
const RECENT: i64 = 20;

/// A run of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// The title of the runbook.
    pub title: String,
    /// The file, as it was named.
    pub file: String,
    /// The text of the file when the run began.
    pub source: String,
    /// The values of its variables.
    pub variables: BTreeMap<String, String>,
    /// The user who began it.
    pub begun_by: String,
    /// When it was begun.
    pub begun_at: SystemTime,
    /// When all its steps were done.
    pub done_at: Option<SystemTime>,
    /// When all steps of its rollback were done.
    pub undone_at: Option<SystemTime>,
}

impl Run {
    /// Whether it has steps left, and was not rolled back.
    pub fn is_unfinished(&self) -> bool {
        self.done_at.is_none() && self.undone_at.is_none()
    }
}

/// One step of a run; `rollback`: a step of the section `## Rollback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepKey {
    /// The run.
    pub run: i64,
    /// Whether it is a step of the rollback.
    pub rollback: bool,
    /// 1 is the first.
    pub number: i32,
}

/// The state of a step.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepState {
    /// It was begun, and has no end.
    Begun,
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
    /// A user decided to skip it.
    Skipped,
}

impl StepState {
    /// The name in tables and JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A step as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEntry {
    /// 1 is the first.
    pub number: i32,
    /// Its state.
    pub state: StepState,
    /// The campaign that it opened.
    pub campaign: Option<CampaignId>,
    /// The command that it gave, if it came over the network.
    pub command: Option<i64>,
    /// Its output, or why it was skipped.
    pub told: String,
    /// The user who did it.
    pub actor: String,
    /// When it was last begun.
    pub begun_at: SystemTime,
    /// When it ended.
    pub ended_at: Option<SystemTime>,
}

/// While it lives, no other process can run a runbook with this title. It ends with its connection.
pub struct RunLock(ClientWrapper);

impl RunLock {
    /// Whether the connection has ended, and with it the lock.
    pub fn is_lost(&self) -> bool {
        self.0.is_closed()
    }

    /// Releases it at once; otherwise it is released a moment after its connection ends.
    pub async fn unlock(&self) -> Result<(), StateError> {
        let unlocked = self.0.batch_execute("SELECT pg_advisory_unlock_all()").await;
        unlocked.map_err(|error| StateError::postgres(DOING, &error))
    }
}

impl PgMoveLog {
    /// Locks a runbook for this process; `None` if another process has it.
    pub async fn lock_runbook(&self, title: &str) -> Result<Option<RunLock>, StateError> {
        let client = Object::take(self.client(DOING).await?);
        let row = client
            .query_one("SELECT pg_try_advisory_lock(1297044073, hashtext($1))", &[&title])
            .await
            .map_err(|error| StateError::postgres(DOING, &error))?;
        let is_ours: bool = row.try_get(0).map_err(|error| StateError::postgres(DOING, &error))?;
        Ok(is_ours.then_some(RunLock(client)))
    }

    /// A new run.
    pub async fn open_run(
        &self,
        title: &str,
        file: &str,
        source: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Run, StateError> {
        let rows = self
            .query(DOING, include_str!("sql/run_open.sql"), &[&title, &file, &source, &Json(variables), &self.actor])
            .await?;
        run(&Columns::new(DOING, &only(DOING, rows)?))
    }

    /// Records the owner of a run: the hash of a secret. `again`: it was the owner before; false if there was another one
    /// since.
    pub async fn hold_run(&self, run: i64, holder: &TokenHash, again: bool) -> Result<bool, StateError> {
        Ok(self.execute(DOING, include_str!("sql/run_hold.sql"), &[&run, &holder.as_slice(), &again]).await? > 0)
    }

    /// The run of that number.
    pub async fn run(&self, id: i64) -> Result<Option<Run>, StateError> {
        let rows = self.query(DOING, include_str!("sql/run_load.sql"), &[&id]).await?;
        rows.first().map(|row| run(&Columns::new(DOING, row))).transpose()
    }

    /// The latest runs, newest first; only those of a title, if it is given.
    pub async fn recent_runs(&self, title: Option<&str>) -> Result<Vec<Run>, StateError> {
        let rows = self.query(DOING, include_str!("sql/run_recent.sql"), &[&title, &RECENT]).await?;
        rows.iter().map(|row| run(&Columns::new(DOING, row))).collect()
    }

    /// The run with the latest activity.
    pub async fn active_run(&self) -> Result<Option<Run>, StateError> {
        let rows = self.query(DOING, include_str!("sql/run_active.sql"), &[]).await?;
        rows.first().map(|row| run(&Columns::new(DOING, row))).transpose()
    }

    /// Records that all steps of one direction are done.
    pub async fn end_run(&self, run: i64, rollback: bool) -> Result<(), StateError> {
        self.execute(DOING, include_str!("sql/run_end.sql"), &[&run, &rollback]).await.map(drop)
    }

    /// The steps that were begun, in their order.
    pub async fn run_steps(&self, run: i64, rollback: bool) -> Result<Vec<StepEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/run_steps.sql"), &[&run, &rollback]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }

    /// Records that a step begins, perhaps again.
    pub async fn begin_step(&self, step: StepKey) -> Result<(), StateError> {
        let params: super::query::Params<'_> = &[&step.run, &step.rollback, &step.number, &self.actor];
        self.execute(DOING, include_str!("sql/run_step_begin.sql"), params).await.map(drop)
    }

    /// Records which campaign a step has opened.
    pub async fn note_campaign(&self, step: StepKey, campaign: CampaignId) -> Result<(), StateError> {
        let params: super::query::Params<'_> = &[&step.run, &step.rollback, &step.number, &campaign.0];
        self.execute(DOING, include_str!("sql/run_step_campaign.sql"), params).await.map(drop)
    }

    /// Records which command a step has given; false if the step is not begun.
    pub async fn note_command(&self, step: StepKey, command: i64) -> Result<bool, StateError> {
        let params: super::query::Params<'_> = &[&step.run, &step.rollback, &step.number, &command];
        Ok(self.execute(DOING, include_str!("sql/run_step_command.sql"), params).await? > 0)
    }

    /// Records how a step ended.
    pub async fn end_step(&self, step: StepKey, state: StepState, told: &str) -> Result<(), StateError> {
        let params: super::query::Params<'_> =
            &[&step.run, &step.rollback, &step.number, &state.name(), &told, &self.actor];
        self.execute(DOING, include_str!("sql/run_step_end.sql"), params).await.map(drop)
    }
}

fn run(columns: &Columns<'_>) -> Result<Run, StateError> {
    let variables: Json<BTreeMap<String, String>> = columns.get("variables")?;
    Ok(Run {
        id: columns.get("id")?,
        title: columns.get("title")?,
        file: columns.get("file")?,
        source: columns.get("source")?,
        variables: variables.0,
        begun_by: columns.get("begun_by")?,
        begun_at: columns.get("begun_at")?,
        done_at: columns.time("done_at")?,
        undone_at: columns.time("undone_at")?,
    })
}

fn entry(columns: &Columns<'_>) -> Result<StepEntry, StateError> {
    let name: &str = columns.get("state")?;
    let state = StepState::from_str(name).ok();
    Ok(StepEntry {
        number: columns.get("number")?,
        state: state.ok_or_else(|| StateError::invalid(DOING, format!("unknown state {name:?}")))?,
        campaign: columns.get::<Option<i64>>("campaign")?.map(CampaignId),
        command: columns.get("command")?,
        told: columns.get("told")?,
        actor: columns.get("actor")?,
        begun_at: columns.get("begun_at")?,
        ended_at: columns.time("ended_at")?,
    })
}
