//! What a run of a runbook needs besides commands: the journal, the runbook for itself alone, and facts to compare with.
//!
//! - `local`: the move log and Redis that are configured here
//! - `remote`: the same, of a remote Mover

mod local;
mod remote;

use async_trait::async_trait;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{CampaignId, MigrationName};

use crate::cli::error::CliError;
use crate::cli::interrupts::Interrupts;
use crate::operations::CampaignStatus;
use crate::runbook::{Runbook, Values};
use crate::state::read::StateName;
use crate::state::{Run, StepEntry, StepKey, StepState};

use super::{CommandHost, CommandResult};

/// A run with all that is noted of it.
#[derive(Debug)]
pub(in crate::cli) struct RecordedRun {
    pub(in crate::cli) run: Run,
    /// The way forward.
    pub(in crate::cli) steps: Vec<StepEntry>,
    /// The way back.
    pub(in crate::cli) rollback: Vec<StepEntry>,
}

impl RecordedRun {
    /// What is noted of one way.
    pub(in crate::cli) fn way(self, rollback: bool) -> Vec<StepEntry> {
        if rollback { self.rollback } else { self.steps }
    }
}

/// The text of a runbook that is to be run.
#[derive(Debug)]
pub(in crate::cli) struct Text<'a> {
    /// The file, as it was named.
    pub(in crate::cli) file: &'a str,
    /// Its text.
    pub(in crate::cli) source: &'a str,
    /// The same, read with these values.
    pub(in crate::cli) runbook: &'a Runbook,
    pub(in crate::cli) values: &'a Values,
}

/// How an earlier try of a command stands.
#[derive(Debug)]
pub(in crate::cli) enum EarlierAttempt {
    /// It may be given again.
    Nothing,
    /// It was carried out.
    Done(Box<CommandResult>),
}

/// See the module's documentation.
#[async_trait(?Send)]
pub(in crate::cli) trait RunJournal: CommandHost {
    /// The latest runs, newest first.
    async fn runs(&mut self) -> Result<Vec<Run>, CliError>;

    /// A run, if there is one of that number.
    async fn journal(&mut self, run: i64) -> Result<Option<RecordedRun>, CliError>;

    /// A new run, for this process alone. `anew`: also if an earlier one did not finish.
    async fn open_run(&mut self, text: &Text<'_>, anew: bool) -> Result<Run, CliError>;

    /// A run for this process alone.
    async fn take_run(&mut self, run: &Run) -> Result<(), CliError>;

    /// Waits until this process does not have its run for itself any more.
    async fn run_lost(&mut self) -> CliError;

    /// Notes that a step begins, perhaps once more.
    async fn begin_step(&mut self, step: StepKey) -> Result<(), CliError>;

    /// Notes which campaign a step has opened.
    async fn note_campaign(&mut self, step: StepKey, campaign: CampaignId) -> Result<(), CliError>;

    /// Notes how a step ended.
    async fn end_step(&mut self, step: StepKey, state: StepState, told: &str) -> Result<(), CliError>;

    /// Notes that all steps of a way are done.
    async fn end_run(&mut self, run: i64, rollback: bool) -> Result<(), CliError>;

    /// What became of the command that a step gave before its run was stopped.
    async fn given_before(&mut self, step: &StepEntry, interrupts: &mut Interrupts)
    -> Result<EarlierAttempt, CliError>;

    /// The live campaign, on any node.
    async fn live_campaign(&mut self) -> Result<Option<CampaignStatus>, CliError>;

    /// A live campaign that an earlier try of this step has opened continues.
    async fn go_on(
        &mut self,
        live: CampaignStatus,
        step: StepKey,
        interrupts: &mut Interrupts,
    ) -> Result<CommandResult, CliError>;

    /// The name of the migration that is meant by a name or an alias.
    async fn migration(&mut self, name: &MigrationName) -> Result<MigrationName, CliError>;

    /// How many of its orgs are in a state.
    async fn count(&mut self, migration: &MigrationName, state: StateName) -> Result<u64, CliError>;

    /// A field of a flag hash, as applications read it.
    async fn flag(&mut self, key: &FlagKey, field: &str) -> Result<Option<String>, CliError>;
}
