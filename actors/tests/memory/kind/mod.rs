//! A kind of store in memory: what the protocol asks of a store, over the servers of the world, as a driver would have it. Each request
//! meets a fate of its own.

mod connection;
mod gate;
mod guard;
mod pieces;
mod reading;
mod request;
mod session;
mod site;
mod stores;
mod writing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::state::Strategy;
use mover_actors::ports::{EngineError, Limits, Side};
use mover_actors::protocol::{Basis, Doing, Fingerprint, Glance, LiveLimits, Migration, Moves, Outline, Proofs, Turns};
use tokio::time::Instant;

use super::process::Process;
use super::stores::TABLES;
use super::world::WorldGuard;
use guard::MemoryGuard;
use request::request;
use site::Site;

/// How long a look at both stores counts where nothing depends on it yet.
const LOOK_AGE: Duration = Duration::from_millis(100);
/// As many connections as a small pool has.
const CONNECTIONS: usize = 8;

/// One process's connections to the stores.
pub struct MemoryEngine {
    process: Process,
    migrations: BTreeMap<MigrationName, Migration>,
    guards: [MemoryGuard; 2],
    limits: LiveLimits,
    proofs: Arc<Proofs>,
    turns: Turns,
    outlines: Arc<[Outline]>,
    /// Stands for the time of any look that is fresh enough.
    a_moment_ago: std::time::Instant,
    looks: Mutex<BTreeMap<MigrationName, (Instant, Arc<Basis>)>>,
}

fn name_of(side: Side) -> StoreName {
    let name = match side {
        Side::Source => "old",
        Side::Target => "new",
    };
    StoreName::new(name).expect("it is a good name")
}

fn glance(scene: &WorldGuard<'_>, side: Side) -> Glance {
    Glance { schema: "tables".into(), life: scene.facts.stores.life(side).to_string() }
}

impl MemoryEngine {
    /// The connections of this process, which knows these migrations.
    pub fn new(
        process: &Process,
        routings: &BTreeMap<MigrationName, Routing>,
        strategy: impl Fn(&MigrationName) -> Strategy,
    ) -> Self {
        let (cohort_orgs, range_rows) = process.world().look(|facts| (facts.cohort_orgs.max(1), facts.range_rows));
        let live = LiveLimits {
            lock_timeout: Duration::from_millis(50),
            lock_budget: Duration::from_secs(2),
            range_rows: if range_rows == 0 { i64::MAX } else { range_rows },
            ranges_at_once: 2,
            purge_rows: 2,
            copy_kept: Duration::from_millis(300),
        };
        let migration = |(name, routing): (&MigrationName, &Routing)| {
            let migration = Migration {
                name: name.clone(),
                strategy: strategy(name),
                routing: routing.clone(),
                limits: Limits { max_block_ms: 500, max_change_backlog: 1_000, cohort_orgs, cohort_rows: 1_000 },
                from: name_of(Side::Source),
                to: name_of(Side::Target),
                moves: Moves::Rows,
            };
            (name.clone(), migration)
        };
        let guard = |side| MemoryGuard::new(process, name_of(side), side, live);
        let outline =
            |label: &&str| Outline { label: (*label).into(), key: vec!["id".into()], depth: 0, has_branches: false };
        Self {
            process: process.clone(),
            migrations: routings.iter().map(migration).collect(),
            guards: [guard(Side::Source), guard(Side::Target)],
            limits: live,
            proofs: Arc::default(),
            turns: Turns::over(CONNECTIONS),
            outlines: TABLES.iter().map(outline).collect(),
            a_moment_ago: std::time::Instant::now(),
            looks: Mutex::default(),
        }
    }

    fn site(&self, migration: &Migration, side: Side) -> Site {
        Site::new(&self.process, &migration.name, side, self.limits)
    }

    /// What both stores are like, or were a moment ago.
    async fn basis(&self, migration: &Migration, not_before: std::time::Instant) -> Result<Arc<Basis>, EngineError> {
        let looks = || self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if not_before == self.a_moment_ago
            && let Some((at, basis)) = looks().get(&migration.name)
            && at.elapsed() < LOOK_AGE
        {
            return Ok(basis.clone());
        }
        let looked_at = Instant::now();
        let doing = Doing::new(&migration.from, "reading the schema");
        let glances = request(&self.process, "look", doing, |scene| {
            Ok([glance(scene, Side::Source), glance(scene, Side::Target)])
        });
        let [source, target] = glances.await?.map(|glance| Fingerprint { glance, parts: Arc::default() });
        let basis =
            Arc::new(Basis { source: (migration.from.clone(), source), target: (migration.to.clone(), target) });
        looks().insert(migration.name.clone(), (looked_at, basis.clone()));
        Ok(basis)
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
