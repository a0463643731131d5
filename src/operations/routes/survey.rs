//! All orgs of the move log whose flags do not lead to where they live.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mover_actors::domain::effective::EffectiveRoute;
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::{MigrationName, MoveId, OrgName, StoreName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::ports::Side;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::config::Definition;
use crate::operations::answer::short;
use crate::operations::error::OperationError;
use crate::operations::location::{home, store_at};
use crate::operations::world::World;

use super::deciding::{deciding, routes};
use super::flags::{Shared, own_fields};
use super::verdict::{Misroute, misroute};

/// How many orgs are read at once.
pub(super) const PAGE_ORGS: u32 = 1_000;
/// So many orgs are named.
const NAMED_MAX: usize = 100;
/// A survey for figures is used for so long,
const AGE_MIN: Duration = Duration::from_secs(10);
/// or for this many times as long as it took.
const SHARE: u32 = 20;
/// The longest wait for a survey for figures.
const WITHIN: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RouteSurvey {
    /// How many orgs were compared.
    pub checked: u64,
    /// How many orgs of each migration are routed wrongly.
    pub counts: BTreeMap<MigrationName, u64>,
    /// The first of them.
    pub misrouted: Vec<MisroutedOrg>,
}

/// An org whose flags do not lead to where it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MisroutedOrg {
    /// The migration.
    pub migration: MigrationName,
    /// The org.
    pub org: OrgName,
    /// Where it lives.
    pub lives_in: StoreName,
    /// What is wrong.
    pub(crate) misroute: Misroute,
    /// Whether applications answer its requests with 503.
    pub shut: bool,
    /// Whether writes can be lost or refused.
    pub grave: bool,
    /// What the flags say.
    pub because: String,
    /// The store that it does not live in.
    #[serde(skip)]
    other: StoreName,
}

/// An org with what its flags mean.
struct Routed<'a> {
    record: &'a MoveRecord,
    route: EffectiveRoute,
    found: Misroute,
}

impl RouteSurvey {
    /// Compares every org of the move log.
    pub async fn look(world: &World) -> Result<Self, OperationError> {
        let mut survey = Self::default();
        for definition in world.definitions.iter().filter(|definition| routes(definition)) {
            let shared = Shared::read(world).await?;
            let mut pages = Pages::of(definition);
            while let Some(records) = pages.next(world).await? {
                survey.checked += records.len() as u64;
                let wrong = wrong_of(world, definition, &shared, &records).await?;
                for org in still_wrong(world, definition, wrong).await? {
                    survey.take(org);
                }
            }
        }
        Ok(survey)
    }

    /// Compares these moves.
    pub(crate) async fn of(world: &World, records: &[MoveRecord]) -> Result<Vec<MisroutedOrg>, OperationError> {
        let mut found = Vec::new();
        for record in records {
            let Ok(definition) = world.definition(&record.migration) else { continue };
            if routes(definition) && home(record).is_some() {
                let shared = Shared::read(world).await?;
                let wrong = wrong_of(world, definition, &shared, std::slice::from_ref(record)).await?;
                found.extend(still_wrong(world, definition, wrong).await?);
            }
        }
        Ok(found)
    }

    fn take(&mut self, org: MisroutedOrg) {
        *self.counts.entry(org.migration.clone()).or_default() += 1;
        if self.misrouted.len() < NAMED_MAX {
            self.misrouted.push(org);
        }
    }

    /// How many orgs are routed wrongly.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The first org whose writes can be lost or refused, or the first one at all.
    pub(crate) fn worst(&self) -> Option<&MisroutedOrg> {
        self.misrouted.iter().find(|org| org.grave).or(self.misrouted.first())
    }
}

/// Pages of the orgs of a migration that live in a known store.
pub(super) struct Pages<'a> {
    definition: &'a Definition,
    after: Option<MoveId>,
}

impl<'a> Pages<'a> {
    pub(super) fn of(definition: &'a Definition) -> Self {
        Self { definition, after: None }
    }

    pub(super) async fn next(&mut self, world: &World) -> Result<Option<Vec<MoveRecord>>, OperationError> {
        let views = world.log.list(&self.definition.name, None, self.after, PAGE_ORGS).await?;
        let Some(last) = views.last() else { return Ok(None) };
        self.after = Some(last.record.id);
        Ok(Some(views.into_iter().map(|view| view.record).filter(|record| home(record).is_some()).collect()))
    }
}

