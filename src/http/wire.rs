//! Shapes that both sides of the API read: what a client needs to continue a run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use mover_actors::domain::ids::CampaignId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::operations::rfc3339;
use crate::state::{Run, StepEntry, StepState};

/// A run with a lease.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(crate) struct Held {
    /// Its number.
    pub(crate) run: i64,
    /// The lease ends when no heartbeat arrives for so long.
    pub(crate) lease_ms: u64,
}

/// A run, its text, and its steps.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Journal)]
pub(crate) struct JournalView {
    id: i64,
    title: String,
    file: String,
    source: String,
    variables: BTreeMap<String, String>,
    begun_by: String,
    begun_at: String,
    done_at: Option<String>,
    undone_at: Option<String>,
    /// The steps forward that were begun.
    steps: Vec<JournalStep>,
    /// The steps of the rollback that were begun.
    rollback: Vec<JournalStep>,
}

/// A step that was begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct JournalStep {
    number: i32,
    /// `begun`, `done`, `failed` or `skipped`.
    #[schema(value_type = String)]
    state: StepState,
    told: String,
    actor: String,
    begun_at: String,
    ended_at: Option<String>,
    campaign: Option<i64>,
    /// The command that it has given.
    command: Option<i64>,
}

impl JournalView {
    /// Its text.
    pub(crate) fn new(run: Run, steps: Vec<StepEntry>, rollback: Vec<StepEntry>) -> Self {
        Self {
            id: run.id,
            title: run.title,
            file: run.file,
            source: run.source,
            variables: run.variables,
            begun_by: run.begun_by,
            begun_at: rfc3339(run.begun_at),
            done_at: run.done_at.map(rfc3339),
            undone_at: run.undone_at.map(rfc3339),
            steps: steps.into_iter().map(JournalStep::from).collect(),
            rollback: rollback.into_iter().map(JournalStep::from).collect(),
        }
    }

    /// The types of the runner.
    pub(crate) fn read(self) -> (Run, Vec<StepEntry>, Vec<StepEntry>) {
        let run = Run {
            id: self.id,
            title: self.title,
            file: self.file,
            source: self.source,
            variables: self.variables,
            begun_by: self.begun_by,
            begun_at: time(&self.begun_at),
            done_at: self.done_at.as_deref().map(time),
            undone_at: self.undone_at.as_deref().map(time),
        };
        let entries = |steps: Vec<JournalStep>| steps.into_iter().map(StepEntry::from).collect();
        (run, entries(self.steps), entries(self.rollback))
    }
}

impl From<StepEntry> for JournalStep {
    fn from(entry: StepEntry) -> Self {
        Self {
            number: entry.number,
            state: entry.state,
            told: entry.told,
            actor: entry.actor,
            begun_at: rfc3339(entry.begun_at),
            ended_at: entry.ended_at.map(rfc3339),
            campaign: entry.campaign.map(|campaign| campaign.0),
            command: entry.command,
        }
    }
}

impl From<JournalStep> for StepEntry {
    fn from(step: JournalStep) -> Self {
        Self {
            number: step.number,
            state: step.state,
            told: step.told,
            actor: step.actor,
            begun_at: time(&step.begun_at),
            ended_at: step.ended_at.as_deref().map(time),
            campaign: step.campaign.map(CampaignId),
            command: step.command,
        }
    }
}

/// Parses a point in time; an invalid one becomes the epoch of Unix rather than hiding the rest.
fn time(text: &str) -> SystemTime {
    text.parse::<jiff::Timestamp>().map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
}
