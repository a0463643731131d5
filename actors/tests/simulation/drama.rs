//! One schedule from its seed to its verdict.

use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::campaign::{Phase, Selection};
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, State, Strategy};
use mover_actors::ports::Side;
use tokio::time::{Instant, sleep};

use super::cast::{Cast, FOREIGN};
use super::checkers;
use super::clients::Clients;
use super::nodes::Nodes;
use super::operator::{Operator, Own503, Sure};
use super::plan::{Happening, Plan};
use super::verdict::{Events, Verdict};
use super::weather::Sky;
use crate::memory::{MemoryLog, Port, Row, Sabotage, Violation, World};

/// How long everything may take to come to its end once nothing goes wrong any more.
const FINALE_MAX: Duration = Duration::from_secs(600);

/// How long nodes may take to clear up after the last org has come to its end.
const CLEARING_UP: Duration = Duration::from_secs(40);

/// How often one call may be made in a second, on average, by all nodes together.
const CALLS_PER_SECOND: u64 = 150;

/// A stage for one schedule.
pub struct Drama {
    plan: Plan,
    world: World,
    cast: Arc<Cast>,
    sky: Sky,
    own_503: Own503,
    calm: checkers::Calm,
    nodes: Nodes,
    operator: Operator,
    problems: Vec<Violation>,
}

impl Drama {
    /// Nothing has begun yet.
    pub fn new(mut plan: Plan, sabotage: Option<Sabotage>) -> Self {
        let world = World::default();
        world.act(|scene| {
            scene.facts.cohort_orgs = plan.cohort_orgs;
            scene.facts.range_rows = plan.range_rows;
        });
        let cast = Arc::new(Cast::new(&plan.strategies, plan.orgs, plan.bystanders));
        cast.furnish(&world);
        let sky = Sky::new(plan.random.fork());
        world.set_weather(sky.clone());
        let (own_503, calm) = (Own503::default(), checkers::Calm::default());
        checkers::all(&world, &cast, &own_503, &calm);
        if let Some(sabotage) = sabotage {
            world.sabotage(sabotage);
        }
        let nodes = Nodes::new(&world, &cast, &mut plan);
        let operator = Operator::new(&world, &cast, &own_503, &mut plan);
        Drama { plan, world, cast, sky, own_503, calm, nodes, operator, problems: Vec::new() }
    }

    /// The world it plays in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Plays it. To be called inside a `LocalSet`, on a paused clock.
    pub async fn play(mut self) -> Verdict {
        let begun = Instant::now();
        self.prologue().await;
        let cast = self.cast.clone();
        let clients = Clients::start(&self.world, &cast, &mut self.plan);
        self.storm().await;
        self.clear_up();
        if !self.is_broken() {
            self.finale().await;
        }
        self.check_calls(begun.elapsed());
        let events = Events { acknowledged: clients.go_home().await, ..self.world.look(Events::of) };
        let mut violations = self.problems;
        violations.extend(self.world.judge());
        Verdict { violations, events, trees: self.nodes.drawn() }
    }

    /// Nobody asks again and again without a pause.
    fn check_calls(&mut self, played_for: Duration) {
        let calls_max = CALLS_PER_SECOND * (played_for.as_secs() + 10);
        for (call, calls) in self.sky.calls() {
            if calls > calls_max {
                self.problem("politeness", format!("{call:?} was made {calls} times in {played_for:?}"));
            }
        }
    }

