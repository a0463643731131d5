//! Where commands are carried out: by a tree in this process, or by a Mover elsewhere. Console, `exec`, `run` and the view of a
//! campaign know only this, so there is one of each.
//!
//! - `home`: the tree in this process, on the databases that are configured here
//! - `elsewhere`: `mover serve`, over its API
//! - `names`: what can be typed there
//! - `logbook`: what a run of a runbook needs besides
//! - `holding`: a run that is held elsewhere
//! - `files`: what a command reads and writes on this machine although it is carried out elsewhere

mod elsewhere;
mod files;
mod holding;
mod home;
mod logbook;
mod names;

use async_trait::async_trait;

use crate::command::Command;
use crate::operations::{Answer, CampaignStatus, Danger, Door, MigrationStatus, Needs};
use crate::state::StepKey;

use super::console::Names;
use super::error::CliError;
use super::interrupts::Interrupts;

pub(super) use elsewhere::Elsewhere;
pub(super) use home::Home;
pub(super) use logbook::{Earlier, Journal, Logbook, Text};

/// Who gives a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Giver {
    /// Somebody at this door.
    At(Door),
    /// A step of a run.
    Step(StepKey),
}

/// Whether its giver was asked whether a dangerous command is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Consent<'a> {
    /// Not yet.
    NotAsked,
    /// They typed this.
    Typed(&'a str),
    /// They said so beforehand.
    Beforehand,
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum Carried {
    /// It was carried out, or goes on as a campaign.
    Out(Told),
    /// First its giver must show that it is meant.
    Asks(Danger),
    /// First somebody else must agree.
    Waits(Waiting),
}

/// What was told, and the campaign that was opened: of so many orgs.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) answer: Answer,
    pub(super) campaign: Option<(CampaignStatus, u64)>,
}

/// A command that somebody else must agree to.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its number in the audit.
    pub(super) command: i64,
    /// What to do about it.
    pub(super) how: String,
}

/// A campaign as it is now.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) campaign: CampaignStatus,
    /// Whether it has ended, and nothing of it is left to do.
    pub(super) is_over: bool,
    /// What each worker that does something is doing.
    pub(super) workers: Vec<String>,
    /// What it waits for.
    pub(super) waiting: Option<String>,
}

/// What becomes of a campaign when nobody looks any more.
#[derive(Debug)]
pub(super) enum Unwatched {
    /// It ends with this process.
    Ends,
    /// It goes on, as is told.
    GoesOn(String),
}

/// See the module's documentation.
#[async_trait(?Send)]
pub(super) trait Helm {
    /// Starts what such commands need, before the first of them.
    async fn prepare(&mut self, needs: Needs) -> Result<(), CliError>;

    /// Carries a command out; Ctrl-C leaves it to itself.
    async fn carry_out(
        &mut self,
        command: &Command,
        consent: Consent<'_>,
        giver: Giver,
        interrupts: &mut Interrupts,
    ) -> Result<Carried, CliError>;

    /// Waits until somebody else has decided.
    async fn decided(&mut self, waiting: Waiting, interrupts: &mut Interrupts) -> Result<Told, CliError>;

    /// There is no campaign to resume; but there may be something else that `resume` can do.
    async fn resume_nothing(&mut self, refused: CliError, interrupts: &mut Interrupts) -> Result<Answer, CliError>;

    /// A campaign as it is now.
    async fn look(&mut self, campaign: i64) -> Result<Look, CliError>;

    /// How the campaign's migration stands: how long orgs were closed for writes, and how much is left.
    async fn standing(&mut self, campaign: &CampaignStatus) -> Option<MigrationStatus>;

    /// The live campaign, if it can be watched from here: of so many orgs.
    async fn live(&mut self) -> Result<Option<(CampaignStatus, u64)>, CliError>;

    /// Halts the live campaign.
    async fn halt(&mut self, why: &str) -> Result<(), CliError>;

    /// What becomes of a campaign when nobody looks any more.
    fn unwatched(&self) -> Unwatched;

    /// Waits for an end that nobody asked for.
    async fn ended(&mut self) -> Result<(), CliError>;

    /// How things stand, which nobody keeps.
    async fn status(&mut self, migration: Option<&str>) -> Result<Answer, CliError>;

    /// What campaigns wait after the block where nothing is said.
    fn sleep_time_ms(&self) -> Option<u64>;

    /// The names that can be typed.
    fn names(&self) -> Box<dyn Names + Send>;

    /// Nothing more is to come.
    async fn close(&mut self) -> Result<(), CliError>;
}
