//! The journal of a remote Mover. Entries are idempotent, and are sent again until they are acknowledged.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mover_actors::domain::campaign::Phase;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{CampaignId, MigrationName, OrgName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::host::remote::GOES_ON;
use crate::cli::host::run_lease::{RunLease, secret};
use crate::cli::host::{CommandHost, CommandOutcome, CommandResult, Remote};
use crate::cli::interrupts::Interrupts;
use crate::cli::run::RunError;
use crate::http::wire::{Held, JournalView};
use crate::operations::{CampaignStatus, MigrationStatus, StatusView};
use crate::remote::{Entry, Page, RemoteError, encoded};
use crate::state::read::StateName;
use crate::state::{Run, StepEntry, StepKey, StepState};

use super::{EarlierAttempt, Named, RecordedRun, RunJournal, Text};

/// A run in a list.
#[derive(Deserialize)]
struct Listed {
    id: i64,
}

/// A migration in the list of all.
#[derive(Deserialize)]
struct Defined {
    migration: MigrationName,
    strategy: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    /// An earlier Mover does not tell them.
    #[serde(default)]
    preps: Vec<String>,
}

#[derive(Deserialize)]
struct Org {
    org: OrgName,
}

#[derive(Deserialize)]
struct Flags {
    fields: BTreeMap<String, String>,
}

