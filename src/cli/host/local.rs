//! Carries out commands by the tree in this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::campaign::{Control, Phase};
use mover_actors::domain::ids::CampaignId;
use mover_actors::otp::{Registry, TreeNode};
use mover_actors::ports::{LogError, MoveLog};
use mover_actors::tree::Tree;
use mover_actors::tree::darklaunch::FlagsHealth;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::app::{App, AppError};
use crate::cli::at_work;
use crate::cli::console::Names;
use crate::cli::error::CliError;
use crate::cli::interrupts::Interrupts;
use crate::command::{self, Command};
use crate::config::Definitions;
use crate::operations::{
    self, Answer, CampaignStatus, Interface, MigrationStatus, Needs, OperationError, Outcome, Running, campaign_total,
    danger, needs,
};
use crate::state::{PgMoveLog, RunLock};

use super::{CampaignSnapshot, CommandHost, CommandOutcome, CommandResult, Consent, Issuer, OnDetach, PendingApproval};

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Completion offers this many orgs.
const ORGS_MAX: u32 = 100;
/// The longest wait of completion for names.
const NAMES_WITHIN: Duration = Duration::from_millis(300);

/// The path of the supervisor of the workers.
const WORKERS: &str = "root/workers";

/// Carries out commands in this process.
pub(in crate::cli) struct Local<'a> {
    pub(super) app: &'a App,
    tree: Option<Tree>,
    /// The lock on the runbook that this process runs.
    pub(super) lock: Option<RunLock>,
    /// Proves that no other client has run it since.
    pub(super) holder: [u8; 32],
}

impl<'a> Local<'a> {
    /// Without a tree yet.
    pub(in crate::cli) fn new(app: &'a App) -> Self {
        Self { app, tree: None, lock: None, holder: rand::random() }
    }

    /// The tree, once it is started.
    pub(in crate::cli) fn running(&self) -> Option<Running> {
        self.tree.as_ref().map(Running::from)
    }

    async fn result_of(&self, outcome: Outcome) -> Result<CommandResult, CliError> {
        let answer = outcome.answer();
        let campaign = match outcome {
            Outcome::Campaign(campaign, total) => Some((self.status_of(campaign.id).await?, total)),
            Outcome::Done(_) => None,
        };
        Ok(CommandResult { answer, campaign })
    }

    pub(super) async fn status_of(&self, campaign: CampaignId) -> Result<CampaignStatus, CliError> {
        Ok(self.app.world.log.campaign_view(campaign).await?.into())
    }
}

