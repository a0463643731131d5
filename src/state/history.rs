//! What was commanded, by whom, through which door, and what came of it.

use std::time::SystemTime;

use super::decode::Columns;
use super::query::only;
use super::{PgMoveLog, StateError};

const DOING: &str = "keeping the history of commands";

/// A command as the history has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEntry {
    /// Later ones have higher numbers.
    pub id: i64,
    /// When it was given.
    pub at: SystemTime,
    /// Who gave it.
    pub actor: String,
    /// Through which door.
    pub door: String,
    /// In the command language.
    pub command: String,
    /// When it was answered; nothing: it is being carried out, or its process died.
    pub ended_at: Option<SystemTime>,
    /// Whether it was carried out, and not refused.
    pub done: Option<bool>,
    /// The first line of the answer.
    pub told: Option<String>,
}

impl PgMoveLog {
    /// Notes that a command is carried out now; answers its number.
    pub async fn begin_command(&self, door: &str, command: &str) -> Result<i64, StateError> {
        let rows = self.query(DOING, include_str!("sql/history_begin.sql"), &[&self.actor, &door, &command]).await?;
        Columns::new(DOING, &only(DOING, rows)?).get("id")
    }

    /// Notes what came of it.
    pub async fn end_command(&self, id: i64, done: bool, told: &str) -> Result<(), StateError> {
        self.query(DOING, include_str!("sql/history_end.sql"), &[&id, &done, &told]).await.map(drop)
    }

    /// The latest commands, the last one first.
    pub async fn recent_commands(&self, limit: u32) -> Result<Vec<CommandEntry>, StateError> {
        let rows = self.query(DOING, include_str!("sql/history_recent.sql"), &[&i64::from(limit)]).await?;
        rows.iter().map(|row| entry(&Columns::new(DOING, row))).collect()
    }
}

fn entry(columns: &Columns<'_>) -> Result<CommandEntry, StateError> {
    Ok(CommandEntry {
        id: columns.get("id")?,
        at: columns.get("at")?,
        actor: columns.get("actor")?,
        door: columns.get("door")?,
        command: columns.get("command")?,
        ended_at: columns.get("ended_at")?,
        done: columns.get("done")?,
        told: columns.get("told")?,
    })
}
