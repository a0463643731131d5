//! `mover serve`: keeps Mover running for a team.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use mover_actors::domain::campaign::Steer;
use mover_actors::otp::{Board, Root, Strategy, SupervisorSpec};
use mover_actors::ports::MoveLog;
use mover_actors::tree::Tree;
use tokio::time::{Instant, sleep};

use crate::app::{App, AppError};
use crate::http::access::Secret;
use crate::http::{Events, Server, Shared};
use crate::operations::{Needs, Running};
use crate::state::Role;

use super::args;
use super::error::CliError;
use super::interrupts::Interrupts;

/// The name of the token that is made where there is none.
const FIRST_TOKEN: &str = "first";
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);

/// Serves until a signal asks for the end.
pub(super) async fn serve(app: &App, args: &args::Serve) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let Some(mut tree) = app.start(Needs::Tree).await? else { return Ok(ExitCode::SUCCESS) };
    let mut settings = app.config().http.clone();
    settings.listen = args.listen.unwrap_or(settings.listen);
    let shutdown = settings.shutdown;
    let board = Board::new();
    let shared = Arc::new(Shared::new(app.world.clone(), Running::from(&tree), board.clone(), settings));
    // A tree of their own: neither takes the other down.
    let doors = SupervisorSpec::new("doors", Strategy::OneForOne).child(Events::spec(shared.clone()));
    let mut doors = Root::start(doors, &board);
    doors.up().await.map_err(AppError::from)?;
    let mut server = Server::start(shared)?;
    let url = format!("http://{}", server.address());
    tracing::info!(%url, "serving");
    tell_first_token(app, &url).await?;
    tokio::select! {
        () = interrupts.next() => {}
        ended = tree.ended() => ended.map_err(AppError::from)?,
        ended = doors.ended() => ended.map_err(AppError::from)?,
        error = server.ended() => return Err(error.into()),
    }
    server.stop().await;
    doors.stop().await.map_err(AppError::from)?;
    end(app, tree, shutdown, &mut interrupts).await?;
    Ok(ExitCode::SUCCESS)
}

/// The campaign that this process drives is halted, and its orgs in flight have some time for their end. Those that need longer
/// are taken over by the next process.
async fn end(app: &App, tree: Tree, within: std::time::Duration, interrupts: &mut Interrupts) -> Result<(), CliError> {
    let log = &app.world.log;
    let until = Instant::now() + within;
    if let Ok(Some(campaign)) = log.live_campaign().await
        && campaign.node == tree.node()
    {
        tracing::warn!(
            in_flight = campaign.in_flight(),
            within_s = within.as_secs(),
            "halting: orgs in flight go on to their end"
        );
        if let Err(error) = log.steer(Steer::Halt, Some("mover serve ends")).await {
            tracing::warn!(%error, "the campaign could not be halted");
        }
    }
    while log.held(tree.node(), 1).await.is_ok_and(|held| !held.is_empty()) {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = interrupts.next() => break,
        }
        if Instant::now() >= until {
            tracing::warn!("some orgs need longer; the next Mover takes them over");
            break;
        }
    }
    tree.stop().await.map_err(AppError::from)?;
    Ok(())
}

/// Whoever tries Mover for the first time has no token yet. It is told on a terminal only: a log is no place for it.
async fn tell_first_token(app: &App, url: &str) -> Result<(), CliError> {
    if !app.world.log.tokens().await?.is_empty() {
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        tracing::warn!("nobody has a token yet; next: mover token create NAME --role admin");
        return Ok(());
    }
    let secret = Secret::generate();
    app.world.log.create_token(FIRST_TOKEN, &secret.hash(), Role::Admin, Some(1)).await?;
    println!(
        "There is no token yet, so here is one for a day, with the role admin:\n\n  {url}/#token={}\n",
        secret.tell()
    );
    println!("next: mover token create NAME --role operator");
    Ok(())
}
