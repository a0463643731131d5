//! The journal in the local move log.

use async_trait::async_trait;
use mover_actors::domain::campaign::Control;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{CampaignId, MigrationName, OrgName};
use mover_actors::domain::state::Strategy;
use mover_actors::ports::{LogError, MoveLog};

use crate::cli::error::CliError;
use crate::cli::host::{CommandHost, CommandOutcome, CommandResult, Consent, Issuer, Local};
use crate::cli::interrupts::Interrupts;
use crate::cli::run::RunError;
use crate::command::Command;
use crate::operations::{self, Answer, CampaignStatus, OperationError};
use crate::state::read::StateName;
use crate::state::{Run, RunLock, StepEntry, StepKey, StepState};

use super::{EarlierAttempt, Named, RecordedRun, RunJournal, Text};

impl Local<'_> {
    async fn lock(&mut self, title: &str) -> Result<RunLock, CliError> {
        let lock = self.app.world.log.lock_runbook(title).await?;
        Ok(lock.ok_or_else(|| RunError::Busy { title: title.to_owned() })?)
    }

    /// The lock ends with its connection. Takes it again, unless another process has continued the run.
    async fn hold_on(&mut self, run: i64) -> Result<(), CliError> {
        if !self.lock.as_ref().is_some_and(RunLock::is_lost) {
            return Ok(());
        }
        let log = &self.app.world.log;
        let title = log.run(run).await?.ok_or(RunError::Unknown(run))?.title;
        let lock = log.lock_runbook(&title).await?.ok_or(RunError::Lost)?;
        if !log.hold_run(run, &self.holder, true).await? {
            return Err(RunError::Lost.into());
        }
        self.lock = Some(lock);
        Ok(())
    }
}

