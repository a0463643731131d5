//! A campaign: one run of `migrate`, `rollback` or `finalize`. It lives in the move log, so that any process can see and steer it.

use serde::{Deserialize, Serialize};

use super::ids::{CampaignId, MigrationName, NodeId, OrgName};
use super::state::Aim;

/// Which orgs a command selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All that are in the right state.
    All,
    /// The first N, in the order of capture.
    First(u64),
    /// N percent of all orgs of the migration (1 to 100), in the order of capture.
    Percent(u8),
    /// The orgs with these names.
    Names(Vec<OrgName>),
}

/// What a live campaign is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// Claiming and moving orgs.
    Running,
    /// Claiming nothing; orgs in flight continue to their end.
    Paused,
    /// Claiming nothing more; ends when the orgs in flight have ended.
    Halting,
    /// Over.
    Ended,
}

impl Phase {
    /// The name used in tables, logs and JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What can be changed while a campaign runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// How many orgs are in flight at once.
    pub concurrency: u32,
    /// Wait after the block for admitted requests to end, in milliseconds.
    pub sleep_time_ms: u64,
    /// Pause of a worker between two orgs, in milliseconds.
    pub pace_ms: u64,
}

/// When a campaign stops by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailurePolicy {
    /// Halt at the first failed org.
    pub error_halts: bool,
    /// Halt when more orgs than this have failed.
    pub failures_max: Option<u32>,
}

/// The request of `migrate`, `rollback` or `finalize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignPlan {
    /// The migration.
    pub migration: MigrationName,
    /// The aim.
    pub aim: Aim,
    /// The selected orgs, among those in the state from which the aim claims.
    pub selection: Selection,
    /// The tuning to begin with.
    pub tuning: Tuning,
    /// When to halt by itself.
    pub failure_policy: FailurePolicy,
}

/// A campaign as the move log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its row.
    pub id: CampaignId,
    /// The migration.
    pub migration: MigrationName,
    /// The aim.
    pub aim: Aim,
    /// The selected orgs.
    pub selection: Selection,
    /// The current phase.
    pub phase: Phase,
    /// The current tuning.
    pub tuning: Tuning,
    /// When it halts by itself.
    pub failure_policy: FailurePolicy,
    /// The node that drives it.
    pub node: NodeId,
    /// Why it is halting or has ended, unless all its work was done.
    pub reason: Option<String>,
    /// Orgs claimed so far.
    pub claimed: u64,
    /// Of these, how many have reached the aim.
    pub migrated: u64,
    /// Of these, how many were parked.
    pub failed: u64,
}

impl Campaign {
    /// Orgs claimed and not yet at the end of their steps.
    pub fn in_flight(&self) -> u64 {
        self.claimed.saturating_sub(self.migrated + self.failed)
    }

    /// Why the failures so far should halt it, if they should.
    pub fn failures_too_many(&self) -> Option<String> {
        if self.failure_policy.error_halts && self.failed > 0 {
            return Some(format!("{} org failed and error_halts is on", self.failed));
        }
        let max = self.failure_policy.failures_max?;
        (self.failed > u64::from(max)).then(|| format!("{} orgs failed, more than the {max} allowed", self.failed))
    }
}

/// A change that an operator makes to the live campaign, from whichever process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Lease nothing until resumed.
    Pause,
    /// Continue claiming.
    Resume,
    /// End when the orgs in flight have ended.
    Halt,
    /// Change how many orgs are in flight at once.
    Concurrency(u32),
    /// Change the wait after the block.
    SleepTimeMs(u64),
    /// Change the pause between two orgs.
    PaceMs(u64),
}
