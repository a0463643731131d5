//! Runs of runbooks.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::operations::rfc3339;
use crate::state::{Run, StepEntry};

/// A run of a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct RunView {
    id: i64,
    title: String,
    file: String,
    begun_by: String,
    begun_at: String,
    done_at: Option<String>,
    undone_at: Option<String>,
    variables: BTreeMap<String, String>,
    /// Its steps so far. Only for a single run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<RunStep>,
}

/// One of its steps.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct RunStep {
    number: i32,
    /// The text of the step in the runbook.
    what: String,
    /// `begun`, `done`, `failed`, `skipped`, or `open`: not begun.
    state: &'static str,
    told: Option<String>,
    actor: Option<String>,
    begun_at: Option<String>,
    ended_at: Option<String>,
    campaign: Option<i64>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            title: run.title,
            file: run.file,
            begun_by: run.begun_by,
            begun_at: rfc3339(run.begun_at),
            done_at: run.done_at.map(rfc3339),
            undone_at: run.undone_at.map(rfc3339),
            variables: run.variables,
            steps: Vec::new(),
        }
    }
}

impl RunView {
    pub(in crate::http::api) fn with_steps(self, steps: Vec<RunStep>) -> Self {
        Self { steps, ..self }
    }
}

impl RunStep {
    pub(in crate::http::api) fn new(number: i32, what: String, entry: Option<StepEntry>) -> Self {
        let Some(entry) = entry else {
            let (told, actor, begun_at, ended_at) = (None, None, None, None);
            return Self { number, what, state: "open", told, actor, begun_at, ended_at, campaign: None };
        };
        Self {
            number,
            what,
            state: entry.state.name(),
            told: Some(entry.told),
            actor: Some(entry.actor),
            begun_at: Some(rfc3339(entry.begun_at)),
            ended_at: entry.ended_at.map(rfc3339),
            campaign: entry.campaign.map(|campaign| campaign.0),
        }
    }
}
