//! One step of a runbook.

use std::process::Stdio;
use std::time::Duration;

use mover_actors::domain::campaign::Phase;
use mover_actors::domain::ids::CampaignId;
use tokio::process;
use tokio::time::{Instant, sleep};

use crate::cli::error::CliError;
use crate::cli::follow::follow;
use crate::cli::host::{CommandOutcome, CommandResult, Consent, EarlierAttempt, Issuer, RunJournal};
use crate::cli::interrupts::Interrupts;
use crate::cli::screen::Screen;
use crate::command::Command;
use crate::operations::CampaignStatus;
use crate::runbook::{Action, Expectation, Step};
use crate::state::{StepEntry, StepKey, StepState};

use super::preview;

/// The interval at which an expectation is polled.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The command was refused, or ended badly.
    #[error("{0}")]
    Command(Box<CliError>),
    /// The command was carried out, and not all is as it should be.
    #[error("{0}")]
    NotAll(String),
    /// Orgs failed.
    #[error(
        "campaign {campaign} of {migration}: {failed} orgs failed. next: orgs list {migration} state=failed shows why"
    )]
    OrgsFailed {
        /// The campaign.
        campaign: i64,
        /// Its migration.
        migration: String,
        /// The number of failed orgs.
        failed: u64,
    },
    /// The campaign ended before its work was done.
    #[error("campaign {campaign} was halted: {reason}")]
    Halted {
        /// The campaign.
        campaign: i64,
        /// The reason.
        reason: String,
    },
    /// The shell command failed.
    #[error("{said}the shell ended with {status}")]
    Shell {
        /// Its exit status.
        status: String,
        /// Its output, with a line break at the end.
        said: String,
    },
    /// The shell cannot be started.
    #[error("sh cannot be started: {0}")]
    NoShell(std::io::Error),
    /// The expectation did not become true in time.
    #[error("after {within:?} it is still not so: {found}")]
    Expected {
        /// The time limit.
        within: Duration,
        /// The last result.
        found: String,
    },
    /// A script was begun before, and may have done its work.
    #[error(
        "it was begun before, and its outcome is unknown. Check it; then --repeat runs it again, --skip leaves it out"
    )]
    Unclear,
}

impl From<CliError> for StepError {
    fn from(error: CliError) -> Self {
        Self::Command(Box::new(error))
    }
}

impl StepError {
    /// Whether the outcome of the step is unknown: it is decided when the run continues.
    pub(super) fn leaves_open(&self) -> bool {
        match self {
            StepError::Unclear => true,
            StepError::Command(error) => error.leaves_open(),
            _ => false,
        }
    }
}

/// The context of a step.
pub(super) struct RunningStep<'a> {
    pub(super) host: &'a mut dyn RunJournal,
    pub(super) screen: &'a Screen,
    pub(super) interrupts: &'a mut Interrupts,
    /// Runs a script with an unknown outcome again.
    pub(super) repeats: bool,
}

