//! A second person: commands that wait until somebody else agrees.

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

/// A command that was given and waits.
#[derive(Debug)]
pub struct Proposed {
    /// Its number.
    pub id: i64,
    /// Who gave it.
    pub giver: String,
    /// What was given.
    pub command: Command,
}

impl Proposed {
    /// The command of that number, if it waits.
    pub async fn find(log: &PgMoveLog, id: i64) -> Result<Self, OperationError> {
        let entry = log.command(id).await?.ok_or(OperationError::NoCommand { id })?;
        if entry.outcome() != "waiting" {
            return Err(OperationError::NotWaiting { id });
        }
        // What waits was read before it was kept, so only an older language is in the way.
        let command = command::parse(&entry.command).ok().flatten().ok_or(OperationError::NotWaiting { id })?;
        Ok(Self { id, giver: entry.actor, command })
    }

    /// Agrees, or does not, in the name in which the world acts; whoever gave it may take it back. Answers the world in which it is
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

/// `approve`: carried out in the name of whoever gave it; the history has both.
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

/// What is said of a command that somebody saw to not being carried out.
pub fn refused(id: i64, line: &str) -> Answer {
    Answer::new(format!("command {id} is not carried out: `{line}`"), json!({ "refused": id }))
}
