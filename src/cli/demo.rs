//! `mover demo`: a whole campaign on sample data, and the proof that nothing was lost.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mover_actors::domain::campaign::Campaign;
use mover_actors::domain::ids::IdError;
use mover_actors::ports::MoveLog;
use thiserror::Error;
use tokio::time::Instant;

use crate::app::{App, PRIVATE_DIR, STATE_DATABASE};
use crate::command;
use crate::config::Config;
use crate::demo::audit::{AuditError, audit};
use crate::demo::clients::{ClientOptions, Clients, ClientsError};
use crate::demo::commits::Commits;
use crate::demo::quantiles::Quantiles;
use crate::demo::report::{CampaignFigures, DemoReport};
use crate::demo::sample::{Sample, SampleError, Shape};
use crate::embedded::{Options, Servers};
use crate::operations::{Interface, Needs, Outcome, Running, carry_out};

use super::args::{Demo, DemoStrategy};
use super::error::CliError;
use super::follow::follow;
use super::host::{CommandHost, Local};
use super::interrupts::Interrupts;
use super::screen::Screen;

/// Where commits are measured: on the server of the stores, but in none of them.
const COMMITS_DATABASE: &str = "commits";

/// Why the demo failed.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The sample stores.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The clients.
    #[error(transparent)]
    Clients(#[from] ClientsError),
    /// The measurement of commits.
    #[error("measuring how long a durable commit takes: {0}")]
    Commits(#[from] tokio_postgres::Error),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A name in the sample.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The private Redis.
    #[error("emptying the private Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// Another process uses the private servers.
    #[error("another Mover works on the private servers in {PRIVATE_DIR}/; end it first (`mover exec nodes` shows it)")]
    InUse,
}

/// Runs the demo; the exit code is 1 if anything was lost, duplicated or left behind.
pub(super) async fn demo(args: &Demo, screen: &Screen) -> Result<ExitCode, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let mut config = Config::default();
    config.tuning.concurrency = args.workers;
    config.tuning.sleep_time_ms = args.sleep;
    let servers = Servers::start(PRIVATE_DIR, Options::default()).await?;
    let sample = tokio::select! {
        sample = prepare(args, &config, &servers) => sample?,
        () = interrupts.next() => return Err(CliError::Interrupted),
    };
    let app = App::open(config, false).await?;
    let mut host = Local::new(&app);
    host.prepare(Needs::Tree).await?;
    let report = run(args, screen, &app, &mut host, &sample, &servers, &mut interrupts).await;
    host.close().await?;
    drop(host);
    app.close().await?;
    let report = report?;
    servers.release().await?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default()),
        false => {
            let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print!("{}", report.to_text(colours));
        }
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// Empties the private servers of an earlier demo and creates the sample stores.
async fn prepare(args: &Demo, config: &Config, servers: &Servers) -> Result<Sample, CliError> {
    let earlier = App::open(config.clone(), false).await?;
    let in_use = earlier.world.log.nodes().await?.iter().any(|node| node.alive);
    drop(earlier);
    if in_use {
        return Err(DemoError::InUse.into());
    }
    servers.drop_database(STATE_DATABASE).await?;
    empty(servers).await.map_err(DemoError::from)?;
    let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
    let shape = Shape::demo().orgs(args.orgs).rows(args.rows);
    let spinner = spinner(format!("making {} orgs with about {} rows in the store old", args.orgs, args.rows));
    let made =
        sample.reset(&shape, |table| spinner.set_message(format!("{} rows in {}", table.rows, table.table))).await;
    spinner.finish_and_clear();
    made.map_err(DemoError::from)?;
    Ok(sample)
}

