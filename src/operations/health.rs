//! `health`: the health of Mover, for people and for orchestrators.

use std::collections::BTreeMap;
use std::fmt;

use mover_actors::tree::darklaunch::drifts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::SchemaStatus;

use super::doctor::Diagnosis;
use super::error::OperationError;
use super::status::CampaignStatus;
use super::world::World;

/// The level; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is well.
    Ok = 0,
    /// A person should look.
    Warning = 1,
    /// Orgs are blocked, or nothing can be moved.
    Critical = 2,
}

/// The level and its causes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The worst of the causes.
    pub level: Level,
    /// The causes.
    pub causes: Vec<Cause>,
}

/// One cause.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// Its level.
    pub level: Level,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Health {
    /// Nothing can be reached.
    pub fn critical(text: String) -> Self {
        Self::from_causes(vec![Cause { level: Level::Critical, text }])
    }

    fn from_causes(mut causes: Vec<Cause>) -> Self {
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.level));
        Self { level: causes.first().map_or(Level::Ok, |cause| cause.level), causes }
    }

    /// Checks the move log, Redis and the stores.
    pub async fn look(world: &World) -> Result<Self, OperationError> {
        let status = world.log.schema_status().await?;
        if !matches!(status, SchemaStatus::Current) {
            return Ok(Self::critical(
                "the move log's schema is being brought up to date, or waits for it: any command but health does it"
                    .into(),
            ));
        }
        let mut causes = Vec::new();
        causes.extend(flags(world).await);
        for error in world.engine.unreachable_stores().await {
            causes.push(Cause { level: Level::Critical, text: error.to_string() });
        }
        causes.extend(placement(world).await);
        let nodes = world.log.nodes().await?;
        let dead = || nodes.iter().filter(|node| !node.alive);
        let orphans: u64 = dead().map(|node| node.moves - node.copies).sum();
        let copies: u64 = dead().map(|node| node.copies).sum();
        if copies > 0 {
            let text =
                format!("copies of rolled back orgs that are still to be removed: {copies}; next: mover exec resume");
            causes.push(Cause { level: Level::Warning, text });
        }
        if orphans > 0 {
            let text =
                format!("orgs in flight, perhaps in 503, whose process is gone: {orphans}; next: mover exec resume");
            causes.push(Cause { level: Level::Critical, text });
        }
        causes.extend(super::stalled::stalled(world).await?);
        let campaign = world.log.recent_campaigns(1).await?.into_iter().next().map(CampaignStatus::from);
        if campaign.as_ref().is_some_and(CampaignStatus::is_interrupted) {
            let text = "a campaign was interrupted; next: mover exec resume".into();
            causes.push(Cause { level: Level::Warning, text });
        }
        for (migration, counts) in world.log.migrations().await? {
            if counts.failed > 0 {
                let text = format!(
                    "orgs of {migration} that failed: {}; next: orgs list {migration} state=failed",
                    counts.failed
                );
                causes.push(Cause { level: Level::Warning, text });
            }
        }
        Ok(Self::from_causes(causes))
    }
}

/// Stores that are not the ones that they were, orgs for which the wrong set of stores accepts writes, and tables that are not guarded.
async fn placement(world: &World) -> Vec<Cause> {
    let Diagnosis { discontinuities, uncovered, ailments, .. } = match Diagnosis::look(world, false).await {
        Ok(diagnosis) => diagnosis,
        Err(error) => {
            let text = format!("whether orgs live where the move log has them is not known: {error}");
            return vec![Cause { level: Level::Warning, text }];
        }
    };
    let by_store: BTreeMap<_, _> = discontinuities.iter().map(|found| (&found.store, found)).collect();
    let changed = by_store.values().map(|found| format!("store {}: {}; {}", found.store, found.text, found.next()));
    let (new, uncovered): (Vec<_>, Vec<_>) = uncovered.iter().partition(|found| found.places.is_empty());
    let uncovered = uncovered.into_iter().map(ToString::to_string);
    let grave: Vec<_> = ailments.iter().filter(|found| found.grave).collect();
    let misplaced = grave.first().map(|first| {
        format!(
            "orgs that are not safe where they live: {}; one is {} of {}: {}; next: mover doctor",
            grave.len(),
            first.org,
            first.migration,
            first.text
        )
    });
    let texts = changed.chain(uncovered).chain(misplaced);
    let critical = texts.map(|text| Cause { level: Level::Critical, text });
    critical.chain(new.into_iter().map(|found| Cause { level: Level::Warning, text: found.to_string() })).collect()
}

/// A Redis that was restarted may have lost data, so then all flags are compared.
async fn flags(world: &World) -> Option<Cause> {
    let trouble = match world.flags.has_all().await {
        Ok(true) => return None,
        Ok(false) => match drifts(world.log.as_ref(), world.flags.as_ref(), 1).await {
            Ok((_, drifts)) if drifts.is_empty() => return None,
            Ok(_) => "Redis was restarted and does not know all flags; next: flags repair".into(),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    Some(Cause { level: Level::Critical, text: trouble })
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Critical => "critical",
        })
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.level)?;
        self.causes.iter().try_for_each(|cause| writeln!(f, "  {}: {}", cause.level, cause.text))
    }
}
