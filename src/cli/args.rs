//! The arguments of the program.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, ValueEnum};

use mover_actors::domain::ids::MigrationName;

use crate::state::Role;

use super::log::Format;
use super::shell_words;

/// Moves organizations from one datastore to another, one by one, while people keep working.
#[derive(Debug, Parser)]
#[command(name = "mover", version, max_term_width = 100, after_help = EXAMPLES)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) general: General,
    #[command(subcommand)]
    pub(super) subcommand: ProgramCommand,
}

const EXAMPLES: &str = "\
Without a configuration Mover keeps a private Postgres and Redis under .mover/, so every command works at once.

Examples:
  mover demo                                a few hundred orgs move while clients write; start here
  mover check                               is everything as it must be before a campaign?
  mover exec 'orgs capture whole_org'       every org of the source gets a row
  mover exec 'orgs ready whole_org 5%'      the first of them may move
  mover exec 'migrate whole_org all workers=8 sleep=5000'
  mover status --watch                      in another terminal
  mover exec halt                           from anywhere: end when the orgs in flight have ended
  mover console                             all of these, with completion and a live view";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "General options")]
pub(super) struct General {
    /// The configuration [default: ./mover.toml, if there is one]
    #[arg(long, short, global = true, value_name = "FILE", env = "MOVER_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// What to log: error, warn, info, debug, or directives such as mover=debug
    #[arg(long, global = true, value_name = "LEVEL", env = "MOVER_LOG")]
    pub(super) log: Option<String>,
    /// The format of log lines
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) log_format: Option<Format>,
}

/// The subcommands.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ProgramCommand {
    /// Show a whole campaign on sample data: two Postgres, Redis, and clients that write all the time
    Demo(Demo),
    /// Type commands, with completion, history, help and a live view of campaigns
    Console(Console),
    /// Carry out one command of the console's language and end
    Exec(Exec),
    /// Run a runbook, or continue a run
    Run(Run),
    /// Keep running for a team: a page, an API, events, health and metrics over HTTP
    Serve(Serve),
    /// Create, list and revoke the tokens of HTTP clients
    Token(Token),
    /// Show the state of the migrations and of the live campaign
    Status(Status),
    /// Check connections, rights, definitions and schemas; changes nothing
    Check(Check),
    /// Install, show or remove the triggers that online moves need in a store
    Guard(Guard),
    /// Load the rows of a finalized org from its backup into a store
    Restore(Restore),
    /// Compare the guards of the stores with the move log; exit code 1 if an inconsistency is left
    Doctor(Doctor),
    /// Show the health of Mover: exit code 0 ok, 1 warning, 2 critical
    Health(Health),
    /// Stop the private servers and delete all their data
    Clean(Clean),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff, or write those of all subcommands to a directory
    #[command(after_help = MAN_HELP)]
    Man {
        /// The directory for mover.1, mover-demo.1 and so on
        #[arg(long, value_name = "DIRECTORY")]
        dir: Option<PathBuf>,
    },
}

const COMPLETIONS_HELP: &str = "\
Examples:
  mover completions bash > /etc/bash_completion.d/mover
  mover completions zsh > \"${fpath[1]}/_mover\"
  mover completions fish > ~/.config/fish/completions/mover.fish";

const MAN_HELP: &str = "\
Examples:
  mover man | man -l -
  mover man --dir /usr/local/share/man/man1";

/// `mover demo`
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// How many orgs
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) orgs: u32,
    /// About how many rows over all orgs
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(super) rows: u64,
    /// Orgs in flight at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) workers: u32,
    /// How orgs move: written meanwhile, or in 503 mode while their rows are copied
    #[arg(long, value_enum, default_value_t = DemoStrategy::Online)]
    pub(super) strategy: DemoStrategy,
    /// With --strategy offline: wait after an org is blocked for its admitted requests to end, in milliseconds
    #[arg(long, default_value_t = 250, value_name = "MS", value_parser = clap::value_parser!(u64).range(20..=60_000))]
    pub(super) sleep: u64,
    /// Writes of the clients per second, over all orgs
    #[arg(long, default_value_t = 200, value_name = "PER_SECOND")]
    pub(super) writes: u32,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Which of the sample's two migrations to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DemoStrategy {
    /// Writers wait for a moment at the switch
    Online,
    /// The org is closed while its rows are copied
    Offline,
}

impl DemoStrategy {
    /// The migration's name.
    pub(super) fn migration(self) -> &'static str {
        match self {
            DemoStrategy::Online => "whole_org",
            DemoStrategy::Offline => "whole_org_offline",
        }
    }
}