impl Remote {
    async fn journal_of(&self, run: i64) -> Result<Option<RecordedRun>, CliError> {
        match self.client.get::<JournalView>(&format!("/runs/{run}/journal")).await {
            Ok(view) => {
                let (run, steps, rollback) = view.read();
                Ok(Some(RecordedRun { run, steps, rollback }))
            }
            Err(error) if error.refusal("not-found").is_some() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Records an entry about the run whose lease we have.
    async fn note(&mut self, what: &str, mut body: Value) -> Result<(), CliError> {
        let Some(holding) = &self.holding else { return Err(RunError::Lost.into()) };
        let path = format!("/runs/{}/{what}", holding.run());
        body["hold"] = json!(holding.secret());
        let mut interrupts = Interrupts::listen()?;
        let mut is_lost = false;
        loop {
            let noted: Result<Held, _> = self.client.post(&path, &body, "a note in the journal").await;
            let error = match noted {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if error.refusal("not-held").is_some() {
                self.hold_again().await?;
            } else if !error.is_lost() {
                return Err(error.into());
            } else if !std::mem::replace(&mut is_lost, true) {
                tracing::warn!("{error}; the journal of this run is written when it answers");
            }
            self.wait(&mut interrupts, GOES_ON).await?;
        }
    }

    /// Mover was restarted and has lost the lease, or our heartbeats were late.
    pub(in crate::cli::host) async fn hold_again(&self) -> Result<(), CliError> {
        let Some(holding) = &self.holding else { return Err(RunError::Lost.into()) };
        match holding.again().await {
            Err(error) if error.refusal("run-busy").is_some() => Err(RunError::Lost.into()),
            // The caller retries.
            Err(error) if error.is_lost() => Ok(()),
            again => Ok(again?),
        }
    }
}

/// The same error as of a local run.
fn refused(error: RemoteError, title: &str) -> CliError {
    let title = title.to_owned();
    if error.refusal("run-busy").is_some() {
        return RunError::Busy { title }.into();
    }
    if let RemoteError::Unknown { url, cause, .. } = error {
        return RunError::Unclear { url, cause }.into();
    }
    match error.refusal("run-unfinished") {
        Some(refusal) => {
            let (run, by) = (refusal.run.unwrap_or_default(), refusal.by.clone().unwrap_or_default());
            RunError::Unfinished { run, title, by }.into()
        }
        None => error.into(),
    }
}

fn key(step: StepKey) -> Value {
    json!({ "rollback": step.rollback, "number": step.number })
}

#[async_trait(?Send)]
impl RunJournal for Remote {
    async fn runs(&mut self) -> Result<Vec<Run>, CliError> {
        let page: Page<Listed> = self.client.get("/runs").await?;
        let mut runs = Vec::new();
        for Listed { id } in page.items {
            runs.extend(self.journal_of(id).await?.map(|journal| journal.run));
        }
        Ok(runs)
    }

    async fn journal(&mut self, run: i64) -> Result<Option<RecordedRun>, CliError> {
        self.journal_of(run).await
    }

    async fn open_run(&mut self, text: &Text<'_>, anew: bool) -> Result<Run, CliError> {
        let secret = secret();
        let body = json!({
            "file": text.file, "source": text.source, "variables": text.values, "anew": anew, "hold": secret,
        });
        let title = &text.runbook.title;
        let what = format!("run {title}");
        let held: Held = self.client.post("/runs", &body, &what).await.map_err(|error| refused(error, title))?;
        self.holding = Some(RunLease::take(&self.client, held.run, secret).await?);
        let journal = self.journal_of(held.run).await?;
        Ok(journal.ok_or(RunError::Unknown(held.run))?.run)
    }

    async fn take_run(&mut self, run: &Run) -> Result<(), CliError> {
        let taken = RunLease::take(&self.client, run.id, secret()).await;
        self.holding = Some(taken.map_err(|error| refused(error, &run.title))?);
        Ok(())
    }

    async fn run_lost(&mut self) -> CliError {
        match &mut self.holding {
            Some(holding) => {
                holding.lost().await;
                RunError::Lost.into()
            }
            None => std::future::pending().await,
        }
    }

    async fn begin_step(&mut self, step: StepKey) -> Result<(), CliError> {
        self.end_step(step, StepState::Begun, "").await
    }

    async fn note_campaign(&mut self, step: StepKey, campaign: CampaignId) -> Result<(), CliError> {
        let mut body = key(step);
        body["campaign"] = json!(campaign.0);
        self.note("steps", body).await
    }

    async fn end_step(&mut self, step: StepKey, state: StepState, told: &str) -> Result<(), CliError> {
        let mut body = key(step);
        body["state"] = json!(state);
        body["told"] = json!(shortened(told));
        self.note("steps", body).await
    }

    async fn end_run(&mut self, _: i64, rollback: bool) -> Result<(), CliError> {
        self.note("end", json!({ "rollback": rollback })).await
    }

    async fn given_before(
        &mut self,
        step: &StepEntry,
        interrupts: &mut Interrupts,
    ) -> Result<EarlierAttempt, CliError> {
        let Some(command) = step.command else { return Ok(EarlierAttempt::Nothing) };
        let entry: Entry = self.ask_until_it_answers(&format!("/commands/{command}"), interrupts).await?;
        match entry.outcome.as_str() {
            "refused" => return Ok(EarlierAttempt::Nothing),
            // The run cannot be taken while one of its commands is being carried out, unless it was approved; so the Mover of
            // this command has ended.
            "open" if entry.approved_at.is_none() || self.is_abandoned(&entry) => return Ok(EarlierAttempt::Nothing),
            _ => {}
        }
        match self.outcome_of(entry, interrupts).await? {
            CommandOutcome::Done(result) => Ok(EarlierAttempt::Done(Box::new(result))),
            CommandOutcome::NeedsApproval(waiting) => {
                eprintln!("    {}", waiting.how);
                Ok(EarlierAttempt::Done(Box::new(self.decided(waiting, interrupts).await?)))
            }
            CommandOutcome::NeedsConfirmation(_) => Ok(EarlierAttempt::Nothing),
        }
    }

    async fn live_campaign(&mut self) -> Result<Option<CampaignStatus>, CliError> {
        let StatusView { campaign, .. } = self.client.get("/status").await?;
        Ok(campaign.filter(|campaign| campaign.phase != Phase::Ended))
    }

    async fn continue_campaign(
        &mut self,
        live: CampaignStatus,
        _: StepKey,
        _: &mut Interrupts,
    ) -> Result<CommandResult, CliError> {
        // It was not stopped: the remote Mover drives it.
        let campaign = self.campaign_with_total(live.id).await?;
        Ok(CommandResult { answer: crate::operations::Answer::new("", Value::Null), campaign: Some(campaign) })
    }

    async fn migration(&mut self, name: &MigrationName) -> Result<MigrationName, CliError> {
        Ok(self.migration_status(name).await?.migration)
    }

    async fn named(&mut self, name: &MigrationName) -> Result<Named, CliError> {
        let all: Page<Defined> = self.client.get("/migrations").await?;
        let is_among = |names: &[String]| names.iter().any(|known| known == name.as_str());
        let mut all = all.items.into_iter();
        let found = all.find(|one| one.migration == *name || is_among(&one.aliases) || is_among(&one.preps));
        let Some(Defined { migration, strategy, preps, .. }) = found else {
            // The error has similar names.
            let migration = self.migration_status(name).await?.migration;
            return Ok(Named { migration, is_prep: false, is_window: false });
        };
        Ok(Named { migration, is_prep: is_among(&preps), is_window: strategy.as_deref() == Some("window") })
    }

    async fn known(&mut self, migration: &MigrationName, orgs: &[OrgName]) -> Result<Vec<OrgName>, CliError> {
        let mut known = Vec::new();
        for org in orgs {
            let path =
                format!("/migrations/{}/orgs?prefix={}&limit=1", encoded(migration.as_str()), encoded(org.as_str()));
            // In the order of names: the org itself is the first with its name as a prefix.
            let page: Page<Org> = self.client.get(&path).await?;
            known.extend(page.items.into_iter().map(|one| one.org).filter(|found| found == org));
        }
        Ok(known)
    }

    async fn lists(&mut self, _: &MigrationName, _: &OrgName) -> Result<Option<bool>, CliError> {
        Ok(None)
    }

    async fn uncaptured(&mut self, _: &MigrationName) -> Result<Option<u64>, CliError> {
        Ok(None)
    }

    async fn count(&mut self, migration: &MigrationName, state: StateName) -> Result<u64, CliError> {
        Ok(self.migration_status(migration).await?.of(state))
    }

    async fn flag(&mut self, key: &FlagKey, field: &str) -> Result<Option<String>, CliError> {
        let Flags { mut fields } = self.client.get(&format!("/flags/hashes/{}", encoded(key.as_str()))).await?;
        Ok(fields.remove(field))
    }
}

impl Remote {
    async fn migration_status(&self, name: &MigrationName) -> Result<MigrationStatus, CliError> {
        Ok(self.client.get(&format!("/migrations/{}", encoded(name.as_str()))).await?)
    }
}

/// The output of a script may exceed the limit of a request; its end matters most.
fn shortened(told: &str) -> String {
    /// JSON escapes a byte with at most six.
    const BYTES_MAX: usize = 10_000;
    if told.len() <= BYTES_MAX {
        return told.replace('\0', "\u{fffd}");
    }
    let mut at = told.len() - BYTES_MAX;
    while !told.is_char_boundary(at) {
        at += 1;
    }
    format!("…{}", told[at..].replace('\0', "\u{fffd}"))
}