    async fn prologue(&mut self) {
        let log = MemoryLog::new(&self.world.process());
        for (org, migration, _) in self.cast.pairs() {
            log.capture(migration, self.cast.strategy(migration), &org.name, &org.key);
        }
        self.nodes.start().await;
        if let Some(node) = self.nodes.running().first() {
            self.operator.open_shop(node).await;
        }
        let first = self.cast.orgs[0].clone();
        if self.plan.foreign_rows {
            let migration = self.migrations()[0].clone();
            self.world.act(|scene| scene.facts.stores.rows_mut(&migration, Side::Target, &first.key).push(FOREIGN));
        }
        if self.plan.own_503 {
            let key = FlagKey::org(&first.name);
            self.own_503.set(&first.name, Sure::Yes);
            self.world.act(|scene| scene.write_hash(&key, |hash| drop(hash.insert("503_mode".into(), "true".into()))));
        }
        self.operator.make_ready().await;
        if let Some(node) = self.nodes.running().first() {
            self.operator.start(node, Aim::Migrate, &self.migrations()[0], Selection::All).await;
        }
    }

    async fn storm(&mut self) {
        let begun = Instant::now();
        self.sky.storm(self.plan.storm);
        for (pause, happening) in std::mem::take(&mut self.plan.script) {
            sleep(pause).await;
            if self.is_broken() {
                return;
            }
            self.happen(happening).await;
            self.bury();
        }
        let rest = self.plan.storm_lasts.saturating_sub(begun.elapsed());
        sleep(rest).await;
    }

