//! A kind of store in memory: what the protocol asks of a store, over the servers of the world, as a driver would have it. Each request
//! meets a fate of its own.

mod guard;
mod leaving;
mod receiving;
mod request;
mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::record::{Lease, Place};
use mover_actors::domain::state::{Strategy, Way};
use mover_actors::domain::verified::Mismatch;
use mover_actors::ports::{Copied, EngineError, Limits, Side};
use mover_actors::protocol::store::Guard;
use mover_actors::protocol::{
    Basis, Cohort, CopyRoute, Doing, Fingerprint, Glance, LiveLimits, LiveRoute, Migration, Mode, Moves, Outline,
    Proofs, Stores, Turns,
};
use tokio::time::Instant;

use super::process::Process;
use super::stores::{Row, TABLES};
use super::world::{InjectedBug, WorldGuard};
use guard::MemoryGuard;
use leaving::Leaves;
use receiving::Receives;
use request::request;
use session::Session;

/// How long a look at both stores counts where nothing depends on it yet.
const LOOK_AGE: Duration = Duration::from_millis(100);
/// As many connections as a small pool has.
const CONNECTIONS: usize = 8;
/// How many sessions of one store there can be at once for an org that is written.
const SESSIONS_MAX: usize = 4;

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

/// One store of a migration, as a process sees it.
#[derive(Clone)]
struct Site {
    process: Process,
    migration: MigrationName,
    store: StoreName,
    side: Side,
    limits: LiveLimits,
}

impl Site {
    fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(&self.store, what)
    }

    fn session(&self) -> Session {
        Session::open(&self.process, &self.store, self.side)
    }

    async fn glance(&self, session: &Session) -> Result<Glance, EngineError> {
        let side = self.side;
        session.ask("glance", "looking whether the store is as it was", move |scene, _| Ok(glance(scene, side))).await
    }

    /// Waits until the transactions that are writing now have ended.
    async fn drain(&self) -> Result<(), EngineError> {
        const BUDGET: Duration = Duration::from_secs(1);
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let what = "waiting for open writers";
        let (migration, side) = (self.migration.clone(), self.side);
        let writing = request(&self.process, "drain", self.doing(what), move |scene| {
            let skips = scene.facts.has_injected_bug(InjectedBug::SkipDrain);
            Ok(if skips { Vec::new() } else { scene.writers(&migration, side) })
        });
        let writing = writing.await?;
        let deadline = Instant::now() + BUDGET;
        loop {
            self.process.if_alive().await;
            let is_open = |id| self.process.world().look(|facts| facts.stores.is_writing(id));
            let open = writing.iter().filter(|id| is_open(**id)).count();
            if open == 0 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.doing(what).not_now(format!("{open} still open after {BUDGET:?}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn name_of(side: Side) -> StoreName {
    let name = match side {
        Side::Source => "old",
        Side::Target => "new",
    };
    StoreName::new(name).expect("it is a good name")
}

fn side_of(store: &StoreName) -> Option<Side> {
    [Side::Source, Side::Target].into_iter().find(|side| name_of(*side) == *store)
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
        Site {
            process: self.process.clone(),
            migration: migration.name.clone(),
            store: name_of(side),
            side,
            limits: self.limits,
        }
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

#[async_trait]
impl Stores for MemoryEngine {
    fn migration(&self, name: &MigrationName) -> Result<&Migration, EngineError> {
        let unknown =
            || EngineError { transient: false, reason: format!("there is no migration {name}"), place: Box::default() };
        self.migrations.get(name).ok_or_else(unknown)
    }

    fn live_limits(&self) -> LiveLimits {
        self.limits
    }

    fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    fn turns(&self) -> &Turns {
        &self.turns
    }

    fn guard(&self, store: &StoreName) -> Result<&dyn Guard, EngineError> {
        let unknown = || Doing::new(store, "looking for the store").refused("there is no such store");
        let side = side_of(store).ok_or_else(unknown)?;
        let guard = self.guards.iter().find(|guard| guard.side() == side);
        Ok(guard.ok_or_else(unknown)?)
    }

    async fn copy_route(
        &self,
        migration: &Migration,
        not_before: std::time::Instant,
    ) -> Result<CopyRoute, EngineError> {
        let basis = self.basis(migration, not_before).await?;
        let leaving = Arc::new(Leaves(self.site(migration, Side::Source)));
        let receiving = Arc::new(Receives(self.site(migration, Side::Target)));
        Ok(CopyRoute { leaving, receiving, basis, labels: TABLES.map(str::to_owned).into() })
    }

    async fn live_route(
        &self,
        migration: &Migration,
        way: Way,
        not_before: std::time::Instant,
    ) -> Result<LiveRoute, EngineError> {
        let basis = self.basis(migration, not_before).await?;
        let (leaving, receiving) = match way {
            Way::Forward => (Side::Source, Side::Target),
            Way::Back => (Side::Target, Side::Source),
        };
        Ok(LiveRoute {
            way,
            leaving: Arc::new(Leaves(self.site(migration, leaving))),
            receiving: Arc::new(Receives(self.site(migration, receiving))),
            basis,
            tables: self.outlines.clone(),
        })
    }

    fn doubt(&self, migration: &MigrationName) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).remove(migration);
    }

    fn a_moment_ago(&self) -> std::time::Instant {
        self.a_moment_ago
    }

    async fn discard(&self, migration: &Migration, cohort: &Cohort) -> Result<(), EngineError> {
        let what = "removing the copied rows";
        let site = self.site(migration, Side::Target);
        let session = site.session();
        if self.process.world().look(|facts| facts.has_injected_bug(InjectedBug::DiscardNothing)) {
            session.release();
            return Ok(());
        }
        let asked = cohort.clone();
        let entered = session.ask("discard.enter", what, move |scene, id| scene.enter(id, &asked, Mode::Discarded));
        if !entered.await?.again.is_empty() {
            let asked = cohort.clone();
            let cleared = session.ask("discard.clear", what, move |scene, id| {
                if scene.facts.has_injected_bug(InjectedBug::DiscardEverything) {
                    scene.remove_everything(id)?;
                }
                for lease in asked.leases() {
                    scene.forget_pieces_later(id, &lease.key)?;
                }
                scene.remove_rows(id, &asked, |_| true)
            });
            cleared.await?;
        }
        session.commit(what).await?;
        session.release();
        Ok(())
    }

    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError> {
        let (lease, table) = (lease.clone(), mismatch.table.clone());
        let new = name_of(Side::Target);
        request(&self.process, "explain", Doing::new(&new, "looking for the difference"), move |scene| {
            let of = |side| scene.facts.stores.rows(&lease.migration, side, &lease.key);
            let (source, target) = (of(Side::Source), of(Side::Target));
            let only = |in_one: &[Row], other: &[Row]| in_one.iter().find(|row| !other.contains(row)).copied();
            let row = only(&source, &target).or_else(|| only(&target, &source)).map(|row| row.id.to_string());
            Ok(Place { store: Some("new".into()), table: Some(table), columns: vec!["value".into()], row })
        })
        .await
    }

    async fn carry_out_steps(&self, _: &Lease) -> Result<Copied, EngineError> {
        Ok(Copied::default())
    }

    async fn take_back_steps(&self, _: &Lease) -> Result<(), EngineError> {
        Ok(())
    }
}