/// Those of the orgs whose flags are wrong, if this migration decides about them.
async fn wrong_of<'a>(
    world: &World,
    definition: &Definition,
    shared: &Shared,
    records: &'a [MoveRecord],
) -> Result<Vec<Routed<'a>>, OperationError> {
    let own = own_fields(world, &definition.routing, records.iter().map(|record| &record.org)).await?;
    let mut wrong: Vec<Routed<'_>> =
        records.iter().zip(&own).filter_map(|(record, own)| routed(definition, shared, record, own)).collect();
    let decided = deciding(world, definition, wrong.iter().map(|routed| routed.record).collect()).await?;
    let decided: Vec<MoveId> = decided.into_iter().map(|record| record.id).collect();
    wrong.retain(|routed| decided.contains(&routed.record.id));
    Ok(wrong)
}

fn routed<'a>(definition: &Definition, shared: &Shared, record: &'a MoveRecord, own: &Fields) -> Option<Routed<'a>> {
    let route = shared.route(&definition.routing, own);
    misroute(record, &route).map(|found| Routed { record, route, found })
}

/// An org that moved between the reads looks misrouted, and is not: those that are found again, in the same state.
async fn still_wrong(
    world: &World,
    definition: &Definition,
    wrong: Vec<Routed<'_>>,
) -> Result<Vec<MisroutedOrg>, OperationError> {
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<OrgName> = wrong.iter().map(|routed| routed.record.org.clone()).collect();
    let shared = Shared::read(world).await?;
    let own = own_fields(world, &definition.routing, names.iter()).await?;
    let now = world.log.moves_by_name(&definition.name, &names).await?;
    let now: HashMap<MoveId, _> = now.into_iter().map(|record| (record.id, (record.state, record.epoch))).collect();
    let again = wrong.into_iter().zip(&own).filter(|(routed_before, own)| {
        let record = routed_before.record;
        let same = now.get(&record.id) == Some(&(record.state, record.epoch));
        same && routed(definition, &shared, record, own).is_some_and(|again| again.found == routed_before.found)
    });
    Ok(again.filter_map(|(routed, _)| misrouted(definition, routed)).collect())
}

fn misrouted(definition: &Definition, Routed { record, route, found }: Routed<'_>) -> Option<MisroutedOrg> {
    let lives = home(record)?;
    let other = match lives {
        Side::Source => Side::Target,
        Side::Target => Side::Source,
    };
    Some(MisroutedOrg {
        migration: record.migration.clone(),
        org: record.org.clone(),
        lives_in: store_at(definition, lives).clone(),
        misroute: found,
        shut: route.shut,
        grave: found.is_grave(record),
        because: route.because(FlagKey::org(&record.org).as_str()),
        other: store_at(definition, other).clone(),
    })
}

impl fmt::Display for MisroutedOrg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { migration, org, lives_in, other, because, .. } = self;
        let org = short(org.as_str(), 60);
        match self.misroute {
            Misroute::Elsewhere => {
                write!(f, "{org} of {migration} lives in {lives_in}, and its flags route it to {other}: {because}")
            }
            Misroute::Partly => write!(
                f,
                "{org} of {migration} lives in {lives_in}, and its flags route some of its requests to {other}: {because}"
            ),
            Misroute::Nowhere => {
                write!(f, "{org} of {migration} lives in {lives_in}, and its flags route it nowhere: {because}")
            }
            Misroute::LetIn => write!(
                f,
                "{org} of {migration} is being copied offline, and its flags do not shut it: a hash of later precedence, or \
                 someone, ended its 503"
            ),
        }?;
        if self.shut && self.misroute != Misroute::LetIn { f.write_str(" (it is in 503 now)") } else { Ok(()) }
    }
}

/// The last survey, for figures that are read often.
#[derive(Default)]
pub struct RouteWatch(Mutex<Option<Watched>>);

struct Watched {
    at: Instant,
    took: Duration,
    survey: Option<Arc<RouteSurvey>>,
}

impl RouteWatch {
    /// The last survey, or a new one if that is too old; `None` if Redis or the move log does not answer in time.
    pub async fn recent(&self, world: &World) -> Option<Arc<RouteSurvey>> {
        let mut last = self.0.lock().await;
        if let Some(last) = last.as_ref().filter(|last| last.at.elapsed() < AGE_MIN.max(last.took * SHARE)) {
            return last.survey.clone();
        }
        let begin = Instant::now();
        let survey = timeout(WITHIN, RouteSurvey::look(world)).await.ok().and_then(Result::ok).map(Arc::new);
        *last = Some(Watched { at: Instant::now(), took: begin.elapsed(), survey: survey.clone() });
        survey
    }
}
