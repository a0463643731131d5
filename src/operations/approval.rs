//! Commands that wait for the approval of a second person.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::command::{self, Command};
use crate::state::PgMoveLog;

use super::answer::Answer;
use super::error::OperationError;
use super::history::{Noted, carry_out_noted};
use super::world::World;
use super::{Outcome, Running};

/// A command that waits for approval.
#[derive(Debug)]
pub struct Proposed {
    /// Its number.
    pub id: i64,
    /// The user who gave it.
    pub giver: String,
    /// The command.
    pub command: Command,
}

impl Proposed {
    /// The command of that number, if it waits for approval.
    pub async fn find(log: &PgMoveLog, id: i64) -> Result<Self, OperationError> {
        let entry = log.command(id).await?.ok_or(OperationError::NoCommand { id })?;
        if entry.outcome() != "waiting" {
            return Err(OperationError::NotWaiting { id });
        }
        // The command was parsed before it was stored, so only an older version of the language can fail here.
        let command = command::parse(&entry.command).ok().flatten().ok_or(OperationError::NotWaiting { id })?;
        Ok(Self { id, giver: entry.actor, command })
    }

    /// Approves or refuses as the user of `world`; the user who gave the command may withdraw it. Returns the world in which it
    /// is carried out: that of the user who gave it.
    /// carried out: the giver's.
    pub async fn decide(&self, world: &World, approve: bool) -> Result<World, OperationError> {
        if approve && world.log.actor() == self.giver {
            return Err(OperationError::OwnApproval);
        }
        if !world.log.approve_command(self.id, approve).await? {
            return Err(OperationError::NotWaiting { id: self.id });
        }
        Ok(World { log: world.log.on_behalf_of(&self.giver).into(), ..world.clone() })
    }
}

/// `approve`: runs the command in the name of the user who gave it; the history has both users.
pub(super) fn approve<'a>(
    world: &'a World,
    running: Option<&'a Running>,
    id: i64,
) -> BoxFuture<'a, Result<Outcome, OperationError>> {
    async move {
        let proposed = Proposed::find(&world.log, id).await?;
        let world = proposed.decide(world, true).await?;
        carry_out_noted(&world, running, Noted::approved(id), &proposed.command).await
    }
    .boxed()
}

/// `refuse`
pub(super) async fn refuse(world: &World, id: i64) -> Result<Answer, OperationError> {
    let proposed = Proposed::find(&world.log, id).await?;
    proposed.decide(world, false).await?;
    Ok(refused(id, &proposed.command.to_string()))
}

/// The answer to a command that was refused.
pub fn refused(id: i64, line: &str) -> Answer {
    Answer::new(format!("command {id} is not carried out: `{line}`"), json!({ "refused": id }))
}
