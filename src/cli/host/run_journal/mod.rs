//! What a run of a runbook needs besides commands: the journal, an exclusive lock, and facts for expectations.
//!
//! - `local`: the move log and Redis that are configured here
//! - `remote`: those of a remote Mover

mod local;
mod remote;

use async_trait::async_trait;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{CampaignId, MigrationName, OrgName};

use crate::cli::error::CliError;
use crate::cli::interrupts::Interrupts;
use crate::operations::CampaignStatus;
use crate::runbook::{Runbook, Values};
use crate::state::read::StateName;
use crate::state::{Run, StepEntry, StepKey, StepState};

use super::{CommandHost, CommandResult};

/// A run with its journal.
#[derive(Debug)]
pub(in crate::cli) struct RecordedRun {
    pub(in crate::cli) run: Run,
    /// The steps forward.
    pub(in crate::cli) steps: Vec<StepEntry>,
    /// The steps of the rollback.
    pub(in crate::cli) rollback: Vec<StepEntry>,
}

impl RecordedRun {
    /// The steps of one direction.
    pub(in crate::cli) fn way(self, rollback: bool) -> Vec<StepEntry> {
        if rollback { self.rollback } else { self.steps }
    }
}

/// The text of a runbook that begins.
#[derive(Debug)]
pub(in crate::cli) struct Text<'a> {
    /// The file, as it was named.
    pub(in crate::cli) file: &'a str,
    /// Its text.
    pub(in crate::cli) source: &'a str,
    /// The same, parsed with its variables.
    pub(in crate::cli) runbook: &'a Runbook,
    pub(in crate::cli) values: &'a Values,
}

/// The result of an earlier try of a command.
#[derive(Debug)]
pub(in crate::cli) enum EarlierAttempt {
    /// It may be given again.
    Nothing,
    /// It was carried out.
    Done(Box<CommandResult>),
}

/// A migration as a runbook names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Named {
    /// Its own name; of a prep, that of the migration which it prepares.
    pub(in crate::cli) migration: MigrationName,
    /// Whether the name is that of a prep.
    pub(in crate::cli) is_prep: bool,
    /// Whether all of its orgs move in a window, captured and ready or not.
    pub(in crate::cli) is_window: bool,
}

/// See the module's documentation.
#[async_trait(?Send)]
pub(in crate::cli) trait RunJournal: CommandHost {
    /// The latest runs, newest first.
    async fn runs(&mut self) -> Result<Vec<Run>, CliError>;

    /// A run with its journal, if it exists.
    async fn journal(&mut self, run: i64) -> Result<Option<RecordedRun>, CliError>;

    /// Begins a run, exclusively. `anew`: even if an earlier one did not finish.
    async fn open_run(&mut self, text: &Text<'_>, anew: bool) -> Result<Run, CliError>;

    /// Takes a run, exclusively.
    async fn take_run(&mut self, run: &Run) -> Result<(), CliError>;

    /// Waits until this process loses its run.
    async fn run_lost(&mut self) -> CliError;

    /// Records that a step begins, perhaps again.
    async fn begin_step(&mut self, step: StepKey) -> Result<(), CliError>;

    /// Records which campaign a step has opened.
    async fn note_campaign(&mut self, step: StepKey, campaign: CampaignId) -> Result<(), CliError>;

    /// Records how a step ended.
    async fn end_step(&mut self, step: StepKey, state: StepState, told: &str) -> Result<(), CliError>;

    /// Records that all steps of one direction are done.
    async fn end_run(&mut self, run: i64, rollback: bool) -> Result<(), CliError>;

    /// The result of the command that a step gave before its run was stopped.
    async fn given_before(&mut self, step: &StepEntry, interrupts: &mut Interrupts)
    -> Result<EarlierAttempt, CliError>;

    /// The live campaign, on any node.
    async fn live_campaign(&mut self) -> Result<Option<CampaignStatus>, CliError>;

    /// Continues a live campaign that an earlier try of this step has opened.
    async fn continue_campaign(
        &mut self,
        live: CampaignStatus,
        step: StepKey,
        interrupts: &mut Interrupts,
    ) -> Result<CommandResult, CliError>;

    /// The name of the migration with this name or alias.
    async fn migration(&mut self, name: &MigrationName) -> Result<MigrationName, CliError>;

    /// What a name or alias of a migration, or of a prep, means.
    async fn named(&mut self, name: &MigrationName) -> Result<Named, CliError>;

    /// Which of these orgs the migration knows.
    async fn known(&mut self, migration: &MigrationName, orgs: &[OrgName]) -> Result<Vec<OrgName>, CliError>;

    /// Whether the source lists an org; `None` if that cannot be asked from here.
    async fn lists(&mut self, migration: &MigrationName, org: &OrgName) -> Result<Option<bool>, CliError>;

    /// How many orgs the source lists that the migration does not know yet; `None` if that cannot be asked from here.
    async fn uncaptured(&mut self, migration: &MigrationName) -> Result<Option<u64>, CliError>;

    /// How many of its orgs are in a state.
    async fn count(&mut self, migration: &MigrationName, state: StateName) -> Result<u64, CliError>;

    /// A field of a flag hash, as applications read it.
    async fn flag(&mut self, key: &FlagKey, field: &str) -> Result<Option<String>, CliError>;
}
