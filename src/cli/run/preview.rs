//! The effect that a step would have now, found without changing anything.

use std::time::Duration;

use mover_actors::domain::state::Aim;

use crate::cli::error::CliError;
use crate::cli::host::RunJournal;
use crate::command::{Command, verb};
use crate::runbook::{Action, Expectation, Step, Subject};
use crate::state::read::StateName;

/// The timeout of one HTTP request; a server that does not answer is polled again.
const HTTP_WITHIN: Duration = Duration::from_secs(5);

/// The preview as text of one line or more.
pub(super) async fn preview(host: &mut dyn RunJournal, step: &Step) -> Result<String, CliError> {
    match &step.action {
        Action::Shell => Ok("would run in the shell".to_owned()),
        Action::Expect(Expectation { subject: Subject::Http { method, url, .. }, .. }) if changes_something(method) => {
            Ok(format!("would send {method} {url}"))
        }
        Action::Expect(expectation) => {
            let (holds, found) = look(host, expectation).await?;
            Ok(if holds { format!("is so now: {found}") } else { format!("is not so yet: {found}") })
        }
        Action::Command(command) => of_command(host, command).await,
    }
}

async fn of_command(host: &mut dyn RunJournal, command: &Command) -> Result<String, CliError> {
    let (migration, state, would) = match command {
        Command::Migrate { aim, migration, .. } => {
            let state = if *aim == Aim::Migrate { StateName::Ready } else { StateName::Migrated };
            (migration, state, verb(*aim))
        }
        Command::OrgsReady { migration, .. } => (migration, StateName::Holding, "release"),
        Command::Retry { migration, .. } => (migration, StateName::Failed, "retry"),
        _ => return Ok("would be carried out".to_owned()),
    };
    let migration = host.migration(migration).await?;
    let orgs = host.count(&migration, state).await?;
    Ok(format!("would {would} the selected ones of {orgs} orgs that are {state} now"))
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