impl RunningStep<'_> {
    /// Performs the step, and returns its output. `earlier`: it was begun before.
    pub(super) async fn carry_out(
        &mut self,
        step: &Step,
        key: StepKey,
        earlier: Option<&StepEntry>,
    ) -> Result<String, StepError> {
        match &step.action {
            Action::Command(command) => match self.command(command, key, earlier).await {
                Err(StepError::Command(error)) if step.may_be_idle && error.is_idle() => Ok(error.to_string()),
                carried_out => carried_out,
            },
            Action::Shell => {
                if earlier.is_some_and(|entry| entry.state == StepState::Begun) && !self.repeats {
                    return Err(StepError::Unclear);
                }
                self.shell(&step.text, key.run).await
            }
            Action::Expect(expectation) => {
                let deadline = Instant::now() + expectation.within;
                loop {
                    let (holds, found) = self.look(expectation).await?;
                    if holds {
                        return Ok(found);
                    }
                    if Instant::now() >= deadline {
                        return Err(StepError::Expected { within: expectation.within, found });
                    }
                    tokio::select! {
                        () = sleep(LOOK_EVERY) => {}
                        () = self.interrupts.next() => return Err(CliError::Interrupted.into()),
                    }
                }
            }
        }
    }

    /// While a remote Mover is unreachable the expectation is not met, and is polled again.
    async fn look(&mut self, expectation: &Expectation) -> Result<(bool, String), StepError> {
        match preview::look(self.host, expectation).await {
            Err(error) if error.is_lost() => Ok((false, error.to_string())),
            found => Ok(found?),
        }
    }

    async fn command(
        &mut self,
        command: &Command,
        key: StepKey,
        earlier: Option<&StepEntry>,
    ) -> Result<String, StepError> {
        let result = match self.given_before(command, earlier).await? {
            Before::Done(campaign) => return done(&campaign),
            Before::Answered(result) => result,
            Before::Live(campaign) => self.host.continue_campaign(campaign, key, self.interrupts).await?,
            Before::Nothing => {
                match self.host.carry_out(command, Consent::Beforehand, Issuer::Step(key), self.interrupts).await? {
                    CommandOutcome::Done(result) => result,
                    CommandOutcome::NeedsApproval(waiting) => {
                        eprintln!("    {}", waiting.how);
                        self.host.decided(waiting, self.interrupts).await?
                    }
                    CommandOutcome::NeedsConfirmation(_) => return Err(CliError::NotConfirmed.into()),
                }
            }
        };
        let CommandResult { answer, campaign } = result;
        let Some((campaign, total)) = campaign else {
            return if answer.verdict.stops() { Err(StepError::NotAll(answer.text)) } else { Ok(answer.text) };
        };
        self.host.note_campaign(key, CampaignId(campaign.id)).await?;
        let ended = follow(self.host, self.screen, self.interrupts, campaign, total).await?;
        done(&ended)
    }

    /// The result of this step's command or campaign from before the run was stopped.
    async fn given_before(&mut self, command: &Command, earlier: Option<&StepEntry>) -> Result<Before, StepError> {
        let Some(earlier) = earlier else { return Ok(Before::Nothing) };
        if let EarlierAttempt::Done(result) = self.host.given_before(earlier, self.interrupts).await? {
            match &result.campaign {
                // A campaign that did not finish is begun again.
                Some((campaign, _)) if campaign.phase == Phase::Ended && !campaign.is_done() => {}
                // What was not as it should be may be so now.
                None if result.answer.verdict.stops() => {}
                _ => return Ok(Before::Answered(*result)),
            }
        }
        let Command::Migrate { aim, migration, .. } = command else { return Ok(Before::Nothing) };
        let migration = self.host.migration(migration).await?;
        if let Some(id) = earlier.campaign {
            let campaign = self.host.look(id.0).await?.campaign;
            if campaign.is_done() {
                return Ok(Before::Done(campaign));
            }
        }
        // It may have been killed before it could record which campaign it had opened.
        let live = self.host.live_campaign().await?;
        let ours = live.filter(|live| live.migration == migration && live.aim == *aim);
        Ok(ours.map_or(Before::Nothing, Before::Live))
    }

    async fn shell(&mut self, script: &str, run: i64) -> Result<String, StepError> {
        let child = process::Command::new("sh")
            .args(["-euc", script])
            .env("MOVER_RUN", run.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(StepError::NoShell)?;
        let output = tokio::select! {
            output = child.wait_with_output() => output.map_err(StepError::NoShell)?,
            () = self.interrupts.next() => return Err(CliError::Interrupted.into()),
            lost = self.host.run_lost() => return Err(lost.into()),
        };
        let mut said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim_end().to_owned();
        match output.status.success() {
            true => Ok(said),
            false => {
                said.extend((!said.is_empty()).then_some('\n'));
                Err(StepError::Shell { status: output.status.to_string(), said })
            }
        }
    }
}

enum Before {
    Nothing,
    Answered(CommandResult),
    Live(CampaignStatus),
    Done(CampaignStatus),
}

fn done(campaign: &CampaignStatus) -> Result<String, StepError> {
    let (id, migration) = (campaign.id, campaign.migration.to_string());
    if campaign.failed > 0 {
        return Err(StepError::OrgsFailed { campaign: id, migration, failed: campaign.failed });
    }
    if let Some(reason) = &campaign.reason {
        return Err(StepError::Halted { campaign: id, reason: reason.clone() });
    }
    Ok(format!("campaign {id} of {migration} ended: {} {}", campaign.migrated, campaign.aim.done()))
}
