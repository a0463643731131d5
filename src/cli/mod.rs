//! The command line of the program: input, output, and exit codes.

mod args;
mod ask;
mod at_work;
mod console;
mod demo;
mod error;
mod exec;
mod follow;
mod host;
mod interrupts;
mod keys;
mod log;
mod pages;
mod progress;
mod run;
mod screen;
mod serve;
mod shell_words;
mod status;
mod token;
mod typed;
mod wrap;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::ParseError;

use crate::app::{App, PRIVATE_DIR, load_config};
use crate::command::{self, Command};
use crate::config::{Config, LogFormat, Override};
use crate::embedded;
use crate::engine::{Level as CheckLevel, Trust};
use crate::operations::{self, Answer, Checked, Diagnosis, GuardWork, Health, RestoreWish, Verdict};
use crate::remote::{Client, Me, RemoteError, Target};
use crate::telemetry::Traces;

use args::{Cli, Connect, General, ProgramCommand};
pub use error::CliError;
use exec::print;
use host::{CommandHost, Local, Remote};
pub use run::{RunError, StepError};
use screen::Screen;

/// Parses the command line and runs the subcommand. Where JSON is wanted, an error is printed as JSON, too.
pub async fn run() -> Result<ExitCode, CliError> {
    let cli = Cli::parse();
    let as_json = wants_json(&cli.subcommand);
    let ended = run_parsed(cli).await;
    if let (true, Err(error)) = (as_json, &ended) {
        println!("{}", serde_json::json!({ "problem": error.problem(), "detail": error.to_string() }));
    }
    ended
}

fn wants_json(subcommand: &ProgramCommand) -> bool {
    match subcommand {
        ProgramCommand::Demo(args) => args.json,
        ProgramCommand::Exec(args) => args.json,
        ProgramCommand::Run(args) => args.json,
        ProgramCommand::Status(args) => args.json,
        ProgramCommand::Check(args) => args.json,
        ProgramCommand::Restore(args) => args.json,
        ProgramCommand::Doctor(args) => args.json,
        ProgramCommand::Health(args) => args.json,
        ProgramCommand::Guard(args) => match &args.work {
            args::GuardCommand::Install { place, .. }
            | args::GuardCommand::Status(place)
            | args::GuardCommand::Remove { place, .. } => place.json,
        },
        ProgramCommand::Token(args) => match &args.work {
            args::TokenCommand::Create { json, .. }
            | args::TokenCommand::List { json }
            | args::TokenCommand::Revoke { json, .. } => *json,
        },
        ProgramCommand::Console(_)
        | ProgramCommand::Serve(_)
        | ProgramCommand::Clean(_)
        | ProgramCommand::Completions { .. }
        | ProgramCommand::Man { .. } => false,
    }
}

async fn run_parsed(cli: Cli) -> Result<ExitCode, CliError> {
    let Cli { general, subcommand } = cli;
    let screen = Screen::default();
    if let Some(refused) = refused_elsewhere(&subcommand) {
        return Err(refused);
    }
    if let ProgramCommand::Clean(args) = &subcommand {
        return clean(args.yes).await;
    }
    if let Some(code) = pages::print(&subcommand).map_err(CliError::Pages)? {
        return Ok(code);
    }
    let command = match &subcommand {
        // A syntax error is reported before anything is started.
        ProgramCommand::Exec(args) => match command::parse(&args.line())? {
            Some(command) => Some(command),
            None => return Ok(ExitCode::SUCCESS),
        },
        _ => None,
    };
    if let Some(connect) = connection(&subcommand) {
        return run_remote(&general, connect, &subcommand, command.as_ref(), &screen).await;
    }
    let overrides = Override::from_environment(std::env::vars_os());
    let (config, has_file) = load_config(general.config.as_deref(), &overrides)?;
    let traces = if is_short(&subcommand) { None } else { Traces::start(&config.telemetry)? };
    start_log(&general, &config, &subcommand, &screen, traces.as_ref())?;
    let code = go_in((config, has_file), &general, &subcommand, command.as_ref(), &screen).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    code
}

async fn go_in(
    (config, has_file): (Config, bool),
    general: &General,
    subcommand: &ProgramCommand,
    command: Option<&Command>,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    if let ProgramCommand::Demo(args) = subcommand {
        return demo::demo(args, screen).await;
    }
    tell_private(&config, has_file);
    let app = match subcommand {
        ProgramCommand::Health(args) => {
            return health(App::connect(config, has_file).await, args.json).await;
        }
        _ => App::open(config, has_file).await?,
    };
    let mut local = Local::new(&app);
    let code = match (subcommand, command) {
        (ProgramCommand::Console(args), _) => console::console(&mut local, screen, &greeting(), args).await,
        (ProgramCommand::Exec(args), Some(command)) => exec::exec(&mut local, screen, command, args).await,
        (ProgramCommand::Run(args), _) => run::run(&mut local, screen, args).await,
        (ProgramCommand::Serve(args), _) => serve::serve(&app, general, args).await,
        (ProgramCommand::Token(args), _) => token::token(&app, &args.work).await,
        (ProgramCommand::Status(args), _) => status::status(&mut local, args).await,
        (ProgramCommand::Check(args), _) => check(&app, args).await,
        (ProgramCommand::Guard(args), _) => guard(&app, &args.work).await,
        (ProgramCommand::Restore(args), _) => restore(&app, args).await,
        (ProgramCommand::Doctor(args), _) => doctor(&app, args).await,
        // Handled above.
        (
            ProgramCommand::Exec(_)
            | ProgramCommand::Demo(_)
            | ProgramCommand::Health(_)
            | ProgramCommand::Clean(_)
            | ProgramCommand::Completions { .. }
            | ProgramCommand::Man { .. },
            _,
        ) => Ok(ExitCode::SUCCESS),
    };
    let closed = local.close().await;
    drop(local);
    app.close().await?;
    closed.and(code)
}

