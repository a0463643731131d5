//! The command language of all interfaces: console, `mover exec`,
//! HTTP and runbooks. A line of text becomes a [`Command`] here, or an error that points at the mistake.
//!
//! - `line`: text -> arguments (quotes, lists, `key=value`, `@file`, comments)
//! - `args`, `selection`: arguments -> values
//! - `grammar/`: one entry for each command: its syntax line, its help, its examples, how it is read
//! - `display`: a command as text; reading that text gives the same command again
//! - `redis_cli`: lines for `redis-cli` that mean the same as a command
//! - `erlang/`: the calls of the original system
//! - `help`: what `help` prints, from the same entries

mod args;
mod cursor;
mod display;
pub mod erlang;
mod error;
mod grammar;
mod help;
mod line;
mod redis_cli;
mod selection;
mod spec;
mod words;

use mover_actors::domain::campaign::Control;
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::Aim;

pub use self::display::verb;
pub use self::error::ParseError;
pub use self::help::{explained, help};
pub use self::selection::Which;
pub use self::spec::{Spec, specs};
pub use self::words::{Word, line_of};

/// A command of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Give every org of the source a row in `holding`.
    OrgsCapture {
        /// The migration whose org directory is read.
        migration: MigrationName,
    },
    /// Give some orgs of the source a row in `holding`.
    OrgsAdd {
        /// The orgs; at least one.
        orgs: Vec<OrgName>,
        /// The migration in whose org directory they are looked up.
        migration: MigrationName,
    },
    /// Release captured orgs, so that a campaign may move them.
    OrgsReady {
        /// The migration.
        migration: MigrationName,
        /// The orgs.
        which: Which,
    },
    /// Give captured orgs that do not move yet flags of their own, which force them to the old components.
    OrgsForceOld {
        /// The migration.
        migration: MigrationName,
    },
    /// List the orgs of a migration.
    OrgsList {
        /// The migration.
        migration: MigrationName,
        /// Only orgs in this state.
        state: Option<StateKind>,
        /// At most this many.
        limit: Option<u32>,
    },
    /// Show one org: state, step, history, flags, sizes.
    Org {
        /// The org.
        org: OrgName,
        /// In this migration only.
        migration: Option<MigrationName>,
    },
    /// Start a campaign.
    Migrate {
        /// The aim.
        aim: Aim,
        /// The migration.
        migration: MigrationName,
        /// The selected orgs, among those in the state from which the aim claims.
        which: Which,
        /// Options; the configuration has the defaults.
        options: MigrateOptions,
    },
    /// Show the state of a migration, or of the live campaign.
    Status {
        /// This migration only.
        migration: Option<MigrationName>,
        /// In the console: refresh it.
        watch: bool,
    },
    /// Change the live campaign: pause, resume, halt, set.
    Control(Control),
    /// Compare the rows of migrated orgs in both stores.
    Verify {
        /// The migration.
        migration: MigrationName,
        /// The orgs.
        which: Which,
    },
    /// Make failed orgs ready again, or those that were rolled back.
    Retry {
        /// The migration.
        migration: MigrationName,
        /// Which of them.
        which: Which,
        /// The state that they are in. Orgs that are named may be in either.
        from: RetryFrom,
    },
    /// Show the desired and the actual fields of a flag hash.
    FlagsShow {
        /// The hash.
        hash: FlagHash,
    },
    /// Compare all flags in Redis with the desired ones.
    FlagsCheck,
    /// Write the flags that differ from the desired ones.
    FlagsRepair,
    /// Set fields of a flag hash permanently.
    Darklaunch {
        /// The hash.
        hash: FlagHash,
        /// The fields; `None` removes one. At least one.
        fields: Fields,
    },
    /// Put one org in 503 mode, or take it out.
    Darklaunch503 {
        /// The org.
        org: OrgName,
        /// Whether 503 mode is on from now on.
        on: bool,
    },
    /// Put the endpoints that list and create orgs in 503 mode, or take them out.
    DarklaunchOrgs503 {
        /// Whether 503 mode is on from now on.
        on: bool,
    },
    /// Allow or forbid the creation of orgs.
    DarklaunchOrgCreation {
        /// Whether orgs can be created from now on.
        on: bool,
    },
    /// Show the supervision tree.
    Tree,
    /// Show the running Mover processes.
    Nodes,
    /// Check connections, rights, definitions and schemas.
    Check,
    /// Show the health: ok, warning or critical.
    Health,
    /// Write a report of a migration.
    Report {
        /// The migration.
        migration: MigrationName,
        /// Write it to this file, not to the screen.
        out: Option<String>,
    },
    /// Approve a command of another user.
    Approve {
        /// Its number.
        command: i64,
    },
    /// Refuse a command that waits for approval.
    Refuse {
        /// Its number.
        command: i64,
    },
    /// Show earlier commands, with user and time.
    History {
        /// At most this many.
        limit: Option<u32>,
    },
    /// Explain the commands.
    Help {
        /// The first words of the commands to explain; `None`: an overview.
        topic: Option<String>,
    },
    /// Leave the console.
    Quit,
}

