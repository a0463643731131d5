//! The effect that a step would have after the steps before it, found without changing anything.

use std::time::Duration;

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Aim;

use crate::cli::error::CliError;
use crate::cli::host::{Named, RunJournal};
use crate::command::{Command, RetryFrom, Which, verb};
use crate::operations::{flag_change, selection};
use crate::runbook::{Action, Expectation, Step, Subject};
use crate::state::read::StateName;

use super::forecast::Forecast;

/// The timeout of one HTTP request; a server that does not answer is polled again.
const HTTP_WITHIN: Duration = Duration::from_secs(5);

/// The preview as text of one line or more.
pub(super) async fn preview(
    host: &mut dyn RunJournal,
    forecast: &mut Forecast,
    step: &Step,
) -> Result<String, CliError> {
    match &step.action {
        Action::Shell => Ok("would run in the shell".to_owned()),
        Action::Expect(Expectation { subject: Subject::Http { method, url, .. }, .. }) if changes_something(method) => {
            Ok(format!("would send {method} {url}"))
        }
        Action::Expect(expectation) => of_expectation(host, forecast, expectation).await,
        Action::Command(command) => of_command(host, forecast, command).await,
    }
}

async fn of_expectation(
    host: &mut dyn RunJournal,
    forecast: &mut Forecast,
    expectation: &Expectation,
) -> Result<String, CliError> {
    let comparison = expectation.comparison;
    let (holds, found) = match &expectation.subject {
        Subject::Orgs { migration, state, number } if forecast.has_moved() => {
            let migration = host.migration(migration).await?;
            let orgs = forecast.count(host, &migration, *state).await?;
            (comparison.holds(&orgs, number), format!("{migration} would have {orgs} orgs {state}, if none fails"))
        }
        Subject::Flag { key, field, value } if forecast.sets(key, field) => {
            let found = forecast.flag(host, key, field).await?;
            let shown = found.as_ref().map_or("absent".to_owned(), |value| format!("{value:?}"));
            (comparison.holds(&found, value), format!("{key} {field} would be {shown}"))
        }
        Subject::Orgs { .. } | Subject::Flag { .. } | Subject::Http { .. } => {
            let (holds, found) = look(host, expectation).await?;
            return Ok(if holds { format!("is so now: {found}") } else { format!("is not so yet: {found}") });
        }
    };
    Ok(match holds {
        true => format!("would be so: {found}"),
        false => format!("would not be so, and the run would stop here: {found}"),
    })
}

async fn of_command(host: &mut dyn RunJournal, forecast: &mut Forecast, command: &Command) -> Result<String, CliError> {
    if let Some(Err(error)) = command.selected().map(selection) {
        // A script of an earlier step may write it.
        return Ok(format!("would be carried out, but now: {error}"));
    }
    Ok(match command {
        Command::OrgsCapture { migration } => {
            let Named { migration, .. } = host.named(migration).await?;
            captured(host, forecast, &migration).await?
        }
        Command::OrgsAdd { orgs, migration } => {
            let Named { migration, .. } = host.named(migration).await?;
            let known = host.known(&migration, orgs).await?.len();
            let new = orgs.len().saturating_sub(known) as u64;
            forecast.join(host, &migration, StateName::Holding, new).await?;
            format!("would add {new} orgs to holding; {known} are known")
        }
        Command::OrgsReady { migration, which } => {
            let Named { migration, .. } = host.named(migration).await?;
            let way = (StateName::Holding, StateName::Ready);
            moved(host, forecast, &migration, &selection(which)?, way, "release").await?
        }
        Command::Retry { migration, which, from } => {
            let Named { migration, .. } = host.named(migration).await?;
            let from = match from {
                RetryFrom::Failed => StateName::Failed,
                RetryFrom::RolledBack => StateName::RolledBack,
            };
            let way = (from, StateName::Ready);
            moved(host, forecast, &migration, &selection(which)?, way, "retry").await?
        }
        Command::Migrate { aim, migration, which, .. } => campaign(host, forecast, *aim, migration, which).await?,
        Command::Verify { migration, which } => {
            let Named { migration, .. } = host.named(migration).await?;
            let there = forecast.count(host, &migration, StateName::Migrated).await?;
            let orgs = match selection(which)? {
                Selection::First(most) => there.min(most),
                Selection::Names(names) => names.len() as u64,
                Selection::All | Selection::Percent(_) => there,
            };
            format!("would compare the rows of {orgs} orgs in both stores")
        }
        Command::Darklaunch { .. }
        | Command::Darklaunch503 { .. }
        | Command::DarklaunchOrgs503 { .. }
        | Command::DarklaunchOrgCreation { .. } => match flag_change(command) {
            Some((key, fields)) => forecast.set(host, &key, &fields).await?,
            None => "would be carried out".to_owned(),
        },
        Command::OrgsList { .. }
        | Command::Org { .. }
        | Command::Status { .. }
        | Command::FlagsShow { .. }
        | Command::FlagsCheck
        | Command::Tree
        | Command::Nodes
        | Command::Check
        | Command::Health
        | Command::Report { .. }
        | Command::History { .. }
        | Command::Help { .. } => "would look, and change nothing".to_owned(),
        _ => "would be carried out".to_owned(),
    })
}

