//! `mover exec`: carries out one command to its end.

use std::io::Write;
use std::process::ExitCode;

use mover_actors::domain::campaign::Control;
use mover_actors::domain::state::Aim;
use serde_json::json;

use crate::command::{Command, verb};
use crate::operations::{Answer, CampaignStatus, Interface};

use super::args;
use super::ask::carry_out_confirmed;
use super::error::CliError;
use super::follow::follow;
use super::host::{CommandHost, CommandOutcome, CommandResult, Consent, Issuer};
use super::interrupts::Interrupts;
use super::screen::Screen;
use super::wrap;

/// Carries out a command; a campaign is followed to its end. The exit code is that of the answer's verdict.
pub(super) async fn exec(
    host: &mut dyn CommandHost,
    screen: &Screen,
    command: &Command,
    args: &args::Exec,
) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let carried = match carry_out_confirmed(host, command, args.yes, Issuer::At(Interface::Exec), &mut interrupts).await
    {
        Ok(CommandOutcome::NeedsApproval(waiting)) => {
            eprintln!("{}", waiting.how);
            host.decided(waiting, &mut interrupts).await
        }
        Ok(CommandOutcome::Done(result)) => Ok(result),
        Ok(CommandOutcome::NeedsConfirmation(_)) => Err(CliError::NotConfirmed),
        Err(error) if matches!(command, Command::Control(Control::Resume)) => {
            let answer = host.resume_nothing(error, &mut interrupts).await;
            answer.map(|answer| CommandResult { answer, campaign: None })
        }
        Err(error) => Err(error),
    };
    let ended = match carried {
        Ok(CommandResult { campaign: Some((campaign, total)), .. }) => {
            let ended = follow(host, screen, &mut interrupts, campaign, total).await;
            ended.map(|ended| summary(&ended))
        }
        Ok(CommandResult { answer, campaign: None }) => Ok(answer),
        Err(error) => Err(error),
    };
    host.close().await?;
    let answer = ended?;
    print(&answer, args.json);
    Ok(answer.verdict.exit_code().into())
}

/// Carries out a command that only looks.
pub(super) async fn look(host: &mut dyn CommandHost, command: &Command, as_json: bool) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let issuer = Issuer::At(Interface::Exec);
    match host.carry_out(command, Consent::Beforehand, issuer, &mut interrupts).await? {
        CommandOutcome::Done(CommandResult { answer, .. }) => {
            print(&answer, as_json);
            Ok(answer.verdict.exit_code().into())
        }
        CommandOutcome::NeedsConfirmation(_) | CommandOutcome::NeedsApproval(_) => Err(CliError::NotConfirmed),
    }
}

/// Prints an answer in the requested format.
pub(super) fn print(answer: &Answer, as_json: bool) {
    let mut out = std::io::stdout().lock();
    // A reader that closes the pipe early, such as `head`, is no failure.
    let _ = match (as_json, answer.text.is_empty()) {
        (true, _) => writeln!(out, "{}", answer.json),
        (false, false) => writeln!(out, "{}", wrap::for_stdout(&answer.text)),
        (false, true) => Ok(()),
    };
}

fn summary(campaign: &CampaignStatus) -> Answer {
    let mut text = format!(
        "campaign {} of {} ended: {} {}, {} failed",
        campaign.id,
        campaign.migration,
        campaign.migrated,
        campaign.aim.done(),
        campaign.failed
    );
    if let Some(reason) = &campaign.reason {
        text.push_str(&format!(" ({reason})"));
    }
    if campaign.failed > 0 {
        let migration = &campaign.migration;
        text.push_str(&match campaign.aim {
            Aim::Migrate => {
                format!("\nnext: orgs list {migration} state=failed, mend the cause, then: retry {migration} failed")
            }
            aim => format!(
                "\nnext: orgs list {migration} state=migrated shows why, mend the cause, then: {} {migration} all",
                verb(aim)
            ),
        });
    }
    let json = json!({
        "campaign": campaign.id,
        "migration": campaign.migration,
        "aim": campaign.aim,
        "migrated": campaign.migrated,
        "failed": campaign.failed,
        "reason": campaign.reason,
    });
    Answer::new(text, json).if_all(campaign.is_done())
}
