//! `mover serve`: keeps Mover running for a team.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::campaign::{Control, Phase};
use mover_actors::otp::{Registry, Root, Strategy, SupervisorSpec};
use mover_actors::ports::MoveLog;
use mover_actors::tree::Tree;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, sleep};

use crate::app::{App, AppError, load_config};
use crate::command::Command;
use crate::config::Override;
use crate::http::access::Secret;
use crate::http::{Events, Server, Shared};
use crate::operations::{CampaignStatus, Interface, Needs, Running, carry_out};
use crate::state::Role;
use crate::telemetry::Metrics;

use super::args::{self, General};
use super::at_work;
use super::error::CliError;
use super::interrupts::Interrupts;
use super::log;

/// The name of the token that is created if there is none.
const FIRST_TOKEN: &str = "first";
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it looks for a campaign whose process is gone.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(2);

/// Serves until a signal asks it to stop.
pub(super) async fn serve(app: &App, general: &General, args: &args::Serve) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut settings = app.config().http.clone();
    settings.listen = args.listen.unwrap_or(settings.listen);
    if let Some(problem) = settings.open_problem() {
        return Err(CliError::Open { listen: settings.listen, problem });
    }
    let metrics = Metrics::install()?;
    let Some(mut tree) = app.start(Needs::Tree).await? else { return Ok(ExitCode::SUCCESS) };
    let registry = Registry::new();
    let pool = app.world.log.pool().clone();
    let world = app.world_for_readers().await?;
    let (running, lease) = (Running::from(&tree), app.config().lease);
    let shared = Shared::new(world, pool, running, registry.clone(), settings, lease, metrics).await?;
    let shared = Arc::new(shared);
    // A tree of their own: a failure of one tree does not stop the other.
    let interfaces = SupervisorSpec::new("interfaces", Strategy::OneForOne).child(Events::spec(shared.clone()));
    let mut interfaces = Root::start(interfaces, &registry);
    interfaces.up().await.map_err(AppError::from)?;
    let mut server = Server::start(shared.clone())?;
    tracing::info!(url = %server.url(), "serving");
    println!("{}/", server.url());
    warn_without_token(app, &server.url()).await?;
    let mut looks = tokio::time::interval(TAKE_OVER_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = interrupts.next() => break,
            // A campaign that another process drove may have been interrupted meanwhile.
            _ = looks.tick() => continue_campaign(app, &tree).await,
            _ = hangups.recv() => reload(general, &shared, &server),
            ended = tree.ended() => ended.map_err(AppError::from)?,
            ended = interfaces.ended() => ended.map_err(AppError::from)?,
            error = server.ended() => return Err(error.into()),
        }
    }
    tracing::info!("stopping: no new connections are accepted");
    server.stop().await;
    interfaces.stop().await.map_err(AppError::from)?;
    end(app, tree, shared.settings().shutdown, &mut interrupts).await?;
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Continues a campaign whose process was killed: it was neither halted nor paused.
async fn continue_campaign(app: &App, tree: &Tree) {
    let latest = app.world.log.recent_campaigns(1).await.ok().and_then(|mut latest| latest.pop());
    let latest = latest.map(CampaignStatus::from);
    if latest.is_some_and(|campaign| campaign.is_interrupted() && campaign.phase == Phase::Running) {
        let resume = Command::Control(Control::Resume);
        match carry_out(&app.world, Some(&Running::from(tree)), Interface::Serve, &resume).await {
            Ok(outcome) => tracing::warn!(answer = %outcome.answer().text, "a campaign was interrupted, and goes on"),
            Err(error) => tracing::warn!(%error, "an interrupted campaign could not go on; next: resume"),
        }
    }
}

/// SIGHUP: reloads all settings that can change while Mover runs, or none of them.
fn reload(general: &General, shared: &Shared, server: &Server) {
    let overrides = Override::from_environment(std::env::vars_os());
    let config = match load_config(general.config.as_deref(), &overrides) {
        Ok((config, _)) => config,
        Err(mistakes) => return tracing::error!("the configuration was not read again: {mistakes}"),
    };
    server.change_settings(&config.http);
    if general.log.is_none()
        && let Err(error) = log::change(config.log.level.as_str())
    {
        tracing::error!(%error, "the level of the log stays as it is");
    }
    shared.change_settings(config.http);
    tracing::info!(
        "the configuration was read again: [http] but for listen, and level in [log]; the rest takes a restart"
    );
}

/// Halts the campaign that this process drives, and gives its orgs in flight some time to finish. The next process takes over
/// those that need longer.
async fn end(app: &App, tree: Tree, within: Duration, interrupts: &mut Interrupts) -> Result<(), CliError> {
    let log = &app.world.log;
    let until = Instant::now() + within;
    if let Ok(Some(campaign)) = log.live_campaign().await
        && campaign.node == tree.node()
    {
        let (in_flight, within_s) = (campaign.in_flight(), within.as_secs());
        tracing::warn!(in_flight, within_s, "halting: orgs in flight go on to their end");
        if let Err(error) = log.control(Control::Halt, Some("mover serve was ended")).await {
            tracing::warn!(%error, "the campaign could not be halted");
        }
    }
    while is_at_work(app, &tree).await {
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

/// Whether orgs are in flight here, or the campaign has not finished. Does not wait for a move log that does not answer.
async fn is_at_work(app: &App, tree: &Tree) -> bool {
    let log = &app.world.log;
    let has_orgs = at_work::has_orgs(log, tree).await.unwrap_or(false);
    let is_driving = log.live_campaign().await.is_ok_and(|live| live.is_some_and(|live| live.node == tree.node()));
    has_orgs || is_driving
}

/// A first user has no token yet. The hint is printed on a terminal only, not to a log.
async fn warn_without_token(app: &App, url: &str) -> Result<(), CliError> {
    if !app.world.log.tokens().await?.is_empty() {
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        tracing::warn!("no token exists yet; next: mover token create NAME --role admin");
        return Ok(());
    }
    let secret = Secret::generate();
    app.world.log.create_token(FIRST_TOKEN, &secret.hash(), Role::Admin, Some(1)).await?;
    println!(
        "There is no token yet, so here is one for a day, with the role admin:\n\n  {url}/#token={}\n",
        secret.expose()
    );
    println!("next: mover token create NAME --role operator");
    Ok(())
}
