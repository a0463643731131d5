//! Carries out commands by a remote Mover, over its API.

use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::campaign::{Control, Phase};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::console::Names;
use crate::cli::error::CliError;
use crate::cli::interrupts::Interrupts;
use crate::cli::run::RunError;
use crate::command::{self, Command};
use crate::http::wire::JournalView;
use crate::operations::{self, Answer, CampaignStatus, Danger, Health, Level, MigrationStatus, Needs, StatusView};
use crate::remote::{Client, Entry, Me, Page, Refusal, RemoteError, Worker, encoded};
use crate::state::StepKey;

use super::files::{without_files, written};
use super::names::Asked;
use super::run_lease::{RunLease, secret};
use super::{CampaignSnapshot, CommandHost, CommandOutcome, CommandResult, Consent, Issuer, OnDetach, PendingApproval};

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The state of a command after Ctrl-C.
pub(in crate::cli::host) const GOES_ON: &str = "goes on";

/// Carries out commands by a remote Mover.
pub(in crate::cli) struct Remote {
    pub(super) client: Client,
    me: Me,
    /// The lease on the run of this process.
    pub(super) holding: Option<RunLease>,
}

/// A campaign, with its total if that was requested.
#[derive(Deserialize)]
struct CampaignOf {
    #[serde(flatten)]
    campaign: CampaignStatus,
    total: Option<u64>,
}

impl Remote {
    /// Requests `/me`, so that a wrong address or token is reported before anything else.
    pub(in crate::cli) async fn open(client: Client) -> Result<Self, CliError> {
        let me = client.get("/me").await?;
        Ok(Self { client, me, holding: None })
    }

    /// Its address.
    pub(in crate::cli) fn url(&self) -> &str {
        self.client.url()
    }

    /// The name and role of our token.
    pub(in crate::cli) fn me(&self) -> &Me {
        &self.me
    }

    /// Sends a command, with the typed confirmation if there is one.
    async fn give(
        &mut self,
        line: &str,
        confirm: Option<&str>,
        issuer: Issuer,
        interrupts: &mut Interrupts,
    ) -> Result<Entry, CliError> {
        let mut body = json!({ "command": line });
        if let Some(word) = confirm {
            body["confirm"] = json!(word);
        }
        match issuer {
            Issuer::At(_) => Ok(self.client.post("/commands", &body, line).await?),
            Issuer::Step(step) => self.give_for(step, body, line, interrupts).await,
        }
    }

    /// A command of a run has a key, by which Mover recognizes a repeated request; after a restart the journal has the command.
    /// So it can be sent until there is an answer.
    async fn give_for(
        &mut self,
        step: StepKey,
        mut body: Value,
        line: &str,
        interrupts: &mut Interrupts,
    ) -> Result<Entry, CliError> {
        let Some(holding) = &self.holding else { return Err(RunError::Lost.into()) };
        body["step"] = json!({
            "run": step.run, "hold": holding.secret(), "rollback": step.rollback, "number": step.number, "key": secret(),
        });
        let before = self.command_of(step, interrupts).await?;
        let mut is_lost = false;
        loop {
            let error = match self.client.post("/commands", &body, line).await {
                Ok(entry) => return Ok(entry),
                Err(error) => error,
            };
            if error.refusal("not-held").is_some() {
                self.hold_again().await?;
            } else if !error.is_lost() {
                return Err(error.into());
            } else if !std::mem::replace(&mut is_lost, true) {
                tracing::warn!("{error}; it is sent again, under the same key, until Mover answers");
            }
            self.wait(interrupts, GOES_ON).await?;
            // A Mover that was restarted meanwhile does not know the key; the journal knows the command.
            let now = self.command_of(step, interrupts).await?;
            if let (Some(command), true) = (now, now != before) {
                return self.ask_until_it_answers(&format!("/commands/{command}"), interrupts).await;
            }
        }
    }

    /// The command that the journal has for a step.
    async fn command_of(&self, step: StepKey, interrupts: &mut Interrupts) -> Result<Option<i64>, CliError> {
        let path = format!("/runs/{}/journal", step.run);
        let (_, steps, rollback) = self.ask_until_it_answers::<JournalView>(&path, interrupts).await?.read();
        let steps = if step.rollback { rollback } else { steps };
        Ok(steps.iter().find(|entry| entry.number == step.number).and_then(|entry| entry.command))
    }