#[async_trait(?Send)]
impl RunJournal for Local<'_> {
    async fn runs(&mut self) -> Result<Vec<Run>, CliError> {
        Ok(self.app.world.log.recent_runs(None).await?)
    }

    async fn journal(&mut self, run: i64) -> Result<Option<RecordedRun>, CliError> {
        let log = &self.app.world.log;
        let Some(run) = log.run(run).await? else { return Ok(None) };
        let (steps, rollback) = (log.run_steps(run.id, false).await?, log.run_steps(run.id, true).await?);
        Ok(Some(RecordedRun { run, steps, rollback }))
    }

    async fn open_run(&mut self, text: &Text<'_>, anew: bool) -> Result<Run, CliError> {
        let title = text.runbook.title.as_str();
        self.lock = Some(self.lock(title).await?);
        let log = &self.app.world.log;
        let last = log.recent_runs(Some(title)).await?.into_iter().next();
        if let Some(last) = last.filter(|last| last.is_unfinished() && !anew) {
            return Err(RunError::Unfinished { run: last.id, title: last.title, by: last.begun_by }.into());
        }
        let run = log.open_run(title, text.file, text.source, text.values).await?;
        log.hold_run(run.id, &self.holder, false).await?;
        Ok(run)
    }

    async fn take_run(&mut self, run: &Run) -> Result<(), CliError> {
        self.lock = Some(self.lock(&run.title).await?);
        self.app.world.log.hold_run(run.id, &self.holder, false).await?;
        Ok(())
    }

    async fn run_lost(&mut self) -> CliError {
        // The next entry detects it.
        std::future::pending().await
    }

    async fn begin_step(&mut self, step: StepKey) -> Result<(), CliError> {
        self.hold_on(step.run).await?;
        Ok(self.app.world.log.begin_step(step).await?)
    }

    async fn note_campaign(&mut self, step: StepKey, campaign: CampaignId) -> Result<(), CliError> {
        Ok(self.app.world.log.note_campaign(step, campaign).await?)
    }

    async fn end_step(&mut self, step: StepKey, state: StepState, told: &str) -> Result<(), CliError> {
        self.hold_on(step.run).await?;
        Ok(self.app.world.log.end_step(step, state, told).await?)
    }

    async fn end_run(&mut self, run: i64, rollback: bool) -> Result<(), CliError> {
        Ok(self.app.world.log.end_run(run, rollback).await?)
    }

    /// A local command ends with its process; only its campaign can have continued. A command over the network is in the audit,
    /// and may still wait for approval.
    async fn given_before(&mut self, step: &StepEntry, _: &mut Interrupts) -> Result<EarlierAttempt, CliError> {
        let Some(command) = step.command else { return Ok(EarlierAttempt::Nothing) };
        let entry = self.app.world.log.command(command).await?;
        let Some(entry) = entry else { return Ok(EarlierAttempt::Nothing) };
        match entry.outcome() {
            "waiting" => return Err(RunError::Waits { command: entry.id, issuer: entry.actor }.into()),
            "done" => {}
            _ => return Ok(EarlierAttempt::Nothing),
        }
        let answer = Answer::of_kept(entry.answer.as_ref(), entry.told.as_deref());
        let campaign = match entry.campaign {
            Some(id) => {
                let campaign = self.status_of(id).await?;
                let total = campaign.claimed;
                Some((campaign, total))
            }
            None => None,
        };
        Ok(EarlierAttempt::Done(Box::new(CommandResult { answer, campaign })))
    }

    async fn live_campaign(&mut self) -> Result<Option<CampaignStatus>, CliError> {
        let log = &self.app.world.log;
        let of_log = |error: LogError| CliError::from(OperationError::from(error));
        let Some(live) = log.live_campaign().await.map_err(of_log)? else { return Ok(None) };
        Ok(Some(log.campaign_view(live.id).await?.into()))
    }

    async fn continue_campaign(
        &mut self,
        _: CampaignStatus,
        step: StepKey,
        interrupts: &mut Interrupts,
    ) -> Result<CommandResult, CliError> {
        let resume = Command::Control(Control::Resume);
        match self.carry_out(&resume, Consent::Beforehand, Issuer::Step(step), interrupts).await? {
            CommandOutcome::Done(result) => Ok(result),
            CommandOutcome::NeedsConfirmation(_) | CommandOutcome::NeedsApproval(_) => Err(CliError::NotConfirmed),
        }
    }

    async fn migration(&mut self, name: &MigrationName) -> Result<MigrationName, CliError> {
        Ok(self.app.world.definition(name)?.name.clone())
    }

    async fn named(&mut self, name: &MigrationName) -> Result<Named, CliError> {
        let world = &self.app.world;
        let (definition, is_prep) = match world.definitions.prepared_by(name) {
            Some(prepared) => (prepared, true),
            None => (world.definition(name)?, false),
        };
        let is_window = definition.strategy == Strategy::Window;
        Ok(Named { migration: definition.name.clone(), is_prep, is_window })
    }

    async fn known(&mut self, migration: &MigrationName, orgs: &[OrgName]) -> Result<Vec<OrgName>, CliError> {
        let moves = self.app.world.log.moves_by_name(migration, orgs).await?;
        Ok(moves.into_iter().map(|record| record.org).collect())
    }

    async fn lists(&mut self, migration: &MigrationName, org: &OrgName) -> Result<Option<bool>, CliError> {
        let found = self.app.world.engine.find_org(migration, org).await.map_err(OperationError::from)?;
        Ok(Some(found.is_some()))
    }

    async fn uncaptured(&mut self, migration: &MigrationName) -> Result<Option<u64>, CliError> {
        Ok(Some(operations::uncaptured(&self.app.world, migration).await?))
    }

    async fn count(&mut self, migration: &MigrationName, state: StateName) -> Result<u64, CliError> {
        Ok(self.app.world.log.counts(migration).await?.of(state))
    }

    async fn flag(&mut self, key: &FlagKey, field: &str) -> Result<Option<String>, CliError> {
        Ok(self.app.world.flags.hash(key).await?.remove(field))
    }
}
