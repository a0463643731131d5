//! Errors of the command line.

use std::net::SocketAddr;
use std::process::ExitCode;

use mover_actors::ports::{FlagsError, LogError};
use thiserror::Error;

use crate::app::AppError;
use crate::command::ParseError;
use crate::config::Mistakes;
use crate::embedded::EmbeddedError;

use crate::http::ServeError;
use crate::operations::OperationError;
use crate::remote::RemoteError;
use crate::state::StateError;
use crate::telemetry::TelemetryError;

use super::demo::DemoError;
use super::run::RunError;

/// Why the program failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// The line is not a command.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] Mistakes),
    /// Mover could not start or continue.
    #[error(transparent)]
    App(#[from] AppError),
    /// The command was not carried out.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The runbook was not run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A query failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The move log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Redis refused.
    #[error(transparent)]
    Flags(#[from] FlagsError),
    /// The private servers refused.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The demo failed.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The level or the directives of --log cannot be read.
    #[error("--log: {0}; a level is one of error, warn, info, debug, trace")]
    LogFilter(#[from] tracing_subscriber::filter::ParseError),
    /// `mover serve` failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Tokens would cross a network without encryption.
    #[error("--listen {listen}: {problem}")]
    Open {
        /// The listen address.
        listen: SocketAddr,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The name of a token was used before.
    #[error("there is or was a token of {name:?}, and the audit tells people by these names: take another one")]
    TokenName {
        /// The name.
        name: String,
    },
    /// There is no such token.
    #[error("no valid token has the name {name:?}; mover token list shows all")]
    NoToken {
        /// The name.
        name: String,
    },
    /// Traces cannot be sent.
    #[error("configuration [telemetry]: {0}")]
    Telemetry(#[from] TelemetryError),
    /// The terminal or a signal could not be used.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
    /// A command that needs confirmation, without a terminal.
    #[error("{what}\nthere is no terminal to confirm this on, so nothing was done; --yes confirms it")]
    Unconfirmed {
        /// What it would do.
        what: String,
    },
    /// The command knows only the local configuration, and the environment leads to a remote Mover.
    #[error(
        "mover {command} works with the local configuration, and MOVER_CONNECT leads to {url}. next: env -u MOVER_CONNECT mover {command} …, \
         on the machine that is meant"
    )]
    OnlyHere {
        /// The subcommand.
        command: &'static str,
        /// The remote Mover.
        url: String,
    },
    /// The user did not confirm it.
    #[error("nothing was done")]
    NotConfirmed,
    /// A remote Mover refused or failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Ctrl-C while a remote Mover was working on it.
    #[error("left; {place} {what}. next: status")]
    Left {
        /// The remote Mover.
        place: String,
        /// What it does now.
        what: &'static str,
    },
    /// A page or completions could not be written.
    #[error("writing completions or pages: {0}")]
    Pages(std::io::Error),
    /// Ctrl-C before the answer. Commands that change many orgs do so in one transaction, which was rolled back.
    #[error("stopped before the end; `status` shows how things stand")]
    Interrupted,
}

impl CliError {
    /// Whether it only means that there is nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            CliError::Operation(error) => error.is_idle(),
            CliError::Remote(error) => error.refusal("nothing-to-do").is_some(),
            _ => false,
        }
    }

    /// Whether no migration has the name.
    pub(super) fn is_unknown_name(&self) -> bool {
        match self {
            CliError::Operation(OperationError::UnknownMigration(_)) => true,
            CliError::Remote(error) => error.refusal("not-found").is_some(),
            _ => false,
        }
    }

    /// Whether another campaign runs, and continues.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            CliError::Operation(error) => error.is_busy(),
            CliError::Remote(error) => error.refusal("busy").is_some(),
            _ => false,
        }
    }

    /// Whether the caller should keep waiting. A local tree recovers or gives up.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            CliError::Remote(error) => error.is_transient(),
            _ => true,
        }
    }

    /// Whether the command continues, or may have been carried out, although the program stops waiting.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            CliError::Left { .. } | CliError::Run(RunError::Lost) => true,
            CliError::Remote(error) => error.is_lost() || error.refusal("not-held").is_some(),
            _ => false,
        }
    }

    /// Whether the connection to a remote Mover is lost.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, CliError::Remote(error) if error.is_lost())
    }

    /// The problem code, as in docs/http.md, for programs.
    pub(super) fn problem(&self) -> &str {
        match self {
            CliError::Parse(_) => "not-a-command",
            CliError::Config(_) | CliError::App(AppError::Config(_)) | CliError::LogFilter(_) => "malformed",
            CliError::Operation(error) => error.problem(),
            CliError::State(error) => error.problem(),
            CliError::Remote(error) => error.problem(),
            CliError::Run(RunError::Mistakes(_)) => "malformed",
            CliError::Run(RunError::Busy { .. } | RunError::Lost) => "run-busy",
            CliError::Run(RunError::Unfinished { .. }) => "run-unfinished",
            CliError::Run(RunError::Unknown(_)) => "not-found",
            CliError::Log(LogError::Unreachable { .. })
            | CliError::Flags(FlagsError::Unreachable { .. })
            | CliError::App(_)
            | CliError::Embedded(_) => "unavailable",
            CliError::Unconfirmed { .. } | CliError::NotConfirmed => "confirmation-needed",
            CliError::Interrupted | CliError::Left { .. } => "interrupted",
            _ => "conflict",
        }
    }

    /// 2 for invalid input, 130 for Ctrl-C, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            CliError::Parse(_)
            | CliError::Config(_)
            | CliError::LogFilter(_)
            | CliError::Open { .. }
            | CliError::OnlyHere { .. }
            | CliError::Remote(RemoteError::Target(_))
            | CliError::Run(RunError::Mistakes(_)) => ExitCode::from(2),
            CliError::App(AppError::Config(_)) => ExitCode::from(2),
            CliError::Interrupted | CliError::Left { .. } => ExitCode::from(130),
            _ => ExitCode::FAILURE,
        }
    }
}