    /// Waits a moment. On Ctrl-C it fails with what happens to the command on the server.
    pub(super) async fn wait(&self, interrupts: &mut Interrupts, what: &'static str) -> Result<(), CliError> {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => Ok(()),
            () = interrupts.next() => Err(CliError::Left { place: self.place(), what }),
        }
    }

    /// A campaign, and its number of orgs.
    pub(super) async fn campaign_with_total(&self, id: i64) -> Result<(CampaignStatus, u64), CliError> {
        let CampaignOf { campaign, total } = self.client.get(&format!("/campaigns/{id}?total=true")).await?;
        let total = total.unwrap_or(campaign.claimed);
        Ok((campaign, total))
    }

    /// Polls a command until it is done, refused, or waits for approval.
    pub(super) async fn outcome_of(
        &mut self,
        mut entry: Entry,
        interrupts: &mut Interrupts,
    ) -> Result<CommandOutcome, CliError> {
        loop {
            match entry.outcome.as_str() {
                "done" => return self.result_of(entry, interrupts).await.map(CommandOutcome::Done),
                "refused" => return Err(refusal_of(entry).into()),
                "waiting" => return Ok(CommandOutcome::NeedsApproval(self.waits(&entry))),
                _ => self.refuse_abandoned(&entry, interrupts).await?,
            }
            self.wait(interrupts, "has the command, which goes on").await?;
            entry = self.ask_until_it_answers(&format!("/commands/{}", entry.id), interrupts).await?;
        }
    }

    /// Fails if a command was begun by a Mover that has ended since: it never gets a result.
    async fn refuse_abandoned(&mut self, entry: &Entry, interrupts: &mut Interrupts) -> Result<(), CliError> {
        self.me = self.ask_until_it_answers("/me", interrupts).await?;
        if self.is_abandoned(entry) {
            return Err(RemoteError::Abandoned { url: self.url().to_owned(), command: entry.id }.into());
        }
        Ok(())
    }

    /// Whether it was begun by an earlier Mover. Both times are from the clock of the move log, in the same format, in UTC.
    pub(super) fn is_abandoned(&self, entry: &Entry) -> bool {
        *entry.approved_at.as_ref().unwrap_or(&entry.at) < self.me.serving_since
    }

    fn place(&self) -> String {
        format!("Mover at {}", self.url())
    }

    async fn result_of(&mut self, entry: Entry, interrupts: &mut Interrupts) -> Result<CommandResult, CliError> {
        let answer = Answer::of_kept(entry.answer.as_ref(), entry.told.as_deref());
        let campaign = match entry.campaign {
            Some(id) => {
                let path = format!("/campaigns/{id}?total=true");
                let CampaignOf { campaign, total } = self.ask_until_it_answers(&path, interrupts).await?;
                let total = answer.json["total"].as_u64().or(total).unwrap_or(campaign.claimed);
                Some((campaign, total))
            }
            None => None,
        };
        Ok(CommandResult { answer, campaign })
    }

    fn waits(&self, entry: &Entry) -> PendingApproval {
        let (id, url, name) = (entry.id, self.url(), &self.me.name);
        let how = format!(
            "`{}` is command {id}, and waits: a user other than {name} whose role may give it must approve it, on the page at \
             {url}/ or with `approve {id}`",
            entry.command
        );
        PendingApproval { command: id, how }
    }

    /// A request that must succeed: it is repeated while Mover is unreachable, with one warning.
    pub(super) async fn ask_until_it_answers<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        interrupts: &mut Interrupts,
    ) -> Result<T, CliError> {
        let mut is_lost = false;
        loop {
            match self.client.get(path).await {
                Ok(answer) => {
                    if is_lost {
                        tracing::warn!("Mover answers again");
                    }
                    return Ok(answer);
                }
                Err(error) if error.is_transient() => {
                    if !std::mem::replace(&mut is_lost, true) {
                        tracing::warn!("{error}; it is asked again until it answers");
                    }
                }
                Err(error) => return Err(error.into()),
            }
            self.wait(interrupts, GOES_ON).await?;
        }
    }
}

/// A refusal that came after the first answer, from its audit entry.
fn refusal_of(entry: Entry) -> RemoteError {
    let Entry { id: command, told, answer, approved_by, .. } = entry;
    if answer.is_none()
        && let Some(by) = approved_by
    {
        return RemoteError::NotApproved { command, by };
    }
    let said = |field: &str| answer.as_ref().and_then(|answer| answer.pointer(field)?.as_str().map(str::to_owned));
    let kind = format!("urn:mover:problem:{}", said("/json/problem").unwrap_or_else(|| "conflict".to_owned()));
    let detail = said("/text").or(told).unwrap_or_default();
    RemoteError::Refused(Box::new(Refusal {
        kind,
        detail,
        what: None,
        word: None,
        command: Some(command),
        run: None,
        by: None,
    }))
}

/// The danger, if the error asks for a confirmation.
fn asks(error: &CliError) -> Option<Danger> {
    let CliError::Remote(error) = error else { return None };
    let refusal = error.refusal("confirmation-needed")?;
    Some(Danger { what: refusal.what.clone()?, word: refusal.word.clone()?, for_admins: false })
}

#[async_trait(?Send)]
impl CommandHost for Remote {
    async fn prepare(&mut self, _: Needs) -> Result<(), CliError> {
        Ok(())
    }