/// `mover console`
#[derive(Debug, Args)]
#[command(after_help = CONNECT_HELP)]
pub(super) struct Console {
    #[command(flatten)]
    pub(super) there: Connect,
    /// Confirm dangerous commands without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// From a pipe or a file: go on after a line that was not carried out, or was not done to its end
    #[arg(long)]
    pub(super) keep_going: bool,
}

/// `mover exec`
#[derive(Debug, Args)]
pub(super) struct Exec {
    #[command(flatten)]
    pub(super) there: Connect,
    /// The command, e.g. migrate whole_org all; with or without quotes around the whole. 'help' lists them
    #[arg(value_name = "COMMAND", required = true)]
    command: Vec<String>,
    /// Confirm a dangerous command without asking
    #[arg(long)]
    pub(super) yes: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Exec {
    /// The command as one line.
    pub(super) fn line(&self) -> String {
        shell_words::joined(&self.command)
    }
}

/// A remote Mover.
#[derive(Debug, Args)]
#[command(next_help_heading = "A remote Mover")]
pub(super) struct Connect {
    /// Work with the `mover serve` at this URL instead of the local configuration
    #[arg(long, value_name = "URL", env = "MOVER_CONNECT")]
    pub(super) connect: Option<String>,
    /// The file with the token [default: the token in MOVER_TOKEN]
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub(super) token_file: Option<PathBuf>,
    /// The certificate authorities to trust, in PEM [default: those that this machine trusts]
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub(super) ca_file: Option<PathBuf>,
}

const CONNECT_HELP: &str = "\
Without --connect the console drives campaigns itself: they are halted when it is left. With it a Mover that serves drives them, and
they go on without the console.

Examples:
  mover console
  mover console --connect https://mover.example.com --token-file ~/.mover_token";

/// `mover serve`
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(super) struct Serve {
    /// Where to listen [default: listen in [http] of the configuration, else 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,
}

const SERVE_HELP: &str = "\
Every client needs a token: mover token create NAME --role viewer|operator|admin. docs/http.md has the API.
Ctrl-C or SIGTERM halts the campaign, lets orgs in flight finish, and stops; a second one stops at once.

Examples:
  mover serve                              the page is at http://127.0.0.1:7070/
  mover token create alice --role operator
  mover console --connect http://127.0.0.1:7070 --token-file FILE      work with it as at home; so do exec, status
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:7070/api/v1/status";

/// `mover token`
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    pub(super) work: TokenCommand,
}

/// The subcommands of `mover token`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token, and show it once
    Create {
        /// The name of its holder; the audit has it. It can never be used again
        #[arg(value_parser = super::token::name)]
        name: String,
        /// Its role: viewer reads, operator runs campaigns, admin also finalizes and sets flags of all orgs
        #[arg(long, value_parser = role)]
        role: Role,
        /// After how many days it expires [default: never]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: Option<u16>,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all tokens, revoked ones too
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; a running Mover notices within a second
    Revoke {
        /// The name of its holder
        name: String,
        /// Print the answer as JSON
        #[arg(long)]
        json: bool,
    },
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| "a role is one of viewer, operator, admin".to_owned())
}

/// `mover status`
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) there: Connect,
    /// This migration only
    pub(super) migration: Option<String>,
    /// Refresh it until Ctrl-C
    #[arg(long)]
    pub(super) watch: bool,
    /// Print it as JSON; with --watch one object per line
    #[arg(long)]
    pub(super) json: bool,
}

/// `mover check`
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) there: Connect,
    /// Print the findings as JSON
    #[arg(long, conflicts_with = "sql")]
    pub(super) json: bool,
    /// Print the remedies that are SQL as one script, store by store
    #[arg(long)]
    pub(super) sql: bool,
}

/// `mover guard`
#[derive(Debug, Args)]
#[command(after_help = GUARD_HELP)]
pub(super) struct Guard {
    #[command(subcommand)]
    pub(super) work: GuardCommand,
}

const GUARD_HELP: &str = "\
The guard is the schema mover and triggers on the tables of a migration. It logs writes while an org is copied,
and refuses writes in a store that the org does not live in. Installed ahead it is disabled and costs writers nothing.
A campaign installs it where it is missing, and enables it; from then on writers pay a little: docs/benchmarks.md has figures.
Both need a moment without writers on each table. If such moments are rare, run it ahead with --awake. Remove the guard when
all orgs are finalized.

Examples:
  mover guard install old whole_org     in one store, for one migration
  mover guard install old --awake       ready for a campaign, so that it need not wait for a busy table
  mover guard status old                all online migrations that use the store
  mover guard remove new whole_org";