    async fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Kill => self.nodes.kill(),
            Happening::Stop => {
                if let Err(what) = self.nodes.stop().await {
                    self.problem("stopping", what);
                }
            }
            Happening::Start if self.nodes.running().len() < 3 => self.nodes.start().await,
            Happening::Start => {}
            Happening::Freeze(ms) => {
                if let Some(node) = self.nodes.any() {
                    self.sky.freeze(node.process.id(), ms);
                }
            }
            Happening::RedisDown(ms) => self.sky_falls(Port::Flags, ms),
            Happening::LogDown(ms) => self.sky.down(Port::Log, ms),
            Happening::StoresDown(ms) => self.sky.down(Port::Engine, ms),
            Happening::RedisForgets => {
                self.forget_what_only_redis_knew();
                self.world.act(|scene| scene.lose_flags());
            }
            Happening::RestartStore(side) => self.world.act(|scene| scene.restart_store(side)),
            Happening::Steer(steer) => self.operator.steer(steer).await,
            Happening::Retry => self.operator.retry_all().await,
            Happening::Check => self.operator.check().await,
            asked_of_a_node => self.ask(asked_of_a_node).await,
        }
    }

    async fn ask(&mut self, happening: Happening) {
        if happening == Happening::Repair {
            self.forget_what_only_redis_knew();
        }
        let Some(node) = self.nodes.any() else { return };
        match happening {
            Happening::Migrate => self.operator.start_some(node, Aim::Migrate).await,
            Happening::RollBack => self.operator.start_some(node, Aim::RollBack).await,
            Happening::Finalize => self.operator.start_some(node, Aim::Finalize).await,
            Happening::Resume => self.operator.resume(node).await,
            Happening::Own503 => self.operator.own_503(node).await,
            Happening::OrgFlag => self.operator.other_flag(node, false).await,
            Happening::DefaultFlag => self.operator.other_flag(node, true).await,
            Happening::Repair => self.operator.repair(node).await,
            other => panic!("{other:?} is not asked of a node"),
        }
    }

    /// An operator's own 503 that nobody told Mover of is lost with Redis's memory, and taken for a drift by a repair.
    fn forget_what_only_redis_knew(&self) {
        if self.plan.own_503 {
            self.own_503.set(&self.cast.orgs[0].name, Sure::Unknown);
        }
    }

    /// Clients cannot reach Redis either.
    fn sky_falls(&self, port: Port, ms: u64) {
        self.sky.down(port, ms);
        self.world.act(|scene| scene.facts.redis.down = true);
        let world = self.world.clone();
        tokio::task::spawn_local(async move {
            sleep(Duration::from_millis(ms)).await;
            world.act(|scene| scene.facts.redis.down = false);
        });
    }

    fn clear_up(&mut self) {
        self.sky.calm();
        self.calm.begins(Instant::now());
        self.world.act(|scene| scene.facts.redis.down = false);
        if self.plan.foreign_rows {
            let (migration, key) = (self.migrations()[0].clone(), self.cast.orgs[0].key.clone());
            let remove = |rows: &mut Vec<Row>| rows.retain(|row| *row != FOREIGN);
            self.world.act(|scene| remove(scene.facts.stores.rows_mut(&migration, Side::Target, &key)));
        }
    }

    /// An operator sees to it that everything comes to its end.
    async fn finale(&mut self) {
        let deadline = Instant::now() + FINALE_MAX;
        while !self.is_over() {
            if Instant::now() > deadline {
                let states = self.world.look(|facts| {
                    facts.log.moves().map(|record| format!("{}: {}", record.org, record.state)).collect::<Vec<_>>()
                });
                return self.problem("liveness", format!("it did not come to its end: {states:?}"));
            }
            self.bury();
            if self.is_broken() {
                return;
            }
            self.lend_a_hand().await;
            sleep(Duration::from_millis(700)).await;
        }
        if self.nodes.running().is_empty() {
            self.nodes.start().await;
        }
        // A node's own clearing up: late machines, the reconciler, and the catch-up that writes what a process had decided
        // before it died.
        sleep(CLEARING_UP).await;
        let machines = self.nodes.machines();
        if !machines.is_empty() {
            self.problem("liveness", format!("state machines are left over: {machines:?}"));
        }
    }

    fn is_over(&self) -> bool {
        let bystanders: Vec<_> = self.cast.orgs.iter().filter(|org| org.is_bystander).map(|org| &org.name).collect();
        self.world.look(|facts| {
            facts.log.moves().all(|record| self.has_ended(record) || bystanders.contains(&&record.org))
                && facts.log.campaigns().all(|campaign| campaign.phase == Phase::Ended)
                && facts.redis.whole
        })
    }

    /// Whether nobody has to do anything with it any more.
    fn has_ended(&self, record: &MoveRecord) -> bool {
        match record.state {
            State::Migrated => record.strategy == Strategy::Offline || self.plan.ending == Aim::Migrate,
            State::RolledBack | State::Finalized => true,
            State::Holding | State::Ready | State::Failed | State::Started(_) => false,
        }
    }

    async fn lend_a_hand(&mut self) {
        if self.nodes.running().is_empty() {
            self.nodes.start().await;
        }
        let live = self.world.look(|facts| facts.log.campaigns().find(|it| it.phase != Phase::Ended).cloned());
        let wanting = self.wanting();
        let Some(node) = self.nodes.any() else { return };
        match (live, wanting) {
            (Some(campaign), _) if campaign.phase == Phase::Halting => {
                // Only if its node is dead has this an effect.
                self.operator.resume(node).await;
            }
            (Some(_), _) => self.operator.resume(node).await,
            (None, Some((aim, migration))) => self.operator.start(node, aim, &migration, Selection::All).await,
            (None, None) => self.operator.retry().await,
        }
    }

    /// A campaign that brings something closer to its end: orgs that can be moved come first.
    fn wanting(&self) -> Option<(Aim, MigrationName)> {
        self.world.look(|facts| {
            let mut ready = facts.log.moves().filter(|record| record.state == State::Ready);
            let mut migrated =
                facts.log.moves().filter(|record| record.state == State::Migrated && !self.has_ended(record));
            let to_move = ready.next().map(|record| (Aim::Migrate, record.migration.clone()));
            to_move.or_else(|| migrated.next().map(|record| (self.plan.ending, record.migration.clone())))
        })
    }

    fn migrations(&self) -> Vec<MigrationName> {
        self.cast.migrations().cloned().collect()
    }

    fn bury(&mut self) {
        for gave_up in self.nodes.bury() {
            self.problem("supervision", gave_up.to_string());
        }
    }

    fn is_broken(&self) -> bool {
        !self.problems.is_empty() || !self.world.violations().is_empty()
    }

    fn problem(&mut self, checker: &'static str, what: String) {
        self.problems.push(Violation { checker, what });
    }
}
