//! Carries out commands: by a tree in this process, or by a remote Mover. Console, `exec`, `run` and the view of a campaign
//! know only this interface, so there is one of each.
//!
//! - `local`: the tree in this process, on the databases that are configured here
//! - `remote`: a remote Mover, over its API
//! - `names`: completion with the names of a remote Mover
//! - `run_journal`: the journal of a runbook run, and what else a run needs
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
pub(super) use run_journal::{EarlierAttempt, Named, RecordedRun, RunJournal, Text};

/// The issuer of a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Issuer {
    /// A user of this interface.
    At(Interface),
    /// A step of a run.
    Step(StepKey),
}

/// The confirmation of a dangerous command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Consent<'a> {
    /// Not requested yet.
    NotAsked,
    /// The user typed this.
    Typed(&'a str),
    /// Given beforehand, with `--yes`.
    Beforehand,
}

/// The result of a command.
#[derive(Debug)]
pub(super) enum CommandOutcome {
    /// It was carried out, or continues as a campaign.
    Done(CommandResult),
    /// Its issuer must confirm it first.
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
    /// How to approve it.
    pub(super) how: String,
}

/// A campaign as it is now.
#[derive(Debug)]
pub(super) struct CampaignSnapshot {
    pub(super) campaign: CampaignStatus,
    /// Whether it has ended, with no org in flight.
    pub(super) is_over: bool,
    /// What each busy worker does.
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

    /// Carries a command out; Ctrl-C detaches from it.
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

    /// There is no campaign to resume; `resume` may have something else to do.
    async fn resume_nothing(&mut self, refused: CliError, interrupts: &mut Interrupts) -> Result<Answer, CliError>;

    /// A campaign as it is now.
    async fn look(&mut self, campaign: i64) -> Result<CampaignSnapshot, CliError>;

    /// The status of the campaign's migration: block times, and the remaining time.
    async fn standing(&mut self, campaign: &CampaignStatus) -> Option<MigrationStatus>;

    /// The live campaign with its number of orgs, if it can be watched from here.
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

    /// Where commands are carried out, for the prompt; short.
    fn place(&self) -> String;

    /// Known names, for completion.
    fn names(&self) -> Box<dyn Names + Send>;

    /// Ends the session.
    async fn close(&mut self) -> Result<(), CliError>;
}
