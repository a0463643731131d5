//! Commands.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::operations::rfc3339;
use crate::state::CommandEntry;

/// A command, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Entry {
    pub(in crate::http) id: i64,
    at: String,
    /// Who gave it.
    actor: String,
    /// From where, if it came over the network.
    origin: Option<String>,
    /// `http`, `console`, `exec`, or a run.
    door: String,
    command: String,
    /// `open`, `waiting`, `done` or `refused`.
    pub(in crate::http) outcome: &'static str,
    /// The first line of the answer.
    told: Option<String>,
    /// `{text, json}`: the whole of it, for commands that came over HTTP. Only where one command is asked for.
    #[schema(value_type = Option<Object>)]
    pub(in crate::http::api) answer: Option<Value>,
    ended_at: Option<String>,
    /// Who agreed, or did not.
    approved_by: Option<String>,
    approved_at: Option<String>,
    /// The campaign that it opened.
    campaign: Option<i64>,
}

impl From<CommandEntry> for Entry {
    fn from(entry: CommandEntry) -> Self {
        Self {
            outcome: entry.outcome(),
            id: entry.id,
            at: rfc3339(entry.at),
            actor: entry.actor,
            origin: entry.origin,
            door: entry.door,
            command: entry.command,
            told: entry.told,
            answer: entry.answer,
            ended_at: entry.ended_at.map(rfc3339),
            approved_by: entry.approved_by,
            approved_at: entry.approved_at.map(rfc3339),
            campaign: entry.campaign.map(|campaign| campaign.0),
        }
    }
}