/// The subcommands of `mover guard`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum GuardCommand {
    /// Create what is missing or outdated; waits for moments only, so a busy table never stalls
    Install {
        #[command(flatten)]
        place: GuardPlace,
        /// Also enable it, as a campaign would
        #[arg(long)]
        awake: bool,
    },
    /// Show which tables are guarded, and the modes of orgs
    Status(GuardPlace),
    /// Remove everything; refused while orgs move
    Remove {
        #[command(flatten)]
        place: GuardPlace,
        /// Even if orgs live in the other store: stray writes to them here are no longer refused
        #[arg(long)]
        force: bool,
    },
}

/// Store and migration.
#[derive(Debug, Args)]
pub(super) struct GuardPlace {
    /// The store, as in [stores] of mover.toml
    pub(super) store: String,
    /// This migration only
    #[arg(value_parser = |name: &str| MigrationName::new(name))]
    pub(super) migration: Option<MigrationName>,
    /// Print it as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `mover run`
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
#[command(group(ArgGroup::new("what").required(true).args(["file", "resume", "rollback", "list"])))]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) there: Connect,
    /// The runbook, a Markdown file
    pub(super) file: Option<PathBuf>,
    /// Show what each step would do now, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Answer all questions with yes
    #[arg(long, short)]
    pub(super) yes: bool,
    /// The value of a variable
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, requires = "file")]
    pub(super) var: Vec<(String, String)>,
    /// Continue a run that failed or was killed; finished steps are not repeated
    #[arg(long, value_name = "RUN")]
    pub(super) resume: Option<i64>,
    /// Run the section `## Rollback` of a run
    #[arg(long, value_name = "RUN")]
    pub(super) rollback: Option<i64>,
    /// Continue without the step at which the run stopped, for this reason
    #[arg(long, value_name = "WHY", conflicts_with = "file")]
    pub(super) skip: Option<String>,
    /// Run a shell step again although it was begun before
    #[arg(long, conflicts_with = "file")]
    pub(super) repeat: bool,
    /// Begin although an earlier run of this runbook did not finish
    #[arg(long, requires = "file")]
    pub(super) anew: bool,
    /// Allow shell steps
    #[arg(long)]
    pub(super) allow_shell: bool,
    /// The file for the report [default: run-NUMBER.md]
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Show the latest runs
    #[arg(long)]
    pub(super) list: bool,
    /// With --list: print them as JSON
    #[arg(long, requires = "list")]
    pub(super) json: bool,
}

const RUN_HELP: &str = "\
A runbook is Markdown. Fenced blocks are its steps: ```mover has one command a line, ```expect what must come true, ```sh a script.
It is checked as a whole before the first step. docs/runbooks.md says how to write one; runbooks/ has some.

Examples:
  mover run runbooks/rollback.md --var migration=whole_org --dry-run
  mover run runbooks/rollback.md --var migration=whole_org
  mover run --resume 3                       it failed or was killed: go on where it was
  mover run --resume 3 --skip 'not needed'   without the step at which it stopped
  mover run --rollback 3                     take run 3 back
  mover run runbooks/canary.md --connect https://mover.example.com --token-file ~/.mover_token
                                             questions and shell steps here, commands there; so does --resume 3";

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is given as NAME=VALUE".to_owned()),
    }
}

/// `mover restore`
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup that finalize wrote
    pub(super) file: PathBuf,
    /// The store to load it into, which must hold no row of the org
    #[arg(long, value_name = "STORE")]
    pub(super) to: String,
    /// Take a file without a signature of this move log: of an earlier version, or of a move log that was lost
    #[arg(long)]
    pub(super) unsigned: bool,
    /// Remove the restored rows of a finalized org again, from a store in which it does not live
    #[arg(long)]
    pub(super) remove: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `mover doctor`
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Repair what can be repaired: stop the logging of a source, remove an abandoned copy
    #[arg(long)]
    pub(super) fix: bool,
    /// Take a store as it is now, after a failover or a restore: campaigns begin and continue again
    #[arg(long, value_name = "STORE", conflicts_with = "fix")]
    pub(super) accept: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `mover health`
#[derive(Debug, Args)]
pub(super) struct Health {
    #[command(flatten)]
    pub(super) there: Connect,
    /// Print it as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `mover clean`
#[derive(Debug, Args)]
pub(super) struct Clean {
    /// Do not ask for confirmation; without a terminal nothing is deleted otherwise
    #[arg(long)]
    pub(super) yes: bool,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Format::Text, Format::Json]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Format::Text => clap::builder::PossibleValue::new("text").help("for people"),
            Format::Json => clap::builder::PossibleValue::new("json").help("one object a line"),
        })
    }
}
