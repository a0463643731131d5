//! A world with a few orgs, and nodes that move them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mover_actors::domain::campaign::{Campaign, CampaignPlan, Control, FailurePolicy, Selection, Tuning};
use mover_actors::domain::flags::{Fields, FlagKey, Routing};
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::State;
use mover_actors::domain::state::{Aim, Strategy};
use mover_actors::ports::{LogError, MoveLog, Side};
use mover_actors::tree::darklaunch::{Apply, DarklaunchError, FlagOrder};
use mover_actors::tree::manager::Migrate;
use mover_actors::tree::{Patience, Ports, Settings, Tree};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::memory::{Call, Fate, Hash, MemoryEngine, MemoryFlags, MemoryLog, Port, Process, Row, World};

/// How long a node counts as alive.
pub const LEASE: Duration = Duration::from_secs(3);

/// How a campaign begins unless a test says otherwise.
pub const TUNING: Tuning = Tuning { concurrency: 2, sleep_time_ms: 100, pace_ms: 0 };

/// See the module's documentation.
pub struct Fixture {
    /// Stores, Redis and the move log.
    pub world: World,
    /// A process that only reads.
    pub log: MemoryLog,
    orgs: Vec<OrgName>,
    routings: Arc<BTreeMap<MigrationName, Routing>>,
}

/// A running process.
pub struct Node {
    /// Its tree.
    pub tree: Tree,
    /// Its way to the world.
    pub process: Process,
}

/// Runs on a paused clock, which advances only when all tasks are idle.
pub fn play(scene: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, scene);
}

pub fn phase_2() -> MigrationName {
    MigrationName::new("phase_2").unwrap()
}

/// The call of this method.
pub fn is(call: Call, port: Port, method: &str) -> bool {
    call.port == port && call.method == method
}

/// A faults in which the first call of a method meets a fate and all others are smooth.
pub fn once(
    port: Port,
    method: &'static str,
    fate: Fate,
) -> impl FnMut(crate::memory::ProcessId, Call, Instant) -> Fate {
    let met = AtomicBool::new(false);
    move |_, call, _| {
        if is(call, port, method) && !met.swap(true, Ordering::Relaxed) { fate } else { Fate::SMOOTH }
    }
}

impl Fixture {
    /// Ready orgs `org_1` … with rows, in one migration.
    pub async fn new(orgs: usize) -> Self {
        Self::with_migrations(orgs, &["phase_2"]).await
    }

    /// Ready orgs `org_1` … with rows, in each of these migrations.
    pub async fn with_migrations(orgs: usize, migrations: &[&str]) -> Self {
        let world = World::default();
        let log = MemoryLog::new(&world.process());
        let routings: BTreeMap<_, _> =
            migrations.iter().map(|name| (MigrationName::new(*name).unwrap(), routing(name))).collect();
        let orgs: Vec<OrgName> = (1..=orgs).map(|number| OrgName::new(format!("org_{number}")).unwrap()).collect();
        for migration in routings.keys() {
            for org in &orgs {
                let rows = (1..=3).map(|id| Row { table: "containers", id, value: id });
                world.act(|scene| scene.facts.stores.rows_mut(migration, Side::Source, &key(org)).extend(rows));
                log.capture(migration, Strategy::Offline, org, &key(org));
            }
            log.make_ready(migration, &Selection::All).await.unwrap();
        }
        Fixture { world, log, orgs, routings: Arc::new(routings) }
    }

    /// Starts a node, and lets applications work.
    pub async fn node(&self, name: &str) -> Node {
        let process = self.world.process();
        let ports = Ports {
            log: Arc::new(MemoryLog::new(&process)),
            flags: Arc::new(MemoryFlags::new(&process)),
            engine: Arc::new(MemoryEngine::new(&process, &self.routings, |_| Strategy::Offline)),
        };
        let patience = Patience { step_budget_ms: 2_000, crashes_max: 3 };
        let settings = Settings { node_name: name.into(), lease: LEASE, tuning: TUNING, patience };
        let mut tree = Tree::start(ports, settings, Vec::new()).await.unwrap();
        tree.up().await.unwrap();
        let node = Node { tree, process };
        let on_source = self.routings.values().flat_map(|routing| routing.on_source.clone());
        node.set_flags(FlagKey::default_hash(), on_source.map(|(name, value)| (name, Some(value))).collect())
            .await
            .unwrap();
        node
    }

    /// Waits until the world is in this state.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_secs(600), "it never came to this: {what}; {:?}", self.states());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until every move is in this state.
    pub async fn until_all(&self, state: State) {
        self.until(&format!("all are {state}"), |fixture| fixture.states().iter().all(|one| *one == state)).await;
    }

    /// The state of every move.
    pub fn states(&self) -> Vec<State> {
        self.world.look(|facts| facts.log.moves().map(|record| record.state).collect())
    }

