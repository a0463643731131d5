//! `history`: what was commanded, by whom, when, and what came of it.

use serde_json::json;

use crate::command::Command;

use super::answer::{Answer, at, short, table};
use super::error::OperationError;
use super::world::World;
use super::{Outcome, Running, carried_out};

const LIMIT: u32 = 20;
const TOLD_CHARS_MAX: usize = 200;

/// The way in which a command comes to Mover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `mover console`
    Console,
    /// `mover exec`
    Exec,
    /// `mover demo`
    Demo,
    /// A run of a runbook.
    Run(i64),
    /// `mover status`, which looks again and again and is not kept.
    Watch,
}

impl Door {
    fn name(self) -> String {
        match self {
            Door::Console => "console".into(),
            Door::Exec => "exec".into(),
            Door::Demo => "demo".into(),
            Door::Run(run) => format!("run {run}"),
            Door::Watch => "status".into(),
        }
    }
}

/// Carries out a command, and keeps what came of it.
pub async fn carry_out(
    world: &World,
    running: Option<&Running>,
    door: Door,
    command: &Command,
) -> Result<Outcome, OperationError> {
    let about_mover = matches!(command, Command::Help { .. } | Command::Quit | Command::History { .. });
    if about_mover || door == Door::Watch {
        return carried_out(world, running, command).await;
    }
    let entry = world.log.begin_command(&door.name(), &command.to_string()).await?;
    let outcome = carried_out(world, running, command).await;
    let told = match &outcome {
        Ok(outcome) => outcome.answer().text,
        Err(error) => error.to_string(),
    };
    let told = short(told.lines().next().unwrap_or_default(), TOLD_CHARS_MAX);
    if let Err(error) = world.log.end_command(entry, outcome.is_ok(), &told).await {
        // It is done all the same, and its answer is more important.
        tracing::warn!(%error, %command, "what came of a command could not be kept");
    }
    outcome
}

/// `history`
pub(super) async fn history(world: &World, limit: Option<u32>) -> Result<Answer, OperationError> {
    let mut entries = world.log.recent_commands(limit.unwrap_or(LIMIT)).await?;
    entries.reverse();
    let outcome = |done: Option<bool>| match done {
        Some(true) => "done",
        Some(false) => "refused",
        None => "open",
    };
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            [
                at(entry.at),
                short(&entry.actor, 40),
                entry.door.clone(),
                short(&entry.command, 80),
                outcome(entry.done).to_owned(),
                short(entry.told.as_deref().unwrap_or_default(), 80),
            ]
        })
        .collect();
    let text = match rows.is_empty() {
        true => "nothing was commanded yet".to_owned(),
        false => table(["WHEN (UTC)", "WHO", "DOOR", "COMMAND", "OUTCOME", "ANSWER"], &rows),
    };
    let json: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id, "at": at(entry.at), "actor": entry.actor, "door": entry.door, "command": entry.command,
                "outcome": outcome(entry.done), "told": entry.told, "ended_at": entry.ended_at.map(at),
            })
        })
        .collect();
    Ok(Answer::new(text, json!({ "commands": json })))
}
