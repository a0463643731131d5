//! Commands.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::operations::rfc3339;
use crate::state::CommandEntry;

/// A command and its result.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Entry {
    pub(in crate::http) id: i64,
    at: String,
    /// The user who gave it.
    actor: String,
    /// The address, if it came over the network.
    origin: Option<String>,
    /// `http`, `console`, `exec`, or a run.
    door: String,
    command: String,
    /// `open`, `waiting`, `done` or `refused`.
    pub(in crate::http) outcome: &'static str,
    /// The first line of the answer.
    told: Option<String>,
    /// `{text, json}`: the whole answer, for commands that came over HTTP. Only for a single command.
    #[schema(value_type = Option<Object>)]
    pub(in crate::http::api) answer: Option<Value>,
    ended_at: Option<String>,
    /// The user who approved or refused it.
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
