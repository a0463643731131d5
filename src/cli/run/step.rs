//! One step of a runbook.

use std::process::Stdio;
use std::time::Duration;

use mover_actors::domain::campaign::{Campaign, Phase, Steer};
use mover_actors::ports::{LogError, MoveLog};
use mover_actors::tree::Tree;
use tokio::process;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::cli::error::CliError;
use crate::cli::follow::follow;
use crate::cli::interrupts::Interrupts;
use crate::cli::screen::Screen;
use crate::command::Command;
use crate::operations::{self, Door, OperationError, Outcome, Running};
use crate::runbook::{Action, Step};
use crate::state::{StepEntry, StepKey, StepState};

use super::preview;

/// An expectation is looked at again after so long.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Why a step did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The command was refused, or ended badly.
    #[error("{0}")]
    Command(Box<CliError>),
    /// Orgs failed.
    #[error(
        "campaign {campaign} of {migration}: {failed} orgs failed. next: orgs list {migration} state=failed shows why"
    )]
    OrgsFailed {
        /// The campaign.
        campaign: i64,
        /// Its migration.
        migration: String,
        /// How many.
        failed: u64,
    },
    /// The campaign ended before its work was done.
    #[error("campaign {campaign} was halted: {reason}")]
    Halted {
        /// The campaign.
        campaign: i64,
        /// Why.
        reason: String,
    },
    /// The shell said no.
    #[error("{said}the shell ended with {status}")]
    Shell {
        /// How it ended.
        status: String,
        /// What was printed, with a line break at its end.
        said: String,
    },
    /// The shell cannot be started.
    #[error("sh cannot be started: {0}")]
    NoShell(std::io::Error),
    /// It did not come true.
    #[error("after {within:?} it is still not so: {found}")]
    Expected {
        /// How long it was waited for.
        within: Duration,
        /// What was found last.
        found: String,
    },
    /// A script that was begun, and may have done its work.
    #[error(
        "it was begun before and nobody knows how far it came. Look; then --repeat does it again, --skip leaves it out"
    )]
    Unclear,
}

impl From<CliError> for StepError {
    fn from(error: CliError) -> Self {
        Self::Command(Box::new(error))
    }
}

/// What steps are carried out with.
pub(super) struct AtWork<'a> {
    pub(super) app: &'a App,
    pub(super) screen: &'a Screen,
    pub(super) tree: Option<Tree>,
    pub(super) interrupts: &'a mut Interrupts,
    /// A script whose end is not known is run once more.
    pub(super) repeats: bool,
}

impl AtWork<'_> {
    /// Does it, and answers what is to be told. `earlier`: it was begun before.
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
                    let (holds, found) = preview::look(&self.app.world, expectation).await.map_err(CliError::from)?;
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

    async fn command(
        &mut self,
        command: &Command,
        key: StepKey,
        earlier: Option<&StepEntry>,
    ) -> Result<String, StepError> {
        let command = match self.opened_before(command, earlier).await? {
            Before::Done(campaign) => return done(&campaign),
            Before::Live => &Command::Steer(Steer::Resume),
            Before::Nothing => command,
        };
        let running = self.tree.as_ref().map(Running::from);
        let outcome = operations::carry_out(&self.app.world, running.as_ref(), Door::Run(key.run), command)
            .await
            .map_err(CliError::from)?;
        match (outcome, &mut self.tree) {
            (Outcome::Campaign(campaign, total), Some(tree)) => {
                self.app.world.log.note_campaign(key, campaign.id).await.map_err(CliError::from)?;
                let ended = follow(self.app, tree, self.screen, self.interrupts, campaign, total).await?;
                done(&ended)
            }
            (outcome, _) => Ok(outcome.answer().text),
        }
    }

    /// What became of the campaign that this step opened before the run was killed.
    async fn opened_before(&self, command: &Command, earlier: Option<&StepEntry>) -> Result<Before, StepError> {
        let (Command::Migrate { aim, migration, .. }, Some(earlier)) = (command, earlier) else {
            return Ok(Before::Nothing);
        };
        let log = &self.app.world.log;
        let of_log = |error: LogError| CliError::from(OperationError::from(error));
        let migration = &self.app.world.definition(migration).map_err(CliError::from)?.name;
        if let Some(id) = earlier.campaign {
            let campaign = log.campaign(id).await.map_err(of_log)?;
            let is_done = campaign.phase == Phase::Ended && campaign.failed == 0 && campaign.reason.is_none();
            if is_done {
                return Ok(Before::Done(campaign));
            }
        }
        // It may have been killed before it could note which campaign it had opened.
        let live = log.live_campaign().await.map_err(of_log)?;
        let is_ours = |live: &Campaign| live.migration == *migration && live.aim == *aim;
        Ok(if live.as_ref().is_some_and(is_ours) { Before::Live } else { Before::Nothing })
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
    Live,
    Done(Campaign),
}

fn done(campaign: &Campaign) -> Result<String, StepError> {
    let (id, migration) = (campaign.id.0, campaign.migration.to_string());
    if campaign.failed > 0 {
        return Err(StepError::OrgsFailed { campaign: id, migration, failed: campaign.failed });
    }
    if let Some(reason) = &campaign.reason {
        return Err(StepError::Halted { campaign: id, reason: reason.clone() });
    }
    Ok(format!("campaign {id} of {migration} ended: {} {}", campaign.migrated, campaign.aim.done()))
}