#[async_trait(?Send)]
impl CommandHost for Local<'_> {
    async fn prepare(&mut self, needs: Needs) -> Result<(), CliError> {
        if self.tree.is_none() {
            if needs == Needs::Tree {
                // The tree would take over orgs.
                operations::refuse_changed(&self.app.world).await?;
            }
            self.tree = self.app.start(needs).await?;
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        command: &Command,
        consent: Consent<'_>,
        issuer: Issuer,
        interrupts: &mut Interrupts,
    ) -> Result<CommandOutcome, CliError> {
        let (app, needs) = (self.app, needs(command));
        let world = &app.world;
        if let Consent::NotAsked = consent
            && let Some(danger) = danger(world, command).await?
        {
            return Ok(CommandOutcome::NeedsConfirmation(danger));
        }
        self.prepare(needs).await?;
        let interface = match issuer {
            Issuer::At(interface) => interface,
            Issuer::Step(step) => Interface::Run(step.run),
        };
        let running = self.running();
        let carrying_out = operations::carry_out(world, running.as_ref(), interface, command);
        let outcome = match needs {
            // The campaign is opened or refused first; Ctrl-C is handled after that.
            Needs::Tree => carrying_out.await?,
            Needs::Nothing | Needs::Flags => tokio::select! {
                outcome = carrying_out => outcome?,
                () = interrupts.next() => return Err(CliError::Interrupted),
            },
        };
        self.result_of(outcome).await.map(CommandOutcome::Done)
    }

    async fn decided(&mut self, _: PendingApproval, _: &mut Interrupts) -> Result<CommandResult, CliError> {
        // A local user needs no approval.
        Err(CliError::NotConfirmed)
    }

    /// A dead process may have left orgs in flight: they are moved to the end of their steps.
    async fn resume_nothing(&mut self, refused: CliError, interrupts: &mut Interrupts) -> Result<Answer, CliError> {
        let (CliError::Operation(OperationError::Log(LogError::NoCampaign)), Some(tree)) = (&refused, &mut self.tree)
        else {
            return Err(refused);
        };
        let log = &self.app.world.log;
        let mut most = 0;
        loop {
            let nodes = log.nodes().await?;
            let of_the_dead: u64 = nodes.iter().filter(|node| !node.alive).map(|node| node.moves).sum();
            let ours = log.held(tree.node(), u32::MAX >> 1).await?.len() as u64;
            most = most.max(of_the_dead + ours);
            if of_the_dead + ours == 0 {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                ended = tree.ended() => ended.map_err(AppError::from)?,
                () = interrupts.next() => return Err(CliError::Interrupted),
            }
        }
        match most {
            0 => Err(refused),
            orgs => Ok(Answer::new(
                format!("{orgs} orgs that a dead process had left in flight were brought to their end. next: status"),
                json!({ "taken_over": orgs }),
            )),
        }
    }

    async fn look(&mut self, campaign: i64) -> Result<CampaignSnapshot, CliError> {
        let campaign = self.status_of(CampaignId(campaign)).await?;
        let Some(tree) = &self.tree else {
            let is_over = campaign.phase == Phase::Ended;
            return Ok(CampaignSnapshot { campaign, is_over, workers: Vec::new(), waiting: None });
        };
        let waiting = match tree.flags_health() {
            FlagsHealth::Down(cause) => Some(cause),
            FlagsHealth::Up => None,
        };
        let log = &self.app.world.log;
        let is_over =
            campaign.phase == Phase::Ended && at_work::has_orgs(log, tree).await.is_ok_and(|has_orgs| !has_orgs);
        Ok(CampaignSnapshot { campaign, is_over, workers: busy(tree.registry()), waiting })
    }

    async fn standing(&mut self, campaign: &CampaignStatus) -> Option<MigrationStatus> {
        let (world, migration) = (&self.app.world, &campaign.migration);
        let counts = world.log.counts(migration).await.ok()?;
        let campaign = Some(CampaignId(campaign.id));
        MigrationStatus::read(world, migration.clone(), counts, campaign).await.ok()
    }

    async fn live(&mut self) -> Result<Option<(CampaignStatus, u64)>, CliError> {
        let live = self.app.world.log.live_campaign().await?;
        let node = self.tree.as_ref().map(Tree::node);
        match live.filter(|campaign| Some(campaign.node) == node) {
            Some(campaign) => {
                let total = campaign_total(&self.app.world, &campaign).await?;
                Ok(Some((self.status_of(campaign.id).await?, total)))
            }
            None => Ok(None),
        }
    }

    async fn halt(&mut self, why: &str) -> Result<(), CliError> {
        Ok(self.app.world.log.control(Control::Halt, Some(why)).await.map(drop)?)
    }

    fn on_detach(&self) -> OnDetach {
        OnDetach::Ends
    }

    async fn ended(&mut self) -> Result<(), CliError> {
        match &mut self.tree {
            Some(tree) => Ok(tree.ended().await.map_err(AppError::from)?),
            None => std::future::pending().await,
        }
    }

    async fn status(&mut self, migration: Option<&str>) -> Result<Answer, CliError> {
        let line = migration.map_or("status".to_owned(), |migration| format!("status {migration}"));
        let command = command::parse(&line)?.unwrap_or(Command::Status { migration: None, watch: false });
        Ok(operations::carry_out(&self.app.world, None, Interface::Watch, &command).await?.answer())
    }

    fn sleep_time_ms(&self) -> Option<u64> {
        Some(self.app.world.campaign.tuning.sleep_time_ms)
    }

    fn place(&self) -> String {
        self.app.place()
    }

    fn names(&self) -> Box<dyn Names + Send> {
        Box::new(Known {
            definitions: Arc::clone(&self.app.world.definitions),
            log: Arc::clone(&self.app.world.log),
            runtime: Handle::current(),
        })
    }

    async fn close(&mut self) -> Result<(), CliError> {
        match self.tree.take() {
            Some(tree) => Ok(tree.stop().await.map_err(AppError::from)?),
            None => Ok(()),
        }
    }
}

/// What each busy worker does.
fn busy(registry: &Registry) -> Vec<String> {
    let mut busy = Vec::new();
    let workers = registry.tree().and_then(|root| root.children.into_iter().find(|child| child.path == WORKERS));
    let mut left: Vec<TreeNode> = workers.into_iter().collect();
    while let Some(node) = left.pop() {
        // The note of the pool has the number of busy workers; a worker has no children, and a note only while it works.
        if node.children.is_empty() && node.id.starts_with("worker") && !node.note.is_empty() {
            busy.push(node.note);
        }
        left.extend(node.children);
    }
    busy.sort();
    busy
}

/// The names in the local move log.
struct Known {
    definitions: Arc<Definitions>,
    log: Arc<PgMoveLog>,
    runtime: Handle,
}

impl Names for Known {
    fn migrations(&self) -> Vec<String> {
        self.definitions.names()
    }

    fn orgs(&self, begin: &str) -> Vec<String> {
        let migrations = self.definitions.names();
        let asking = async { timeout(NAMES_WITHIN, self.log.org_names(&migrations, begin, ORGS_MAX)).await };
        let asked = self.runtime.block_on(asking);
        // Without an answer nothing is offered; the line is checked when it is carried out.
        asked.ok().and_then(Result::ok).unwrap_or_default()
    }
}
