//! Carries out commands. Every interface parses its input into a [`Command`] and calls this module; there is no second path.

mod answer;
mod approval;
mod campaigns;
mod check;
mod check_flags;
mod check_script;
mod continuity;
mod danger;
mod doctor;
mod error;
mod flags;
mod guard;
mod health;
mod history;
mod location;
mod only_rows;
mod org_file;
mod orgs;
mod outlook;
mod prep;
mod report;
mod restore;
mod routes;
mod shared_orgs;
mod shell;
mod skipped_orgs;
mod stalled;
mod startup_doctor;
mod status;
mod tokens;
mod verify;
mod world;

use mover_actors::domain::campaign::{Campaign, Control};
use mover_actors::domain::ids::NodeId;
use mover_actors::otp::{ActorRef, Registry};
use mover_actors::tree::Tree;
use mover_actors::tree::darklaunch::Darklaunch;
use mover_actors::tree::manager::Manager;
use serde_json::json;

use crate::command::{self, Command};
use crate::engine::Level as CheckLevel;

pub use answer::{Answer, Verdict};
pub(crate) use answer::{at, rfc3339, rounded_if_any};
pub use approval::{Proposed, refused};
pub use campaigns::total as campaign_total;
pub use check::Checked;
pub use check_script::Script;
pub use continuity::{Discontinuity, accept, enforce, refuse_changed};
pub use danger::{Danger, danger, is_final};
pub use doctor::Diagnosis;
pub use error::OperationError;
pub(crate) use flags::{change as flag_change, flags_of};
pub use guard::{GuardWork, guard};
pub use health::{Health, Level};
pub use history::{Interface, Noted, carry_out, carry_out_noted, note};
pub use location::{Location, location};
pub use orgs::uncaptured;
pub(crate) use orgs::{doing, progress_of, selection};
pub use outlook::LargeOrg;
pub use restore::{KeyInLog, RestoreWish, restore};
pub use routes::{MisroutedOrg, RouteSurvey, RouteWatch};
pub use startup_doctor::StartupDoctor;
pub use status::{CampaignStatus, Closed, MigrationStatus, StatusView};
pub use tokens::tokens;
pub use world::{CampaignDefaults, World};

/// The actors that commands use.
#[derive(Clone)]
pub struct Running {
    /// Drives campaigns.
    pub manager: ActorRef<Manager>,
    /// Writes flags.
    pub darklaunch: ActorRef<Darklaunch>,
    /// The live picture of the tree.
    pub registry: Registry,
    /// This process in the move log.
    pub node: NodeId,
}

impl From<&Tree> for Running {
    fn from(tree: &Tree) -> Self {
        Self {
            manager: tree.manager().clone(),
            darklaunch: tree.darklaunch().clone(),
            registry: tree.registry().clone(),
            node: tree.node(),
        }
    }
}

/// The result of a command.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done(Answer),
    /// A campaign runs, with so many orgs. Its row has the rest.
    Campaign(Campaign, u64),
}

impl Outcome {
    /// The answer for now.
    pub fn answer(&self) -> Answer {
        match self {
            Outcome::Done(answer) => answer.clone(),
            Outcome::Campaign(campaign, total) => campaigns::opened(campaign, *total),
        }
    }
}

/// What must run for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The move log is enough.
    Nothing,
    /// The darklaunch actor.
    Flags,
    /// The whole tree.
    Tree,
}

/// What must run for this command. A command that only reads never starts an actor, and so never takes over an org.
pub fn needs(command: &Command) -> Needs {
    match command {
        // The approved command may be a campaign.
        Command::Migrate { .. } | Command::Control(Control::Resume) | Command::Approve { .. } => Needs::Tree,
        Command::OrgsForceOld { .. }
        | Command::FlagsRepair
        | Command::Darklaunch { .. }
        | Command::Darklaunch503 { .. }
        | Command::DarklaunchOrgs503 { .. }
        | Command::DarklaunchOrgCreation { .. } => Needs::Flags,
        Command::OrgsCapture { .. }
        | Command::OrgsAdd { .. }
        | Command::OrgsReady { .. }
        | Command::OrgsList { .. }
        | Command::Org { .. }
        | Command::Status { .. }
        | Command::Control(_)
        | Command::Verify { .. }
        | Command::Retry { .. }
        | Command::FlagsShow { .. }
        | Command::FlagsCheck
        | Command::Tree
        | Command::Nodes
        | Command::Check
        | Command::Health
        | Command::Report { .. }
        | Command::History { .. }
        | Command::Refuse { .. }
        | Command::Help { .. }
        | Command::Quit => Needs::Nothing,
    }
}