/// The remote Mover to connect to.
fn connection(subcommand: &ProgramCommand) -> Option<&Connect> {
    let there = match subcommand {
        ProgramCommand::Console(args) => &args.there,
        ProgramCommand::Exec(args) => &args.there,
        ProgramCommand::Run(args) => &args.there,
        ProgramCommand::Status(args) => &args.there,
        ProgramCommand::Check(args) => &args.there,
        ProgramCommand::Health(args) => &args.there,
        _ => return None,
    };
    there.connect.is_some().then_some(there)
}

/// The refusal of a command that only works on the local configuration, where `MOVER_CONNECT` names a remote Mover: what it would find or change
/// here is not what is meant.
fn refused_elsewhere(subcommand: &ProgramCommand) -> Option<CliError> {
    let command = match subcommand {
        ProgramCommand::Demo(_) => "demo",
        ProgramCommand::Serve(_) => "serve",
        ProgramCommand::Token(_) => "token",
        ProgramCommand::Guard(_) => "guard",
        ProgramCommand::Restore(_) => "restore",
        ProgramCommand::Doctor(_) => "doctor",
        ProgramCommand::Clean(_) => "clean",
        ProgramCommand::Check(args) if args.sql && args.there.connect.is_some() => "check --sql",
        ProgramCommand::Check(_)
        | ProgramCommand::Console(_)
        | ProgramCommand::Exec(_)
        | ProgramCommand::Run(_)
        | ProgramCommand::Status(_)
        | ProgramCommand::Health(_)
        | ProgramCommand::Completions { .. }
        | ProgramCommand::Man { .. } => return None,
    };
    let url = std::env::var("MOVER_CONNECT").ok().filter(|url| !url.is_empty())?;
    Some(CliError::OnlyHere { command, url })
}

/// Says that the private servers are used, and for what: in a wrong directory a new, empty installation must not be taken for the one that
/// is meant.
fn tell_private(config: &Config, has_file: bool) {
    let here = std::env::current_dir().map_or_else(|_| ".".to_owned(), |here| here.display().to_string());
    let verb = if std::path::Path::new(PRIVATE_DIR).exists() { "uses" } else { "starts and fills" };
    let missing: Vec<&str> = [
        (config.state.is_none(), "[state]"),
        (config.redis.is_none(), "[redis]"),
        (config.stores.is_empty(), "[stores]"),
    ]
    .into_iter()
    .filter_map(|(is_missing, section)| is_missing.then_some(section))
    .collect();
    match (missing.is_empty(), has_file) {
        (true, _) => {}
        (false, true) => eprintln!(
            "note: the configuration has no {}, so Mover {verb} the private servers in {here}/{PRIVATE_DIR}",
            missing.join(", ")
        ),
        (false, false) => {
            eprintln!(
                "note: there is no mover.toml in {here}, so Mover {verb} the private servers in {PRIVATE_DIR}/ there"
            )
        }
    }
}

/// The same interfaces on a remote Mover. No local configuration is read, and no local database is opened.
async fn run_remote(
    general: &General,
    connect: &Connect,
    subcommand: &ProgramCommand,
    command: Option<&Command>,
    screen: &Screen,
) -> Result<ExitCode, CliError> {
    let level = general.log.as_deref().unwrap_or("info");
    log::start(screen.clone(), general.log_format.unwrap_or(log::Format::Text), level, None)?;
    let Connect { connect: url, token_file, ca_file } = connect;
    let url = url.as_deref().unwrap_or_default();
    let target = Target::new(url, token_file.as_deref(), ca_file.as_deref()).map_err(RemoteError::from)?;
    let client = Client::new(target);
    if let ProgramCommand::Health(args) = subcommand {
        let health =
            client.get("/health").await.unwrap_or_else(|error: RemoteError| Health::critical(error.to_string()));
        return Ok(told_health(&health, args.json));
    }
    let mut host = Remote::open(client).await?;
    let code = match (subcommand, command) {
        (ProgramCommand::Console(args), _) => {
            let Me { name, role, .. } = host.me();
            let greeting = format!("{} At {} you are {name}, {role}.", greeting(), host.url());
            console::console(&mut host, screen, &greeting, args).await
        }
        (ProgramCommand::Exec(args), Some(command)) => exec::exec(&mut host, screen, command, args).await,
        (ProgramCommand::Run(args), _) => run::run(&mut host, screen, args).await,
        (ProgramCommand::Status(args), _) => status::status(&mut host, args).await,
        (ProgramCommand::Check(args), _) => exec::look(&mut host, &Command::Check, args.json).await,
        // Only these accept `--connect`.
        _ => Ok(ExitCode::SUCCESS),
    };
    host.close().await?;
    code
}