async fn captured(
    host: &mut dyn RunJournal,
    forecast: &mut Forecast,
    migration: &MigrationName,
) -> Result<String, CliError> {
    let Some(listed) = host.uncaptured(migration).await? else {
        return Ok("would capture the orgs that the source lists and the migration does not know".to_owned());
    };
    let new = listed.saturating_sub(forecast.joined(migration));
    forecast.join(host, migration, StateName::Holding, new).await?;
    Ok(format!("would capture {new} orgs that are new"))
}

async fn moved(
    host: &mut dyn RunJournal,
    forecast: &mut Forecast,
    migration: &MigrationName,
    selection: &Selection,
    way: (StateName, StateName),
    verb: &str,
) -> Result<String, CliError> {
    let (there, are) = (forecast.count(host, migration, way.0).await?, then(forecast));
    let going = forecast.go(host, migration, selection, way).await?;
    Ok(format!("would {verb} {going} of {there} orgs that {are} {}", way.0))
}

fn then(forecast: &Forecast) -> &'static str {
    if forecast.has_moved() { "would be" } else { "are" }
}

async fn campaign(
    host: &mut dyn RunJournal,
    forecast: &mut Forecast,
    aim: Aim,
    name: &MigrationName,
    which: &Which,
) -> Result<String, CliError> {
    let Named { migration, is_prep, is_window } = host.named(name).await?;
    if is_prep {
        let captured = captured(host, forecast, &migration).await?;
        return Ok(format!("{captured}, each after flags that force it to the old components"));
    }
    let selection = selection(which)?;
    let (from, to) = match aim {
        Aim::Migrate => (StateName::Ready, StateName::Migrated),
        Aim::RollBack => (StateName::Migrated, StateName::RolledBack),
        Aim::Finalize => (StateName::Migrated, StateName::Finalized),
    };
    let mut text = String::new();
    if (is_window, aim, &selection) == (true, Aim::Migrate, &Selection::All) {
        text = captured(host, forecast, &migration).await? + "; ";
        forecast.go(host, &migration, &Selection::All, (StateName::Holding, StateName::Ready)).await?;
    }
    let (there, are) = (forecast.count(host, &migration, from).await?, then(forecast));
    let going = forecast.go(host, &migration, &selection, (from, to)).await?;
    text.push_str(&format!("would {} {going} of {there} orgs that {are} {from}", verb(aim)));
    if going == 0 {
        text.push_str("; the command would be refused, and the run would stop here");
    }
    Ok(text)
}

/// Whether an expectation holds, and what was found.
pub(super) async fn look(host: &mut dyn RunJournal, expectation: &Expectation) -> Result<(bool, String), CliError> {
    let comparison = expectation.comparison;
    match &expectation.subject {
        Subject::Orgs { migration, state, number } => {
            let migration = host.migration(migration).await?;
            let found = host.count(&migration, *state).await?;
            Ok((comparison.holds(&found, number), format!("{migration} has {found} orgs {}", state)))
        }
        Subject::Http { method, url, status } => {
            let (found, text) = ask(method.clone(), url.clone()).await;
            Ok((found.is_some_and(|found| comparison.holds(&found, status)), text))
        }
        Subject::Flag { key, field, value } => {
            let found = host.flag(key, field).await?;
            let shown = found.as_ref().map_or("absent".to_owned(), |value| format!("{value:?}"));
            Ok((comparison.holds(&found, value), format!("{key} {field} is {shown}")))
        }
    }
}

fn changes_something(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD")
}

/// The status of a server's answer, and a text about it.
async fn ask(method: String, url: String) -> (Option<u16>, String) {
    let asked = format!("{method} {url}");
    let asking = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(HTTP_WITHIN))
                .http_status_as_error(false)
                .max_redirects(0)
                .build(),
        );
        let request = ureq::http::Request::builder().method(method.as_str()).uri(&url).body(());
        let request = request.map_err(|error| error.to_string())?;
        agent.run(request).map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    });
    match asking.await {
        Ok(Ok(status)) => (Some(status), format!("{asked} answers {status}")),
        Ok(Err(error)) => (None, format!("{asked}: {error}")),
        Err(error) => (None, format!("{asked}: {error}")),
    }
}
