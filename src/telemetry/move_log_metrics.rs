//! Metrics from the move log: the same in every process, even in one that moves nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use mover_actors::domain::campaign::Phase;
use mover_actors::domain::ids::MigrationName;
use strum::VariantArray;
use thiserror::Error;
use tokio::time::timeout;

use crate::state::read::{CampaignView, Counts, Flight, NodeView, StateName};
use crate::state::{PgMoveLog, StateError};

use super::page::{Page, count};

/// Prometheus waits ten seconds by default.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why the move log was not read.
#[derive(Debug, Error)]
pub(super) enum Silent {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    Slow,
}

/// The values that were read.
pub(super) struct MoveLogMetrics {
    migrations: Vec<(MigrationName, Counts)>,
    flights: Vec<Flight>,
    campaign: Option<CampaignView>,
    nodes: Vec<NodeView>,
}

impl MoveLogMetrics {
    /// Reads it, or gives up soon: the other metrics do not need it.
    pub(super) async fn read(log: &PgMoveLog) -> Result<Self, Silent> {
        timeout(ANSWER_WITHIN, Self::read_all(log)).await.map_err(|_| Silent::Slow)?.map_err(Silent::from)
    }

    async fn read_all(log: &PgMoveLog) -> Result<Self, StateError> {
        // One after the other: a scrape every few seconds needs no more than one connection.
        Ok(Self {
            migrations: log.migrations().await?,
            flights: log.flights().await?,
            campaign: log.recent_campaigns(1).await?.into_iter().find(|view| view.campaign.phase != Phase::Ended),
            nodes: log.nodes().await?,
        })
    }

    pub(super) fn write(&self, page: &mut Page) {
        self.write_orgs(page);
        self.write_campaign(page);
        self.write_nodes(page);
    }

    fn write_orgs(&self, page: &mut Page) {
        let mut orgs = page.gauge("mover_orgs", "Orgs by state");
        for (migration, counts) in &self.migrations {
            for &state in StateName::VARIANTS {
                let labels = [("migration", migration.as_str()), ("state", state.as_str())];
                orgs.sample(&labels, count(counts.of(state)));
            }
        }
        let labels = |flight: &'_ Flight| [flight.migration.to_string(), flight.step.to_string()];
        let mut in_flight = page.gauge("mover_orgs_in_flight", "Orgs in flight by step");
        for flight in &self.flights {
            let [migration, step] = labels(flight);
            in_flight.sample(&[("migration", &migration), ("step", &step)], count(flight.orgs));
        }
        let mut oldest =
            page.gauge("mover_step_oldest_seconds", "For how long the org that has been longest at a step is at it");
        for flight in &self.flights {
            let [migration, step] = labels(flight);
            oldest.sample(&[("migration", &migration), ("step", &step)], flight.oldest_seconds);
        }
        let mut shut = page.gauge(
            "mover_org_shut_longest_seconds",
            "For how long the org that has been longest in 503 mode is in it; 0 if none is",
        );
        let mut longest: BTreeMap<&str, f64> =
            self.migrations.iter().map(|(migration, _)| (migration.as_str(), 0.0)).collect();
        for flight in &self.flights {
            let longest = longest.entry(flight.migration.as_str()).or_default();
            *longest = longest.max(flight.shut_seconds.unwrap_or_default());
        }
        for (migration, seconds) in longest {
            shut.sample(&[("migration", migration)], seconds);
        }
    }

    fn write_campaign(&self, page: &mut Page) {
        let live = self.campaign.as_ref();
        let mut active = page.gauge("mover_campaign_active", "1 for the live campaign; no sample if there is none");
        if let Some(CampaignView { campaign, .. }) = live {
            let labels = [
                ("migration", campaign.migration.as_str()),
                ("phase", campaign.phase.as_str()),
                ("aim", campaign.aim.as_str()),
            ];
            active.sample(&labels, 1);
        }
        let mut driven = page.gauge("mover_campaign_driver_alive", "1 if the node that drives the live campaign lives");
        if let Some(view) = live {
            driven.sample(&[], if view.node_alive { 1 } else { 0 });
        }
        let mut concurrency =
            page.gauge("mover_campaign_concurrency", "Orgs that the live campaign may have in flight at once");
        if let Some(CampaignView { campaign, .. }) = live {
            concurrency.sample(&[], campaign.tuning.concurrency);
        }
        let mut sleep = page.gauge("mover_campaign_sleep_seconds", "The wait of the live campaign after a 503");
        if let Some(CampaignView { campaign, .. }) = live {
            sleep.sample(&[], seconds(campaign.tuning.sleep_time_ms));
        }
        let mut pace = page.gauge("mover_campaign_pace_seconds", "The pause of a worker between two orgs");
        if let Some(CampaignView { campaign, .. }) = live {
            pace.sample(&[], seconds(campaign.tuning.pace_ms));
        }
    }

    fn write_nodes(&self, page: &mut Page) {
        let alive = self.nodes.iter().filter(|node| node.alive).count();
        // A node that is gone and left no org behind is not reported.
        let dead = self.nodes.iter().filter(|node| !node.alive && node.moves > 0).count();
        page.gauge("mover_nodes", "Mover processes that live, and dead ones that still hold orgs in flight")
            .sample(&[("alive", "true")], count(alive as u64))
            .sample(&[("alive", "false")], count(dead as u64));
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