async fn carried_out(world: &World, running: Option<&Running>, command: &Command) -> Result<Outcome, OperationError> {
    let console = |command| running.ok_or(OperationError::ConsoleOnly { command });
    let answer = match command {
        Command::Migrate { aim, migration, which, options } => {
            let running = console("migrate")?;
            if let Some(prepared) = world.definitions.prepared_by(migration) {
                return Ok(Outcome::Done(prep::prepare(world, running, *aim, prepared, which).await?));
            }
            let (campaign, total) = campaigns::migrate(world, running, *aim, migration, which, options).await?;
            return Ok(Outcome::Campaign(campaign, total));
        }
        Command::Control(Control::Resume) => {
            let running = console("resume")?;
            let (campaign, total) = campaigns::resume(world, running).await?;
            if campaign.node == running.node {
                return Ok(Outcome::Campaign(campaign, total));
            }
            // Another process drives it, and shows it.
            campaigns::opened(&campaign, total)
        }
        Command::Control(change) => campaigns::control(world, *change).await?,
        Command::OrgsCapture { migration } => orgs::capture(world, migration).await?,
        Command::OrgsAdd { orgs, migration } => orgs::add(world, orgs, migration).await?,
        Command::OrgsReady { migration, which } => orgs::ready(world, migration, which).await?,
        Command::OrgsForceOld { migration } => {
            let definition = world.definition(migration)?;
            prep::force_captured(world, console("orgs force-old")?, definition).await?
        }
        Command::OrgsList { migration, state, limit } => orgs::list(world, migration, *state, *limit).await?,
        Command::Org { org, migration } => {
            orgs::show(world, org, migration.as_ref(), running.map(|running| &running.registry)).await?
        }
        Command::Retry { migration, which, from } => orgs::retry(world, migration, which, *from).await?,
        Command::Verify { migration, which } => verify::verify(world, migration, which).await?,
        Command::Status { migration, watch: _ } => {
            let only = migration.as_ref().map(|name| world.definition(name)).transpose()?;
            Answer::of(&StatusView::read(world, only.map(|definition| &definition.name)).await?)
        }
        Command::FlagsShow { hash } => flags::show(world, &hash.key()).await?,
        Command::FlagsCheck => flags::check(world).await?,
        Command::FlagsRepair => flags::repair(world, console("flags repair")?).await?,
        Command::Darklaunch { .. }
        | Command::Darklaunch503 { .. }
        | Command::DarklaunchOrgs503 { .. }
        | Command::DarklaunchOrgCreation { .. } => {
            let (key, fields) = flags::change(command).ok_or(OperationError::ConsoleOnly { command: "darklaunch" })?;
            flags::set(world, console("darklaunch")?, key, fields).await?
        }
        Command::Tree => {
            let tree = console("tree")?.registry.tree();
            tree.map_or_else(|| Answer::new("the tree is not up", json!(null)), |tree| Answer::of(&tree))
        }
        Command::Nodes => status::nodes(&world.log).await?,
        Command::Check => {
            let checked = Checked::look(world).await?;
            Answer::of(&checked).if_all(checked.worst() != CheckLevel::Problem)
        }
        Command::Health => {
            let health = Health::look(world).await?;
            Answer::of(&health).judged(health.level.into())
        }
        Command::Report { migration, out } => report::report(world, migration, out.as_deref()).await?,
        Command::Approve { command } => return approval::approve(world, running, *command).await,
        Command::Refuse { command } => approval::refuse(world, *command).await?,
        Command::History { limit } => history::history(world, *limit).await?,
        Command::Help { topic } => {
            let text = command::help(topic.as_deref());
            Answer::new(text.clone(), json!({ "help": text, "commands": command::explained(topic.as_deref()) }))
        }
        Command::Quit => Answer::new("", json!(null)),
    };
    Ok(Outcome::Done(answer))
}
