//! The status of migrations and of the campaign: read from the move log, never from an actor.

use std::fmt;
use std::num::NonZeroU64;

use mover_actors::domain::campaign::{Phase, Selection};
use mover_actors::domain::ids::{CampaignId, MigrationName, NodeId};
use mover_actors::domain::state::Aim;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::state::PgMoveLog;
use crate::state::read::{CampaignView, ClosedTimes, Counts, Rate, StateName};

use super::answer::{Answer, at, ms, rfc3339, rounded, rounded_if_any, short, span, table};
use super::error::OperationError;
use super::outlook::{LargeOrg, Outlook};
use super::world::World;

/// Everything at a glance.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusView {
    /// Each migration that has orgs.
    pub migrations: Vec<MigrationStatus>,
    /// The live campaign, or the last one.
    pub campaign: Option<CampaignStatus>,
}

/// One migration.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MigrationStatus {
    /// Its name.
    #[schema(value_type = String)]
    pub migration: MigrationName,
    /// Orgs in holding.
    pub holding: u64,
    /// Orgs that may be claimed.
    pub ready: u64,
    /// Orgs in flight.
    pub started: u64,
    /// Orgs moved.
    pub migrated: u64,
    /// Orgs parked with a reason.
    pub failed: u64,
    /// Orgs back on their source.
    pub rolled_back: u64,
    /// Orgs gone from their source.
    pub finalized: u64,
    /// Orgs in flight by step.
    pub steps: Vec<(String, u64)>,
    /// Orgs migrated a second, over the last minute.
    #[serde(serialize_with = "rounded")]
    pub orgs_per_second: f64,
    /// Seconds until the ready ones have moved: by rows while a campaign migrates, otherwise at that rate.
    #[serde(serialize_with = "rounded_if_any")]
    pub eta_seconds: Option<f64>,
    /// Whether that is a lower bound, because something is unknown.
    #[serde(default)]
    pub eta_at_least: bool,
    /// About how many rows of orgs that are ready or in flight are still to be copied, if known.
    #[serde(default)]
    pub rows_left: Option<u64>,
    /// Orgs in flight that are so large that they are copied in ranges.
    #[serde(default)]
    pub large_orgs: Vec<LargeOrg>,
    /// Orgs whose flags do not lead to where they live; null if that is not known.
    #[serde(default)]
    pub misrouted: Option<u64>,
    /// How long orgs were closed for writes.
    pub closed: Option<Closed>,
    /// The newest failures.
    pub failures: Vec<FailedOrg>,
}

/// How long orgs were closed for writes, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = ClosedTimes)]
pub struct Closed {
    /// The median.
    #[serde(serialize_with = "rounded")]
    pub p50_ms: f64,
    /// The 99th percentile.
    #[serde(serialize_with = "rounded")]
    pub p99_ms: f64,
    /// The maximum.
    #[serde(serialize_with = "rounded")]
    pub max_ms: f64,
}

impl From<ClosedTimes> for Closed {
    fn from(times: ClosedTimes) -> Self {
        Self { p50_ms: times.p50_ms, p99_ms: times.p99_ms, max_ms: times.max_ms }
    }
}

/// An org that is parked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FailedOrg {
    /// Its name.
    pub org: String,
    /// The step that failed.
    pub step: String,
    /// The reason.
    pub reason: String,
    /// The table, if one was at fault.
    pub table: Option<String>,
    /// The row.
    pub row: Option<String>,
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CampaignStatus {
    /// Its number.
    pub id: i64,
    /// Its migration.
    #[schema(value_type = String)]
    pub migration: MigrationName,
    /// Its aim: `migrate`, `roll_back` or `finalize`.
    #[schema(value_type = String)]
    pub aim: Aim,
    /// `running`, `paused`, `halting` or `ended`.
    #[schema(value_type = String)]
    pub phase: Phase,
    /// Orgs in flight at once.
    pub concurrency: u32,
    /// Wait after the block.
    pub sleep_time_ms: u64,
    /// Pause between two orgs.
    pub pace_ms: u64,
    /// Orgs claimed.
    pub claimed: u64,
    /// Of these, how many have reached the aim.
    pub migrated: u64,
    /// Of these, how many were parked.
    pub failed: u64,
    /// Of these, how many are in flight.
    pub in_flight: u64,
    /// The node that drives it.
    #[schema(value_type = i64)]
    pub node: NodeId,
    /// Whether that node lives.
    pub node_alive: bool,
    /// Why it halts or ended.
    pub reason: Option<String>,
    /// How many orgs were asked for; null: all, or a percentage.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub requested: Option<NonZeroU64>,
    /// Whether it halts, or has halted, because of orgs that failed.
    #[serde(default)]
    pub halted_by_failures: bool,
    /// When it was opened.
    pub opened_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
}

