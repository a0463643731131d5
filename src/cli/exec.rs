//! `mover exec`: one command, carried out to its end.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use mover_actors::domain::campaign::{Campaign, Steer};
use mover_actors::domain::state::Aim;
use mover_actors::ports::{LogError, MoveLog};
use mover_actors::tree::Tree;
use serde_json::json;

use crate::app::App;
use crate::command::{Command, verb};
use crate::operations::{self, Answer, Door, Needs, OperationError, Outcome, Running, needs};

use super::args;
use super::ask::is_meant;
use super::error::CliError;
use super::fold;
use super::follow::follow;
use super::interrupts::Interrupts;
use super::screen::Screen;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Carries out a command; a campaign is followed to its end. The exit code is not zero if an org failed.
pub(super) async fn exec(
    app: &App,
    screen: &Screen,
    command: &Command,
    args: &args::Exec,
) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    is_meant(&app.world, command, args.yes, &mut interrupts).await?;
    let mut tree = app.start(needs(command)).await?;
    let running = tree.as_ref().map(Running::from);
    let carrying_out = operations::carry_out(&app.world, running.as_ref(), Door::Exec, command);
    let carried_out = match needs(command) {
        // A campaign is opened or not, and then it hears Ctrl-C.
        Needs::Tree => carrying_out.await,
        Needs::Nothing | Needs::Flags => tokio::select! {
            outcome = carrying_out => outcome,
            () = interrupts.next() => return Err(CliError::Interrupted),
        },
    };
    let ended = match (carried_out, &mut tree) {
        (Ok(Outcome::Campaign(campaign, total)), Some(tree)) => {
            let ended = follow(app, tree, screen, &mut interrupts, campaign, total).await?;
            Ok((summary(&ended), exit_code(&ended)))
        }
        (Err(OperationError::Log(LogError::NoCampaign)), Some(tree))
            if matches!(command, Command::Steer(Steer::Resume)) =>
        {
            finish_orphans(app, tree, &mut interrupts).await.map(|answer| (answer, ExitCode::SUCCESS))
        }
        (outcome, _) => outcome.map(|outcome| (outcome.answer(), ExitCode::SUCCESS)).map_err(CliError::from),
    };
    if let Some(tree) = tree {
        tree.stop().await.map_err(crate::app::AppError::from)?;
    }
    let (answer, code) = ended?;
    print(&answer, args.json);
    Ok(code)
}

/// Prints an answer as it was asked for.
pub(super) fn print(answer: &Answer, as_json: bool) {
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = match (as_json, answer.text.is_empty()) {
        (true, _) => writeln!(out, "{}", answer.json),
        (false, false) => writeln!(out, "{}", fold::for_stdout(&answer.text)),
        (false, true) => Ok(()),
    };
}

/// There is no campaign to resume, but a dead process may have left orgs in flight: they are brought to their end.
async fn finish_orphans(app: &App, tree: &mut Tree, interrupts: &mut Interrupts) -> Result<Answer, CliError> {
    let log = &app.world.log;
    let mut most = 0;
    loop {
        let nodes = log.nodes().await?;
        let of_the_dead: u64 = nodes.iter().filter(|node| !node.alive).map(|node| node.moves).sum();
        let ours = log.held(tree.node(), u32::MAX >> 1).await?.len() as u64;
        most = most.max(of_the_dead + ours);
        if of_the_dead + ours == 0 {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            ended = tree.ended() => ended.map_err(crate::app::AppError::from)?,
            () = interrupts.next() => return Err(CliError::Interrupted),
        }
    }
    match most {
        0 => Err(OperationError::Log(LogError::NoCampaign).into()),
        orgs => Ok(Answer::new(
            format!("{orgs} orgs that a dead process had left in flight were brought to their end. next: status"),
            json!({ "taken_over": orgs }),
        )),
    }
}

fn summary(campaign: &Campaign) -> Answer {
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
    Answer::new(text, json)
}

fn exit_code(campaign: &Campaign) -> ExitCode {
    if campaign.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