    async fn carry_out(
        &mut self,
        command: &Command,
        consent: Consent<'_>,
        issuer: Issuer,
        interrupts: &mut Interrupts,
    ) -> Result<CommandOutcome, CliError> {
        if let Command::Help { topic } = command {
            let text = command::help(topic.as_deref());
            return Ok(CommandOutcome::Done(CommandResult {
                answer: Answer::new(
                    text.clone(),
                    json!({ "help": text, "commands": command::explained(topic.as_deref()) }),
                ),
                campaign: None,
            }));
        }
        let (command, out) = without_files(command)?;
        let line = command.to_string();
        let typed = if let Consent::Typed(word) = consent { Some(word) } else { None };
        let given = match self.give(&line, typed, issuer, interrupts).await {
            Err(error) => match (asks(&error), consent) {
                (Some(danger), Consent::NotAsked) => return Ok(CommandOutcome::NeedsConfirmation(danger)),
                (Some(danger), Consent::Beforehand) => self.give(&line, Some(&danger.word), issuer, interrupts).await?,
                _ => return Err(error),
            },
            Ok(entry) => entry,
        };
        if let Command::Refuse { command } = *command {
            return Ok(CommandOutcome::Done(CommandResult {
                answer: operations::refused(command, &given.command),
                campaign: None,
            }));
        }
        let mut carried = self.outcome_of(given, interrupts).await?;
        if let (CommandOutcome::Done(result), Some(path)) = (&mut carried, out) {
            result.answer = written(&result.answer, &path)?;
        }
        Ok(carried)
    }

    async fn decided(
        &mut self,
        waiting: PendingApproval,
        interrupts: &mut Interrupts,
    ) -> Result<CommandResult, CliError> {
        let path = format!("/commands/{}", waiting.command);
        loop {
            let entry: Entry = self.ask_until_it_answers(&path, interrupts).await?;
            match self.outcome_of(entry, interrupts).await? {
                CommandOutcome::Done(result) => return Ok(result),
                CommandOutcome::NeedsConfirmation(_) => return Err(CliError::NotConfirmed),
                CommandOutcome::NeedsApproval(_) => {}
            }
            self.wait(interrupts, "has the command, which still waits for approval").await?;
        }
    }

    async fn resume_nothing(&mut self, refused: CliError, _: &mut Interrupts) -> Result<Answer, CliError> {
        // A Mover that serves takes over abandoned orgs by itself.
        Err(refused)
    }

    async fn look(&mut self, campaign: i64) -> Result<CampaignSnapshot, CliError> {
        let campaign: CampaignStatus = self.client.get(&format!("/campaigns/{campaign}")).await?;
        let is_over = campaign.phase == Phase::Ended;
        let workers: Page<Worker> = self.client.get("/workers").await?;
        let mut workers: Vec<_> = workers.items.into_iter().map(|worker| worker.doing).collect();
        workers.retain(|doing| !doing.is_empty());
        workers.sort();
        let health: Health = self.client.get("/health").await?;
        let causes = health.causes.into_iter().filter(|cause| cause.level == Level::Critical).map(|cause| cause.text);
        let waiting = causes.collect::<Vec<_>>().join("; ");
        Ok(CampaignSnapshot {
            campaign,
            is_over,
            workers,
            waiting: (!waiting.is_empty() && !is_over).then_some(waiting),
        })
    }

    async fn standing(&mut self, campaign: &CampaignStatus) -> Option<MigrationStatus> {
        let status: StatusView = self.client.get("/status").await.ok()?;
        status.migrations.into_iter().find(|status| status.migration == campaign.migration)
    }

    async fn live(&mut self) -> Result<Option<(CampaignStatus, u64)>, CliError> {
        let StatusView { campaign, .. } = self.client.get("/status").await?;
        let Some(live) = campaign.filter(|campaign| campaign.phase != Phase::Ended) else { return Ok(None) };
        self.campaign_with_total(live.id).await.map(Some)
    }

    async fn halt(&mut self, _: &str) -> Result<(), CliError> {
        let line = Command::Control(Control::Halt).to_string();
        let entry: Entry = self.client.post("/commands", &json!({ "command": line }), &line).await?;
        tracing::debug!(command = entry.id, "halting");
        Ok(())
    }

    fn on_detach(&self) -> OnDetach {
        OnDetach::GoesOn(self.place())
    }

    async fn ended(&mut self) -> Result<(), CliError> {
        std::future::pending().await
    }

    async fn status(&mut self, migration: Option<&str>) -> Result<Answer, CliError> {
        let StatusView { mut migrations, campaign } = self.client.get("/status").await?;
        match migration {
            Some(name) => migrations = vec![self.client.get(&format!("/migrations/{}", encoded(name))).await?],
            None => migrations.retain(|migration| migration.total() > 0),
        }
        Ok(Answer::of(&StatusView { migrations, campaign }))
    }

    fn sleep_time_ms(&self) -> Option<u64> {
        Some(self.me.sleep_time_ms)
    }

    fn place(&self) -> String {
        let url = self.url();
        url.split_once("://").map_or(url, |(_, place)| place).trim_end_matches('/').to_owned()
    }

    fn names(&self) -> Box<dyn Names + Send> {
        Box::new(Asked::new(self.client.clone()))
    }

    async fn close(&mut self) -> Result<(), CliError> {
        if let Some(holding) = self.holding.take() {
            holding.release().await;
        }
        Ok(())
    }
}