impl StatusView {
    /// Reads the status of one migration, or of all.
    pub async fn read(world: &World, only: Option<&MigrationName>) -> Result<Self, OperationError> {
        let log = &world.log;
        let migrations = match only {
            Some(migration) => vec![(migration.clone(), log.counts(migration).await?)],
            None => log.migrations().await?,
        };
        let mut views = Vec::with_capacity(migrations.len());
        for (migration, counts) in migrations {
            views.push(MigrationStatus::read(world, migration, counts, None).await?);
        }
        if views.iter().any(|view| view.total() > 0)
            && let Some(survey) = world.routes.recent(world).await
        {
            for view in &mut views {
                view.misrouted = Some(survey.counts.get(&view.migration).copied().unwrap_or_default());
            }
        }
        let campaign = log.recent_campaigns(1).await?.into_iter().next().map(CampaignStatus::from);
        Ok(Self { migrations: views, campaign })
    }
}

impl MigrationStatus {
    /// Reads what the counts do not have; the block times are those of one campaign, or of all.
    pub async fn read(
        world: &World,
        migration: MigrationName,
        counts: Counts,
        campaign: Option<CampaignId>,
    ) -> Result<Self, OperationError> {
        let log = &world.log;
        // Without orgs there is nothing to query.
        let (rate, closed) = match counts.total() {
            0 => (Rate { migrated: 0, seconds: 0.0 }, None),
            _ => (log.rate(&migration).await?, log.closed_times(&migration, campaign).await?),
        };
        let outlook = Outlook::read(world, &migration, &counts, rate).await?;
        let failures = if counts.failed > 0 { log.failures(&migration, 5).await? } else { Vec::new() };
        Ok(Self {
            holding: counts.holding,
            ready: counts.ready,
            started: counts.started,
            migrated: counts.migrated,
            failed: counts.failed,
            rolled_back: counts.rolled_back,
            finalized: counts.finalized,
            steps: counts.steps.iter().map(|(step, orgs)| (step.to_string(), *orgs)).collect(),
            orgs_per_second: rate.per_second(),
            eta_seconds: outlook.seconds,
            eta_at_least: outlook.at_least,
            rows_left: outlook.rows_left,
            large_orgs: outlook.large,
            misrouted: None,
            closed: closed.map(Closed::from),
            failures: failures
                .into_iter()
                .filter_map(|failed| {
                    let failure = failed.record.failure?;
                    Some(FailedOrg {
                        org: failed.record.org.to_string(),
                        step: failure.step.to_string(),
                        reason: failure.reason,
                        table: failure.place.table,
                        row: failure.place.row,
                    })
                })
                .collect(),
            migration,
        })
    }

    /// How many orgs are in a state.
    pub fn of(&self, state: StateName) -> u64 {
        match state {
            StateName::Holding => self.holding,
            StateName::Ready => self.ready,
            StateName::Started => self.started,
            StateName::Migrated => self.migrated,
            StateName::Failed => self.failed,
            StateName::RolledBack => self.rolled_back,
            StateName::Finalized => self.finalized,
        }
    }

    /// The remaining time, as text.
    fn time_left(&self) -> Option<String> {
        let about = if self.eta_at_least { "at least" } else { "about" };
        self.eta_seconds.map(|eta| format!("{about} {}", span(eta)))
    }

    /// How many orgs it has.
    pub fn total(&self) -> u64 {
        self.holding + self.ready + self.started + self.migrated + self.failed + self.rolled_back + self.finalized
    }

    /// Orgs that live in the target.
    fn moved(&self) -> u64 {
        self.migrated + self.finalized
    }

    fn bar(&self) -> String {
        let total = self.total().max(1);
        let done = usize::try_from(self.moved() * 30 / total).unwrap_or(30);
        format!("[{}{}] {:>3}%", "=".repeat(done), " ".repeat(30 - done.min(30)), self.moved() * 100 / total)
    }
}

impl From<CampaignView> for CampaignStatus {
    fn from(view: CampaignView) -> Self {
        let campaign = view.campaign;
        Self {
            id: campaign.id.0,
            phase: campaign.phase,
            concurrency: campaign.tuning.concurrency,
            sleep_time_ms: campaign.tuning.sleep_time_ms,
            pace_ms: campaign.tuning.pace_ms,
            claimed: campaign.claimed,
            migrated: campaign.migrated,
            failed: campaign.failed,
            in_flight: campaign.in_flight(),
            node: campaign.node,
            node_alive: view.node_alive,
            requested: match &campaign.selection {
                Selection::First(most) => NonZeroU64::new(*most),
                Selection::Names(names) => NonZeroU64::new(names.len() as u64),
                Selection::All | Selection::Percent(_) => None,
            },
            halted_by_failures: campaign.failures_too_many().is_some(),
            opened_at: rfc3339(view.opened_at),
            ended_at: view.ended_at.map(rfc3339),
            reason: campaign.reason,
            migration: campaign.migration,
            aim: campaign.aim,
        }
    }
}