/// The state in which orgs wait to be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryFrom {
    /// They could not be moved.
    Failed,
    /// They were moved, and brought back.
    RolledBack,
}

/// Options of a new campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MigrateOptions {
    /// Orgs in flight at once.
    pub workers: Option<u32>,
    /// Wait after the block, in milliseconds.
    pub sleep_time_ms: Option<u64>,
    /// Pause of a worker between two orgs, in milliseconds.
    pub pace_ms: Option<u64>,
    /// Halt at the first failed org.
    pub error_halts: Option<bool>,
    /// Halt when more orgs than this have failed.
    pub failures_max: Option<u32>,
}

/// Selects a flag hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagHash {
    /// `dl_default`
    Default,
    /// `dl_override`
    Override,
    /// The hash for requests that belong to no org.
    NoOrg,
    /// An org's own.
    Org(OrgName),
}

impl Command {
    /// The orgs that it selects, if it does.
    pub fn selected(&self) -> Option<&Which> {
        match self {
            Command::OrgsReady { which, .. }
            | Command::Migrate { which, .. }
            | Command::Verify { which, .. }
            | Command::Retry { which, .. } => Some(which),
            _ => None,
        }
    }

    /// The file that the command would read or write.
    pub fn file(&self) -> Option<&str> {
        match (self, self.selected()) {
            (_, Some(Which::File(path))) | (Command::Report { out: Some(path), .. }, _) => Some(path),
            _ => None,
        }
    }
}

impl FlagHash {
    /// Its key in Redis.
    pub fn key(&self) -> FlagKey {
        match self {
            FlagHash::Default => FlagKey::default_hash(),
            FlagHash::Override => FlagKey::override_hash(),
            FlagHash::NoOrg => FlagKey::no_org(),
            FlagHash::Org(org) => FlagKey::org(org),
        }
    }
}

/// A state without its step, for filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StateKind {
    /// Captured, not released.
    Holding,
    /// May be claimed.
    Ready,
    /// In flight.
    Started,
    /// Done.
    Migrated,
    /// Parked.
    Failed,
    /// On its source again.
    RolledBack,
    /// Gone from the source.
    Finalized,
}

impl StateKind {
    /// All of them, with their names.
    pub const ALL: [(&'static str, StateKind); 7] = [
        ("holding", StateKind::Holding),
        ("ready", StateKind::Ready),
        ("started", StateKind::Started),
        ("migrated", StateKind::Migrated),
        ("failed", StateKind::Failed),
        ("rolled_back", StateKind::RolledBack),
        ("finalized", StateKind::Finalized),
    ];

    /// The name used in commands, tables and JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The name of an org as it is typed: in quotes unless it is plainly a name, and no word of any command.
pub fn written_name(name: &str) -> String {
    line::written(name, &["all", "failed", "rolled_back", "default", "override", "no-org"])
}

/// Parses one line. An empty line, or one with only a comment, is no command.
pub fn parse(line: &str) -> Result<Option<Command>, ParseError> {
    if erlang::is_erlang(line) && !line.trim_start().starts_with('%') {
        let begin = line.chars().take_while(|c| c.is_whitespace()).count();
        let span = line::Span { start: begin, end: line.trim_end().chars().count().max(begin + 1) };
        let problem =
            "a call of the original system: mover console takes it, and so do runbooks; here a command is expected";
        return Err(error::Fault::new(span, problem).in_line(line, None));
    }
    let args = line::cut(line).map_err(|fault| fault.in_line(line, None))?;
    if args.is_empty() {
        return Ok(None);
    }
    let end = line.trim_end().chars().count();
    if redis_cli::is_called(&args) {
        return redis_cli::read(&args, end).map(Some).map_err(|fault| fault.in_line(line, None));
    }
    let (spec, rest) = spec::find(args, end).map_err(|fault| fault.in_line(line, None))?;
    spec.read(rest, end).map(Some).map_err(|fault| fault.in_line(line, Some(spec.syntax)))
}
