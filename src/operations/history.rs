//! `history`: earlier commands with user, time and result.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::Command;
use crate::state::{CommandEnd, NewCommand};

use super::answer::{Answer, at, rfc3339, short, table};
use super::error::OperationError;
use super::world::World;
use super::{Outcome, Running, carried_out};

const LIMIT: u32 = 20;
const TOLD_CHARS_MAX: usize = 200;
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// The waits before the end of a command is recorded again.
const END_AGAIN_AFTER: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4), Duration::ZERO];

/// The interface through which a command came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `mover console`
    Console,
    /// `mover exec`
    Exec,
    /// `mover demo`
    Demo,
    /// A run of a runbook.
    Run(i64),
    /// `mover serve` itself.
    Serve,
    /// HTTP, from this address; with the run of a runbook, if the command belongs to one.
    Http(IpAddr, Option<i64>),
    /// `mover status`, which polls and is not recorded.
    Watch,
}

impl Interface {
    fn name(self) -> String {
        match self {
            Interface::Console => "console".into(),
            Interface::Exec => "exec".into(),
            Interface::Demo => "demo".into(),
            Interface::Run(run) | Interface::Http(_, Some(run)) => format!("run {run}"),
            Interface::Serve => "serve".into(),
            Interface::Http(_, None) => "http".into(),
            Interface::Watch => "status".into(),
        }
    }

    fn origin(self) -> Option<String> {
        match self {
            Interface::Http(address, _) => Some(address.to_string()),
            _ => None,
        }
    }
}

/// A command that is recorded and not carried out yet.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    /// Its number.
    pub id: i64,
    /// Whether a client may fetch the whole answer later.
    keeps_answer: bool,
}

impl Noted {
    /// A command that waited for approval.
    pub fn approved(id: i64) -> Self {
        Self { id, keeps_answer: true }
    }
}

/// Carries out a command, and records its result.
pub async fn carry_out(
    world: &World,
    running: Option<&Running>,
    interface: Interface,
    command: &Command,
) -> Result<Outcome, OperationError> {
    let about_mover = matches!(command, Command::Help { .. } | Command::Quit | Command::History { .. });
    if about_mover || interface == Interface::Watch {
        return Box::pin(carried_out(world, running, command)).await;
    }
    let noted = note(world, interface, command, false).await?;
    carry_out_noted(world, running, noted, command).await
}

/// Records a command. `waits`: it needs approval before it is carried out.
pub async fn note(
    world: &World,
    interface: Interface,
    command: &Command,
    waits: bool,
) -> Result<Noted, OperationError> {
    let (name, origin, line) = (interface.name(), interface.origin(), command.to_string());
    let new = NewCommand { door: &name, origin: origin.as_deref(), command: &line, waits };
    Ok(Noted { id: world.log.begin_command(new).await?, keeps_answer: origin.is_some() })
}

/// Carries out a recorded command, and records its result.
pub async fn carry_out_noted(
    world: &World,
    running: Option<&Running>,
    noted: Noted,
    command: &Command,
) -> Result<Outcome, OperationError> {
    // On the heap: the future has the state of every command, and threads that serve have small stacks.
    let outcome = Box::pin(carried_out(world, running, command)).await;
    let answer = match &outcome {
        Ok(outcome) => outcome.answer(),
        Err(error) => Answer::new(error.to_string(), json!({ "problem": error.problem() })),
    };
    let told = short(answer.text.lines().next().unwrap_or_default(), TOLD_CHARS_MAX).replace('\0', "\u{fffd}");
    let end = CommandEnd {
        done: outcome.is_ok(),
        told: &told,
        answer: noted.keeps_answer.then(|| answer.kept()).filter(can_be_kept),
        campaign: match &outcome {
            Ok(Outcome::Campaign(campaign, _)) => Some(campaign.id),
            _ => None,
        },
    };
    for wait in END_AGAIN_AFTER {
        let Err(error) = world.log.end_command(noted.id, end.clone()).await else { break };
        // The command has run, and its answer matters more; but clients that poll it wait for its end.
        tracing::warn!(%error, %command, "what came of a command could not be kept");
        tokio::time::sleep(wait).await;
    }
    outcome
}

/// Postgres stores no text with a zero character.
fn can_be_kept(answer: &Value) -> bool {
    let written = answer.to_string();
    written.len() <= ANSWER_BYTES_MAX && !written.contains("\\u0000")
}

/// `history`
pub(super) async fn history(world: &World, limit: Option<u32>) -> Result<Answer, OperationError> {
    let mut entries = world.log.recent_commands(limit.unwrap_or(LIMIT), None).await?;
    entries.reverse();
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            [
                entry.id.to_string(),
                at(entry.at),
                short(&entry.actor, 40),
                entry.door.clone(),
                short(&entry.command, 80),
                entry.outcome().to_owned(),
                short(entry.told.as_deref().unwrap_or_default(), 80),
            ]
        })
        .collect();
    let text = match rows.is_empty() {
        true => "nothing was commanded yet".to_owned(),
        false => table(["NUMBER", "WHEN (UTC)", "WHO", "DOOR", "COMMAND", "OUTCOME", "ANSWER"], &rows),
    };
    let json: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!({
                "id": entry.id, "at": rfc3339(entry.at), "actor": entry.actor, "door": entry.door, "command": entry.command,
                "outcome": entry.outcome(), "told": entry.told, "ended_at": entry.ended_at.map(rfc3339),
            })
        })
        .collect();
    Ok(Answer::new(text, json!({ "commands": json })))
}