fn greeting() -> String {
    format!("Mover {}.", env!("CARGO_PKG_VERSION"))
}

/// Whether the command is short, or, like the demo, shows its own progress.
fn is_short(subcommand: &ProgramCommand) -> bool {
    matches!(
        subcommand,
        ProgramCommand::Status(_)
            | ProgramCommand::Check(_)
            | ProgramCommand::Guard(_)
            | ProgramCommand::Restore(_)
            | ProgramCommand::Doctor(_)
            | ProgramCommand::Token(_)
            | ProgramCommand::Health(_)
            | ProgramCommand::Demo(_)
    )
}

/// A campaign is long, so it logs at `info`; a short command logs warnings only.
fn start_log(
    general: &General,
    config: &Config,
    subcommand: &ProgramCommand,
    screen: &Screen,
    traces: Option<&Traces>,
) -> Result<(), ParseError> {
    let format = general.log_format.unwrap_or(match config.log.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    });
    let level = match (&general.log, is_short(subcommand)) {
        (Some(said), _) => said.as_str(),
        (None, true) => "error",
        (None, false) => config.log.level.as_str(),
    };
    log::start(screen.clone(), format, level, traces)
}

async fn check(app: &App, args: &args::Check) -> Result<ExitCode, CliError> {
    let checked = Checked::look(&app.world).await?;
    match args.sql {
        true => print!("{}", operations::Script::of(&checked)),
        false => print(&Answer::of(&checked), args.json),
    }
    Ok(if checked.worst() == CheckLevel::Problem { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn guard(app: &App, command: &args::GuardCommand) -> Result<ExitCode, CliError> {
    let (place, work) = match command {
        args::GuardCommand::Install { place, awake } => (place, GuardWork::Install { awake: *awake }),
        args::GuardCommand::Status(place) => (place, GuardWork::Status),
        args::GuardCommand::Remove { place, force } => (place, GuardWork::Remove { force: *force }),
    };
    let answer = operations::guard(&app.world, work, &place.store, place.migration.as_ref()).await?;
    print(&answer, place.json);
    Ok(ExitCode::SUCCESS)
}

async fn restore(app: &App, args: &args::Restore) -> Result<ExitCode, CliError> {
    let trust = if args.unsigned { Trust::AlsoUnsigned } else { Trust::Signed };
    let wish = RestoreWish { file: &args.file, store: &args.to, trust, remove: args.remove };
    let answer = operations::restore(&app.world, wish).await?;
    print(&answer, args.json);
    Ok(ExitCode::SUCCESS)
}

async fn doctor(app: &App, args: &args::Doctor) -> Result<ExitCode, CliError> {
    if let Some(store) = &args.accept {
        print(&operations::accept(&app.world, store).await?, args.json);
        return Ok(ExitCode::SUCCESS);
    }
    let diagnosis = Diagnosis::look_with_flags(&app.world, args.fix).await?;
    print(&Answer::of(&diagnosis), args.json);
    Ok(if diagnosis.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Any error on the way is reported as critical health.
async fn health(app: Result<App, crate::app::AppError>, as_json: bool) -> Result<ExitCode, CliError> {
    let health = match &app {
        Ok(app) => Health::look(&app.world).await.unwrap_or_else(|error| Health::critical(error.to_string())),
        Err(error) => Health::critical(error.to_string()),
    };
    if let Ok(app) = app {
        app.close().await?;
    }
    Ok(told_health(&health, as_json))
}

fn told_health(health: &Health, as_json: bool) -> ExitCode {
    print(&Answer::of(health), as_json);
    Verdict::from(health.level).exit_code().into()
}

async fn clean(yes: bool) -> Result<ExitCode, CliError> {
    if !yes && std::path::Path::new(PRIVATE_DIR).exists() {
        if !ask::is_interactive() {
            let what =
                format!("clean: {PRIVATE_DIR}/ with the private Postgres and Redis is deleted, and everything in them");
            return Err(CliError::Unconfirmed { what });
        }
        eprint!("Delete {PRIVATE_DIR}/ with the private Postgres and Redis and everything in them? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !answer.trim().eq_ignore_ascii_case("y") {
            println!("nothing was deleted");
            return Ok(ExitCode::FAILURE);
        }
    }
    match embedded::clean(PRIVATE_DIR).await? {
        true => println!("{PRIVATE_DIR}/ is gone"),
        false => println!("there is no {PRIVATE_DIR}/ here"),
    }
    Ok(ExitCode::SUCCESS)
}