    /// How many moves are in flight.
    pub fn in_flight(&self) -> usize {
        self.states().into_iter().filter(|state| matches!(state, State::Started(_))).count()
    }

    /// A move, by its number.
    pub fn record(&self, number: usize) -> MoveRecord {
        self.world.look(|facts| facts.log.moves().nth(number - 1).cloned()).unwrap()
    }

    /// The newest campaign.
    pub fn campaign(&self) -> Campaign {
        self.world.look(|facts| facts.log.campaigns().last().cloned()).unwrap()
    }

    /// An org's own flags in Redis.
    pub fn flags(&self, number: usize) -> Hash {
        let key = FlagKey::org(&self.orgs[number - 1]);
        self.world.look(|facts| facts.redis.hashes.get(&key).cloned().unwrap_or_default())
    }

    /// The store to which an application writes for an org now, if it may.
    pub fn routed_to(&self, number: usize) -> Option<Side> {
        self.world.look(|facts| facts.routed_to(&self.orgs[number - 1], &self.routings[&phase_2()]))
    }

    /// How many rows an org has.
    pub fn rows(&self, number: usize, side: Side) -> usize {
        self.world.look(|facts| facts.stores.rows(&phase_2(), side, &key(&self.orgs[number - 1])).len())
    }

    /// An operator writes to Redis, bypassing Mover.
    pub fn set_in_redis(&self, number: usize, field: &str, value: &str) {
        let (key, field, value) = (FlagKey::org(&self.orgs[number - 1]), field.to_owned(), value.to_owned());
        self.world.act(|scene| scene.write_hash(&key, |hash| drop(hash.insert(field, value))));
    }

    /// A row that an application writes to the source.
    pub fn put_row_in_source(&self, number: usize) {
        let row = Row { table: "containers", id: 50, value: 50 };
        let key = key(&self.orgs[number - 1]);
        self.world.act(|scene| scene.facts.stores.rows_mut(&phase_2(), Side::Source, &key).push(row));
    }

    /// A row in the target that Mover did not write.
    pub fn put_foreign_row(&self, number: usize) {
        let row = Row { table: "groups", id: 99, value: 99 };
        let key = key(&self.orgs[number - 1]);
        self.world.act(|scene| scene.facts.stores.rows_mut(&phase_2(), Side::Target, &key).push(row));
    }

    /// Removes it.
    pub fn remove_foreign_row(&self, number: usize) {
        let key = key(&self.orgs[number - 1]);
        self.world.act(|scene| scene.facts.stores.rows_mut(&phase_2(), Side::Target, &key).retain(|row| row.id != 99));
    }

    /// Controls the live campaign from a process that has no part in it.
    pub async fn control(&self, steer: Control) {
        self.log.control(steer, None).await.unwrap();
    }

    /// Ends a process as a power cut would.
    pub fn kill(&self, node: Node) {
        self.world.kill(node.process.id());
        drop(node);
    }
}

impl Node {
    /// Starts a campaign of all ready orgs.
    pub async fn migrate(&self) -> Result<Campaign, LogError> {
        self.migrate_with(TUNING, FailurePolicy::default()).await
    }

    /// Starts a campaign of all ready orgs.
    pub async fn migrate_with(&self, tuning: Tuning, failure_policy: FailurePolicy) -> Result<Campaign, LogError> {
        let plan =
            CampaignPlan { aim: Aim::Migrate, migration: phase_2(), selection: Selection::All, tuning, failure_policy };
        self.start(plan).await
    }

    /// Starts a campaign.
    pub async fn start(&self, plan: CampaignPlan) -> Result<Campaign, LogError> {
        self.tree.manager().running().await;
        self.tree.manager().send(Migrate(plan)).await.unwrap()
    }

    /// Gives an operator's order.
    pub async fn set_flags(&self, key: FlagKey, fields: Fields) -> Result<(), DarklaunchError> {
        self.tree.darklaunch().running().await;
        self.tree.darklaunch().send(Apply(FlagOrder::of_operator(key, fields))).await.unwrap()
    }

    /// The note of an actor.
    pub fn note(&self, path: &str) -> String {
        self.tree.registry().child(path).map(|child| child.note).unwrap_or_default()
    }

    /// How often an actor was restarted.
    pub fn restarts(&self, path: &str) -> u32 {
        self.tree.registry().child(path).map_or(0, |child| child.restarts)
    }
}

pub fn key(org: &OrgName) -> OrgKey {
    OrgKey::new(format!("key_of_{org}")).unwrap()
}

fn routing(migration: &str) -> Routing {
    let fields = |value: &str| BTreeMap::from([(format!("couchdb_{migration}"), value.to_owned())]);
    Routing {
        on_source: fields("true"),
        on_target: fields("false"),
        blocked: BTreeMap::from([("503_mode".into(), "true".into())]),
    }
}
