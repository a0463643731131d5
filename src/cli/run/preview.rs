//! What a step would do against the present state, found without changing anything.

use mover_actors::domain::state::Aim;

use crate::command::{Command, verb};
use crate::operations::{OperationError, World};
use crate::runbook::{Action, Expectation, Step, Subject};
use crate::state::read::StateName;

/// In words, a line or more.
pub(super) async fn preview(world: &World, step: &Step) -> Result<String, OperationError> {
    match &step.action {
        Action::Shell => Ok("would run in the shell".to_owned()),
        Action::Expect(expectation) => {
            let (holds, found) = look(world, expectation).await?;
            Ok(if holds { format!("is so now: {found}") } else { format!("is not so yet: {found}") })
        }
        Action::Command(command) => of_command(world, command).await,
    }
}

async fn of_command(world: &World, command: &Command) -> Result<String, OperationError> {
    let (migration, state, would) = match command {
        Command::Migrate { aim, migration, .. } => {
            let state = if *aim == Aim::Migrate { StateName::Ready } else { StateName::Migrated };
            (migration, state, verb(*aim))
        }
        Command::OrgsReady { migration, .. } => (migration, StateName::Holding, "release"),
        Command::Retry { migration, .. } => (migration, StateName::Failed, "retry"),
        _ => return Ok("would be carried out".to_owned()),
    };
    let migration = &world.definition(migration)?.name;
    let orgs = world.log.counts(migration).await?.of(state);
    Ok(format!("would {would} those that are meant of {orgs} orgs that are {state} now"))
}

/// Whether an expectation holds, and what was found.
pub(super) async fn look(world: &World, expectation: &Expectation) -> Result<(bool, String), OperationError> {
    let comparison = expectation.comparison;
    match &expectation.subject {
        Subject::Orgs { migration, state, number } => {
            let migration = &world.definition(migration)?.name;
            let found = world.log.counts(migration).await?.of(*state);
            Ok((comparison.holds(&found, number), format!("{migration} has {found} orgs {}", state)))
        }
        Subject::Flag { key, field, value } => {
            let found = world.flags.hash(key).await?.remove(field);
            let shown = found.as_ref().map_or("absent".to_owned(), |value| format!("{value:?}"));
            Ok((comparison.holds(&found, value), format!("{key} {field} is {shown}")))
        }
    }
}
