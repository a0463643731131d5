//! `health`: the health of Mover, for people and for orchestrators.

use std::collections::BTreeMap;
use std::fmt;

use mover_actors::domain::state::Strategy;
use mover_actors::tree::darklaunch::{Cause as DriftCause, DarklaunchError, Drift, drifts, drifts_of};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::state::SchemaStatus;

use super::answer::{Verdict, at, short};
use super::doctor::Diagnosis;
use super::error::OperationError;
use super::flags::difference;
use super::routes::RouteSurvey;
use super::status::CampaignStatus;
use super::world::World;

/// So many orgs that are shut out are counted,
const SHUT_OUT_MAX: u32 = 10_000;
/// and so many are named.
const SHUT_OUT_NAMED: usize = 5;

/// So many hashes are looked at once more.
const DRIFTS_MAX: usize = 100;

/// The level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is well.
    Ok,
    /// A person should look.
    Warning,
    /// Orgs are blocked, or nothing can be moved.
    Critical,
}

impl From<Level> for Verdict {
    fn from(level: Level) -> Self {
        match level {
            Level::Ok => Verdict::Done,
            Level::Warning => Verdict::Warning,
            Level::Critical => Verdict::Critical,
        }
    }
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
        causes.extend(routes(world).await);
        for error in world.engine.unreachable_stores().await {
            causes.push(Cause { level: Level::Critical, text: error.to_string() });
        }
        causes.extend(placement(world).await);
        causes.extend(shut_out(world).await?);
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

/// Orgs whose switch was cut after they had left the one store: no store accepts their writes.
async fn shut_out(world: &World) -> Result<Option<Cause>, OperationError> {
    let mut orgs = world.log.closed_orgs(SHUT_OUT_MAX).await?;
    orgs.retain(|org| org.strategy == Strategy::Online);
    let Some(first) = orgs.first() else { return Ok(None) };
    let named = orgs.iter().take(SHUT_OUT_NAMED).map(|org| short(org.org.as_str(), 60)).collect::<Vec<_>>().join(", ");
    let text = format!(
        "orgs whose writers are refused by both stores, since their switch was cut: {}; {named}; the first one since {}, in {}; next: \
         mover exec 'org {}', which says what it waits for",
        orgs.len(),
        at(first.since),
        first.migration,
        first.org
    );
    Ok(Some(Cause { level: Level::Critical, text }))
}

/// Orgs whose flags do not lead to where they live.
async fn routes(world: &World) -> Vec<Cause> {
    let survey = match RouteSurvey::look(world).await {
        Ok(survey) => survey,
        Err(error) => {
            let text = format!("whether flags route orgs to where they live is not known: {error}");
            return vec![Cause { level: Level::Warning, text }];
        }
    };
    let Some(worst) = survey.worst() else { return Vec::new() };
    let level = if worst.grave { Level::Critical } else { Level::Warning };
    let orgs = survey.total();
    let text = format!("orgs whose flags do not lead to where they live: {orgs}; one is {worst}; next: flags check");
    vec![Cause { level, text }]
}

/// Hashes in Redis that are not as decided. A Redis that was restarted may have lost data.
async fn flags(world: &World) -> Option<Cause> {
    let critical = |text| Some(Cause { level: Level::Critical, text });
    let whole = match world.flags.has_all().await {
        Ok(whole) => whole,
        Err(error) => return critical(error.to_string()),
    };
    let found = match lasting_drifts(world).await {
        Ok(found) => found,
        Err(error) => return critical(error.to_string()),
    };
    let first = found.first()?;
    if !whole {
        return critical("Redis was restarted and does not know all flags; next: flags repair".into());
    }
    let one = format!("{}: {}", first.wanted.key, difference(first));
    if let Some(ahead) = found.iter().find(|drift| drift.cause() == DriftCause::Ahead) {
        let key = &ahead.wanted.key;
        return critical(format!(
            "Redis has decisions about flags that the move log does not know, e.g. of {key}: the move log is older than Redis; next: \
             make sure that it is the right one, then flags repair"
        ));
    }
    if let Some(all) = found.iter().find(|drift| drift.changes_503_of_all()) {
        return critical(format!(
            "someone else changed flags that hold for everybody, and they are not written back without being asked for, because a 503 \
             would begin or end: {}: {}; next: flags repair, or darklaunch with what they should be",
            all.wanted.key,
            difference(all)
        ));
    }
    let hashes = if found.len() >= DRIFTS_MAX { format!("{DRIFTS_MAX} or more") } else { found.len().to_string() };
    let text = format!("flag hashes in Redis that are not as decided: {hashes}; one is {one}; next: flags check");
    Some(Cause { level: Level::Warning, text })
}

/// Drifts that are not decisions on their way to Redis.
async fn lasting_drifts(world: &World) -> Result<Vec<Drift>, DarklaunchError> {
    let (log, flags) = (world.log.as_ref(), world.flags.as_ref());
    let (_, found) = drifts(log, flags, DRIFTS_MAX).await?;
    let keys: Vec<_> = found.into_iter().map(|drift| drift.wanted.key).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let whole = world.flags.has_all().await?;
    let again = drifts_of(log, flags, &keys).await?;
    Ok(again.into_iter().filter(|drift| !whole || drift.cause() != DriftCause::Unseen).collect())
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
