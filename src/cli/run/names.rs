//! The names in a runbook, looked up before its first step: a name that is wrong in the last step is no reason to stop there.

use std::collections::BTreeSet;

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::{MigrationName, OrgName};

use crate::cli::error::CliError;
use crate::cli::host::{Named, RunJournal};
use crate::command::Command;
use crate::operations::selection;
use crate::runbook::{Action, Expectation, Mistake, Mistakes, Runbook, Step, Subject};

use super::RunError;

/// Refuses a runbook with a migration that is not defined, or an org that neither the migration nor its source knows.
pub(super) async fn check(host: &mut dyn RunJournal, file: &str, runbook: &Runbook) -> Result<(), CliError> {
    let steps = || runbook.steps.iter().chain(&runbook.rollback);
    let mut looking =
        Looking { captures: BTreeSet::new(), has_shell: steps().any(|step| step.action == Action::Shell) };
    let mut mistakes = Vec::new();
    for step in steps() {
        if let Err(problem) = looking.at(host, step).await? {
            mistakes.push(Mistake { line: step.line, column: 1, problem });
        }
    }
    match Mistakes::found(file, mistakes) {
        Some(mistakes) => Err(RunError::from(mistakes).into()),
        None => Ok(()),
    }
}

/// What the steps so far would do to the names that are known.
struct Looking {
    /// Migrations of which a step captures orgs.
    captures: BTreeSet<MigrationName>,
    /// Whether a script may write files of names.
    has_shell: bool,
}

impl Looking {
    /// The mistake, if the step has one.
    async fn at(&mut self, host: &mut dyn RunJournal, step: &Step) -> Result<Result<(), String>, CliError> {
        let command = match &step.action {
            Action::Command(command) => command,
            Action::Expect(Expectation { subject: Subject::Orgs { migration, .. }, .. }) => {
                return Ok(named(host, migration).await?.map(drop));
            }
            Action::Expect(_) | Action::Shell => return Ok(Ok(())),
        };
        let Some(name) = migration_of(command) else { return Ok(Ok(())) };
        let Named { migration, is_prep, is_window } = match named(host, name).await? {
            Ok(found) => found,
            Err(problem) => return Ok(Err(problem)),
        };
        match command {
            Command::OrgsCapture { .. } | Command::OrgsAdd { .. } => {
                self.captures.insert(migration.clone());
            }
            Command::Migrate { .. } if is_prep || is_window => {
                self.captures.insert(migration.clone());
            }
            _ => {}
        }
        let orgs = match orgs_of(command) {
            Ok(orgs) => orgs,
            Err(_) if self.has_shell => return Ok(Ok(())),
            Err(problem) => return Ok(Err(problem)),
        };
        let unknown = self.unknown(host, &migration, orgs).await?;
        let unknown: Vec<_> = unknown.iter().map(|org| format!("{:?}", org.as_str())).collect();
        Ok(match unknown.is_empty() {
            true => Ok(()),
            false => Err(format!("{migration} has no org {}, and neither has its source", unknown.join(", "))),
        })
    }

    /// Those of the orgs that nothing knows.
    async fn unknown(
        &self,
        host: &mut dyn RunJournal,
        migration: &MigrationName,
        orgs: Vec<OrgName>,
    ) -> Result<Vec<OrgName>, CliError> {
        if orgs.is_empty() {
            return Ok(orgs);
        }
        let known: BTreeSet<OrgName> = host.known(migration, &orgs).await?.into_iter().collect();
        let mut unknown = Vec::new();
        for org in orgs.into_iter().filter(|org| !known.contains(org)) {
            // Where the source cannot be asked, the org may be one that a step captures.
            let is_there = host.lists(migration, &org).await?;
            if !is_there.unwrap_or_else(|| self.captures.contains(migration)) {
                unknown.push(org);
            }
        }
        Ok(unknown)
    }
}

/// What the name of a migration means, or that it means nothing.
async fn named(host: &mut dyn RunJournal, name: &MigrationName) -> Result<Result<Named, String>, CliError> {
    match host.named(name).await {
        Ok(named) => Ok(Ok(named)),
        Err(error) if error.is_unknown_name() => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// The migration that a command names.
fn migration_of(command: &Command) -> Option<&MigrationName> {
    match command {
        Command::OrgsCapture { migration }
        | Command::OrgsForceOld { migration }
        | Command::OrgsAdd { migration, .. }
        | Command::OrgsReady { migration, .. }
        | Command::OrgsList { migration, .. }
        | Command::Migrate { migration, .. }
        | Command::Verify { migration, .. }
        | Command::Retry { migration, .. }
        | Command::Report { migration, .. } => Some(migration),
        Command::Org { migration, .. } | Command::Status { migration, .. } => migration.as_ref(),
        _ => None,
    }
}

/// The orgs that a command names, also in a file.
fn orgs_of(command: &Command) -> Result<Vec<OrgName>, String> {
    match command {
        Command::OrgsAdd { orgs, .. } => return Ok(orgs.clone()),
        Command::Org { org, .. } => return Ok(vec![org.clone()]),
        _ => {}
    }
    match command.selected().map(selection).transpose().map_err(|error| error.to_string())? {
        Some(Selection::Names(names)) => Ok(names),
        _ => Ok(Vec::new()),
    }
}