impl CampaignStatus {
    /// Whether it has ended with nothing left to do: no org failed, and nothing halted it.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Ended && self.failed == 0 && self.reason.is_none()
    }

    /// Whether it is live but no node drives it.
    pub fn is_interrupted(&self) -> bool {
        self.phase != Phase::Ended && !self.node_alive
    }
}

impl fmt::Display for StatusView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.migrations.is_empty() {
            writeln!(f, "No orgs yet. Begin with: orgs capture MIGRATION")?;
        }
        for migration in &self.migrations {
            migration.fmt(f)?;
        }
        match &self.campaign {
            Some(campaign) => campaign.fmt(f),
            None => Ok(()),
        }
    }
}

impl fmt::Display for MigrationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}  {} of {} orgs migrated", self.migration, self.bar(), self.moved(), self.total())?;
        let steps: Vec<_> = self.steps.iter().map(|(step, orgs)| format!("{step} {orgs}")).collect();
        let steps = if steps.is_empty() { String::new() } else { format!(" ({})", steps.join(", ")) };
        writeln!(
            f,
            "  holding {}, ready {}, in flight {}{steps}, failed {}",
            self.holding, self.ready, self.started, self.failed
        )?;
        if self.rolled_back + self.finalized > 0 {
            writeln!(f, "  rolled back {}, finalized {}", self.rolled_back, self.finalized)?;
        }
        if (self.orgs_per_second > 0.0 || self.eta_seconds.is_some()) && self.ready + self.started > 0 {
            write!(f, "  {:.1} orgs/s in the last minute", self.orgs_per_second)?;
            if let Some(rows) = self.rows_left {
                write!(f, ", about {rows} rows left")?;
            }
            match self.time_left() {
                Some(time) => writeln!(f, ", {time} left")?,
                None => writeln!(f)?,
            }
        }
        for large in &self.large_orgs {
            writeln!(f, "  {large}")?;
        }
        if let Some(misrouted) = self.misrouted.filter(|misrouted| *misrouted > 0) {
            writeln!(f, "  flags do not lead to where orgs live: {misrouted} orgs; next: flags check")?;
        }
        if let Some(closed) = self.closed {
            writeln!(
                f,
                "  closed for writes: p50 {}, p99 {}, max {}",
                ms(closed.p50_ms),
                ms(closed.p99_ms),
                ms(closed.max_ms)
            )?;
        }
        if !self.failures.is_empty() {
            let rows: Vec<_> = self
                .failures
                .iter()
                .map(|failed| {
                    let place = [failed.table.as_deref(), failed.row.as_deref()].into_iter().flatten();
                    let place = place.collect::<Vec<_>>().join(" ");
                    [
                        format!("  {}", short(&failed.org, 30)),
                        failed.step.clone(),
                        short(&failed.reason, 80),
                        short(&place, 60),
                    ]
                })
                .collect();
            f.write_str(&table(["  FAILED", "STEP", "REASON", "WHERE"], &rows))?;
            writeln!(f, "  more: orgs list {0} state=failed; then: retry {0} failed", self.migration)?;
        }
        Ok(())
    }
}

impl fmt::Display for CampaignStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = if self.is_interrupted() {
            "interrupted: its process is gone; `resume` goes on"
        } else {
            self.phase.as_str()
        };
        write!(
            f,
            "campaign {} of {}: {phase}; {} claimed, {} {}, {} failed, {} in flight; \
             concurrency {}, sleep_time {} ms, pace {} ms",
            self.id,
            self.migration,
            self.claimed,
            self.migrated,
            self.aim.done(),
            self.failed,
            self.in_flight,
            self.concurrency,
            self.sleep_time_ms,
            self.pace_ms
        )?;
        match &self.reason {
            Some(reason) => writeln!(f, "\n  {reason}"),
            None => writeln!(f),
        }
    }
}

/// `nodes`: the processes that have joined, and their moves.
pub(super) async fn nodes(log: &PgMoveLog) -> Result<Answer, OperationError> {
    let mut nodes = log.nodes().await?;
    nodes.retain(|node| node.alive || node.moves > 0);
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| {
            let state = if node.alive { "alive" } else { "dead; `resume` takes its orgs over" };
            [node.id.to_string(), node.name.clone(), node.moves.to_string(), at(node.joined_at), state.into()]
        })
        .collect();
    let text = match rows.is_empty() {
        true => "no Mover process drives anything now".into(),
        false => table(["NODE", "NAME", "IN FLIGHT", "SINCE (UTC)", "STATE"], &rows),
    };
    let nodes: Vec<_> = nodes
        .iter()
        .map(|node| json!({
                "id": node.id, "name": node.name, "alive": node.alive, "in_flight": node.moves, "joined_at": rfc3339(node.joined_at),
            }))
        .collect();
    Ok(Answer::new(text, json!({ "nodes": nodes })))
}
