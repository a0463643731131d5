//! Where commands are carried out: by a tree in this process, or by a remote Mover. Console, `exec`, `run` and the view of a
//! campaign know only this, so there is one of each.
//!
//! - `local`: the tree in this process, on the databases that are configured here
//! - `remote`: a remote Mover, over its API
//! - `names`: names that complete a line there
//! - `run_journal`: the journal of a runbook run, and what a run needs besides
//! - `run_lease`: the lease on a run whose journal another Mover keeps
//! - `files`: local files that a remote command reads and writes

mod files;
mod local;
mod names;
mod remote;
mod run_journal;
mod run_lease;

use async_trait::async_trait;

use crate::command::Command;
use crate::operations::{Answer, CampaignStatus, Danger, Interface, MigrationStatus, Needs};
use crate::state::StepKey;

use super::console::Names;
use super::error::CliError;
use super::interrupts::Interrupts;

pub(super) use local::Local;
pub(super) use remote::Remote;
pub(super) use run_journal::{EarlierAttempt, RecordedRun, RunJournal, Text};

/// Who gives a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Issuer {
    /// Somebody at this interface.
    At(Interface),
    /// A step of a run.
    Step(StepKey),
}

/// Whether its issuer was asked whether a dangerous command is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Consent<'a> {
    /// Not yet.
    NotAsked,
    /// They typed this.
    Typed(&'a str),
    /// It was given beforehand, with `--yes`.
    Beforehand,
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum CommandOutcome {
    /// It was carried out, or continues as a campaign.
    Done(CommandResult),
    /// First its issuer must show that it is meant.
    NeedsConfirmation(Danger),
    /// It waits for the approval of a second person.
    NeedsApproval(PendingApproval),
}

/// The answer of a command, and the campaign that it opened, with its number of orgs.
#[derive(Debug)]
pub(super) struct CommandResult {
    pub(super) answer: Answer,
    pub(super) campaign: Option<(CampaignStatus, u64)>,
}

/// A command that waits for approval.
#[derive(Debug)]
pub(super) struct PendingApproval {
    /// Its number in the audit.
    pub(super) command: i64,
    /// What to do about it.
    pub(super) how: String,
}

/// A campaign as it is now.
#[derive(Debug)]
pub(super) struct CampaignSnapshot {
    pub(super) campaign: CampaignStatus,
    /// Whether it has ended, and nothing of it is left to do.
    pub(super) is_over: bool,
    /// What each worker that does something is doing.
    pub(super) workers: Vec<String>,
    /// What it waits for.
    pub(super) waiting: Option<String>,
}

/// What happens to a campaign when the client detaches.
#[derive(Debug)]
pub(super) enum OnDetach {
    /// It ends with this process.
    Ends,
    /// It continues; the text says where to follow it.
    GoesOn(String),
}

/// See the module's documentation.
#[async_trait(?Send)]
pub(super) trait CommandHost {
    /// Starts what such commands need, before the first of them.
    async fn prepare(&mut self, needs: Needs) -> Result<(), CliError>;

    /// Carries a command out; Ctrl-C leaves it to itself.
    async fn carry_out(
        &mut self,
        command: &Command,
        consent: Consent<'_>,
        issuer: Issuer,
        interrupts: &mut Interrupts,
    ) -> Result<CommandOutcome, CliError>;

    /// Waits until a second person has decided.
    async fn decided(
        &mut self,
        waiting: PendingApproval,
        interrupts: &mut Interrupts,
    ) -> Result<CommandResult, CliError>;

    /// There is no campaign to resume; but there may be something else that `resume` can do.
    async fn resume_nothing(&mut self, refused: CliError, interrupts: &mut Interrupts) -> Result<Answer, CliError>;

    /// A campaign as it is now.
    async fn look(&mut self, campaign: i64) -> Result<CampaignSnapshot, CliError>;

    /// How the campaign's migration stands: how long orgs were closed for writes, and how much is left.
    async fn standing(&mut self, campaign: &CampaignStatus) -> Option<MigrationStatus>;

    /// The live campaign, if it can be watched from here: of so many orgs.
    async fn live(&mut self) -> Result<Option<(CampaignStatus, u64)>, CliError>;

    /// Halts the live campaign.
    async fn halt(&mut self, why: &str) -> Result<(), CliError>;

    /// What happens to a campaign when the client detaches.
    fn on_detach(&self) -> OnDetach;

    /// Waits for an unexpected end.
    async fn ended(&mut self) -> Result<(), CliError>;

    /// The status. It is not recorded in the history.
    async fn status(&mut self, migration: Option<&str>) -> Result<Answer, CliError>;

    /// The default `sleep_time` of campaigns, in milliseconds.
    fn sleep_time_ms(&self) -> Option<u64>;

    /// The names that can be typed.
    fn names(&self) -> Box<dyn Names + Send>;

    /// Nothing more is to come.
    async fn close(&mut self) -> Result<(), CliError>;
}