async fn empty(servers: &Servers) -> Result<(), redis::RedisError> {
    let client = redis::Client::open(servers.redis_url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("FLUSHALL").query_async(&mut connection).await
}

fn spinner(message: String) -> ProgressBar {
    let spinner = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        spinner.set_style(style);
    }
    spinner.set_message(message);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

async fn run(
    args: &Demo,
    screen: &Screen,
    app: &App,
    host: &mut Local<'_>,
    sample: &Sample,
    servers: &Servers,
    interrupts: &mut Interrupts,
) -> Result<DemoReport, CliError> {
    let Some(running) = host.running() else { return Err(CliError::Interrupted) };
    let orgs = sample.orgs().await.map_err(DemoError::from)?;
    let orgs_total = orgs.len() as u64;
    let options = ClientOptions {
        writes_per_second: args.writes,
        deadline_ms: match args.strategy {
            // An admitted request must begin to write well before the campaign stops waiting for it.
            DemoStrategy::Offline => (args.sleep / 2).min(100),
            // Online nothing depends on it.
            DemoStrategy::Online => 10_000,
        },
        ..ClientOptions::default()
    };
    say("every org lives in the store old: darklaunch default cell=old");
    command(app, &running, "darklaunch default cell=old").await?;
    say(&format!("{} clients write {} times a second, wherever the flags say", options.clients, args.writes));
    let route_by = options.route_by.clone();
    let clients = Clients::start(sample, &servers.redis_url(), orgs, options).await.map_err(DemoError::from)?;
    let migration = args.strategy.migration();
    for line in [format!("orgs capture {migration}"), format!("orgs ready {migration} all")] {
        say(&line);
        command(app, &running, &line).await?;
    }
    let migrate = format!("migrate {migration} all");
    say(&migrate);
    servers.ensure_database(COMMITS_DATABASE).await?;
    let commits = Commits::start(&servers.postgres_url(COMMITS_DATABASE)).await.map_err(DemoError::from)?;
    let begun = Instant::now();
    let Outcome::Campaign(campaign, total) = command(app, &running, &migrate).await? else {
        return Err(CliError::Interrupted);
    };
    let view = app.world.log.campaign_view(campaign.id).await?;
    follow(host, screen, interrupts, view.into(), total).await?;
    let ended = app.world.log.campaign(campaign.id).await?;
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let commit_p50_us = commits.median_us().await;
    // A little longer, so that every org is written in its new place.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ledger, clients) = clients.stop().await.map_err(DemoError::from)?;
    say(&format!(
        "looking for each of {} acknowledged writes where the flags say it should be",
        clients.acknowledged()
    ));
    let audit = audit(sample, &servers.redis_url(), &route_by, &ledger).await.map_err(DemoError::from)?;
    let figures = figures(app, &ended, orgs_total, elapsed_ms).await?;
    let figures = CampaignFigures { commit_p50_us, ..figures };
    Ok(DemoReport::new(figures, clients, audit))
}

async fn command(app: &App, running: &Running, line: &str) -> Result<Outcome, CliError> {
    match command::parse(line)? {
        Some(command) => Ok(carry_out(&app.world, Some(running), Interface::Demo, &command).await?),
        None => Err(CliError::Interrupted),
    }
}

async fn figures(app: &App, campaign: &Campaign, orgs: u64, elapsed_ms: u64) -> Result<CampaignFigures, CliError> {
    let copied = app.world.log.copied(campaign).await?;
    let closed = app.world.log.closed_times(&campaign.migration, Some(campaign.id)).await?;
    Ok(CampaignFigures {
        orgs,
        orgs_moved: campaign.migrated,
        orgs_verified: copied.orgs,
        orgs_failed: campaign.failed,
        rows: copied.rows,
        bytes: copied.bytes,
        elapsed_ms,
        closed: closed.map_or_else(Quantiles::default, |closed| Quantiles {
            count: closed.orgs,
            p50_ms: closed.p50_ms.round() as u64,
            p99_ms: closed.p99_ms.round() as u64,
            max_ms: closed.max_ms.round() as u64,
        }),
        commit_p50_us: None,
    })
}

/// Prints the current operation, as an operator would type it.
fn say(what: &str) {
    eprintln!("mover> {what}");
}
