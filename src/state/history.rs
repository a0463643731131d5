//! The audit: each command with its user, interface and result.

use std::time::SystemTime;

use mover_actors::domain::ids::CampaignId;
use serde_json::Value;

use super::decode::Columns;
use super::query::only;
use super::{PgMoveLog, StateError};

const DOING: &str = "keeping the history of commands";

/// A new command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCommand<'a> {
    /// The interface it came through.
    pub door: &'a str,
    /// From where, if it came over the network.
    pub origin: Option<&'a str>,
    /// In the command language.
    pub command: &'a str,
    /// Whether it needs approval.
    pub waits: bool,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandEnd<'a> {
    /// Whether it was carried out, and not refused.
    pub done: bool,
    /// The first line of the answer.
    pub told: &'a str,
    /// The whole answer, if a client may fetch it later.
    pub answer: Option<Value>,
    /// The campaign that it opened.
    pub campaign: Option<CampaignId>,
}

/// A command as the history has it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandEntry {
    /// Later ones have higher numbers.
    pub id: i64,
    /// When it was given.
    pub at: SystemTime,
    /// Who gave it.
    pub actor: String,
    /// The interface it came through.
    pub door: String,
    /// From where, if it came over the network.
    pub origin: Option<String>,
    /// In the command language.
    pub command: String,
    /// When it was answered; `None`: it is being carried out, it waits, or its process died.
    pub ended_at: Option<SystemTime>,
    /// Whether it was carried out, and not refused.
    pub done: Option<bool>,
    /// The first line of the answer.
    pub told: Option<String>,
    /// The whole answer, if it was stored.
    pub answer: Option<Value>,
    /// The campaign that it opened.
    pub campaign: Option<CampaignId>,
    /// Whether it needs approval.
    pub waits: bool,
    /// Whether it was approved.
    pub approved: Option<bool>,
    /// The approver.
    pub approved_by: Option<String>,
    /// When it was approved or refused.
    pub approved_at: Option<SystemTime>,
}

impl CommandEntry {
    /// Its state, as one word.
    pub fn outcome(&self) -> &'static str {
        match (self.done, self.waits && self.approved.is_none()) {
            (Some(true), _) => "done",
            (Some(false), _) => "refused",
            (None, true) => "waiting",
            (None, false) => "open",
        }
    }
}

impl PgMoveLog {
    /// Records a command; returns its number.
    pub async fn begin_command(&self, new: NewCommand<'_>) -> Result<i64, StateError> {
        let NewCommand { door, origin, command, waits } = new;
        let sql = include_str!("sql/history_begin.sql");
        let rows = self.query(DOING, sql, &[&self.actor, &door, &origin, &command, &waits]).await?;
        Columns::new(DOING, &only(DOING, rows)?).get("id")
    }

    /// The time of the clock that dates commands.
    pub async fn now(&self) -> Result<SystemTime, StateError> {
        let rows = self.query(DOING, "SELECT clock_timestamp() AS now", &[]).await?;
        Columns::new(DOING, &only(DOING, rows)?).get("now")
    }

    /// Records its result.
    pub async fn end_command(&self, id: i64, end: CommandEnd<'_>) -> Result<(), StateError> {
        let CommandEnd { done, told, answer, campaign } = end;
        let campaign = campaign.map(|id| id.0);
        self.query(DOING, include_str!("sql/history_end.sql"), &[&id, &done, &told, &answer, &campaign]).await.map(drop)
    }

    /// Approves or refuses a command that waits; false if it does not wait, or no longer.
    pub async fn approve_command(&self, id: i64, approve: bool) -> Result<bool, StateError> {
        let sql = include_str!("sql/history_approve.sql");
        Ok(!self.query(DOING, sql, &[&id, &approve, &self.actor]).await?.is_empty())
    }

    /// The latest commands, or those before one, without their whole answers; the latest first.
    pub async fn recent_commands(&self, limit: u32, before: Option<i64>) -> Result<Vec<CommandEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/history_recent.sql"), &[&i64::from(limit), &before]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }

    /// The latest commands that wait for approval, or those before one; the latest first.
    pub async fn waiting_commands(&self, limit: u32, before: Option<i64>) -> Result<Vec<CommandEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/history_waiting.sql"), &[&i64::from(limit), &before]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }

    /// The commands with these numbers, without their whole answers.
    pub async fn commands(&self, ids: &[i64]) -> Result<Vec<CommandEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/history_some.sql"), &[&ids]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }

    /// The command with this number, if it exists.
    pub async fn command(&self, id: i64) -> Result<Option<CommandEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/history_one.sql"), &[&id]).await?;
        rows.first().map(|row| entry(&Columns::new(DOING, row))).transpose()
    }
}

fn entry(columns: &Columns<'_>) -> Result<CommandEntry, StateError> {
    Ok(CommandEntry {
        id: columns.get("id")?,
        at: columns.get("at")?,
        actor: columns.get("actor")?,
        door: columns.get("door")?,
        origin: columns.get("origin")?,
        command: columns.get("command")?,
        ended_at: columns.get("ended_at")?,
        done: columns.get("done")?,
        told: columns.get("told")?,
        answer: columns.get("answer")?,
        campaign: columns.get::<Option<i64>>("campaign")?.map(CampaignId),
        waits: columns.get("waits")?,
        approved: columns.get("approved")?,
        approved_by: columns.get("approved_by")?,
        approved_at: columns.time("approved_at")?,
    })
}
