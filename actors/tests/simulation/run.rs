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

use super::checkers;
use super::clients::Clients;
use super::faults::FaultInjector;
use super::nodes::Nodes;
use super::operator::{Operator, Operator503, Sure};
use super::participants::{FOREIGN, Participants};
use super::plan::{Plan, PlannedEvent};
use super::verdict::{Events, Verdict};
use crate::memory::{InjectedBug, MemoryLog, Port, Row, Violation, World};

/// How long everything may take to come to its end once nothing goes wrong any more.
const FINALE_MAX: Duration = Duration::from_secs(600);

/// How long nodes may take to clear up after the last org has come to its end.
const CLEARING_UP: Duration = Duration::from_secs(40);

/// How often one call may be made in a second, on average, by all nodes together.
const CALLS_PER_SECOND: u64 = 150;

/// A stage for one schedule.
pub struct SimulationRun {
    plan: Plan,
    world: World,
    participants: Arc<Participants>,
    faults: FaultInjector,
    operator_503: Operator503,
    calm: checkers::Calm,
    nodes: Nodes,
    operator: Operator,
    problems: Vec<Violation>,
}

impl SimulationRun {
    /// Nothing has begun yet.
    pub fn new(mut plan: Plan, injected_bug: Option<InjectedBug>) -> Self {
        let world = World::default();
        world.act(|scene| {
            scene.facts.cohort_orgs = plan.cohort_orgs;
            scene.facts.range_rows = plan.range_rows;
        });
        let participants = Arc::new(Participants::new(&plan.strategies, plan.orgs, plan.bystanders));
        participants.furnish(&world);
        let faults = FaultInjector::new(plan.random.fork());
        world.set_faults(faults.clone());
        let (operator_503, calm) = (Operator503::default(), checkers::Calm::default());
        checkers::all(&world, &participants, &operator_503, &calm);
        if let Some(injected_bug) = injected_bug {
            world.injected_bug(injected_bug);
        }
        let nodes = Nodes::new(&world, &participants, &mut plan);
        let operator = Operator::new(&world, &participants, &operator_503, &mut plan);
        SimulationRun { plan, world, participants, faults, operator_503, calm, nodes, operator, problems: Vec::new() }
    }

    /// The world it plays in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Plays it. To be called inside a `LocalSet`, on a paused clock.
    pub async fn play(mut self) -> Verdict {
        let begun = Instant::now();
        self.prologue().await;
        let participants = self.participants.clone();
        let clients = Clients::start(&self.world, &participants, &mut self.plan);
        self.rates().await;
        self.clear_up();
        if !self.is_broken() {
            self.finale().await;
        }
        self.check_calls(begun.elapsed());
        let acknowledged = clients.go_home().await;
        let late_calls = self.faults.late_calls();
        let events = self.world.look(|facts| Events::of(facts, acknowledged, late_calls));
        let mut violations = self.problems;
        violations.extend(self.world.judge());
        Verdict { violations, events, trees: self.nodes.drawn() }
    }

    /// No caller retries without a pause.
    fn check_calls(&mut self, played_for: Duration) {
        let calls_max = CALLS_PER_SECOND * (played_for.as_secs() + 10);
        for (call, calls) in self.faults.calls() {
            if calls > calls_max {
                self.problem("politeness", format!("{call:?} was made {calls} times in {played_for:?}"));
            }
        }
    }

    async fn prologue(&mut self) {
        let log = MemoryLog::new(&self.world.process());
        for (org, migration, _) in self.participants.pairs() {
            log.capture(migration, self.participants.strategy(migration), &org.name, &org.key);
        }
        self.nodes.start().await;
        if let Some(node) = self.nodes.running().first() {
            self.operator.open_shop(node).await;
        }
        let first = self.participants.orgs[0].clone();
        if self.plan.foreign_rows {
            let migration = self.migrations()[0].clone();
            self.world.act(|scene| scene.facts.stores.rows_mut(&migration, Side::Target, &first.key).push(FOREIGN));
        }
        if self.plan.operator_503 {
            let key = FlagKey::org(&first.name);
            self.operator_503.set(&first.name, Sure::Yes);
            self.world.act(|scene| scene.write_hash(&key, |hash| drop(hash.insert("503_mode".into(), "true".into()))));
        }
        self.operator.make_ready().await;
        if let Some(node) = self.nodes.running().first() {
            self.operator.start(node, Aim::Migrate, &self.migrations()[0], Selection::All).await;
        }
    }

    async fn rates(&mut self) {
        let begun = Instant::now();
        self.faults.rates(self.plan.rates);
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

    async fn happen(&mut self, happening: PlannedEvent) {
        match happening {
            PlannedEvent::Kill => self.nodes.kill(),
            PlannedEvent::Stop => {
                if let Err(what) = self.nodes.stop().await {
                    self.problem("stopping", what);
                }
            }
            PlannedEvent::Start if self.nodes.running().len() < 3 => self.nodes.start().await,
            PlannedEvent::Start => {}
            PlannedEvent::Freeze(ms) => {
                if let Some(node) = self.nodes.any() {
                    self.faults.freeze(node.process.id(), ms);
                }
            }
            PlannedEvent::RedisDown(ms) => self.faults_begin(Port::Flags, ms),
            PlannedEvent::LogDown(ms) => self.faults.down(Port::Log, ms),
            PlannedEvent::StoresDown(ms) => self.faults.down(Port::Engine, ms),
            PlannedEvent::RedisForgets => {
                self.forget_what_only_redis_knew();
                self.world.act(|scene| scene.lose_flags());
            }
            PlannedEvent::RestartStore(side) => self.world.act(|scene| scene.restart_store(side)),
            PlannedEvent::Late(late) => self.faults.late(late),
            PlannedEvent::Control(steer) => self.operator.control(steer).await,
            PlannedEvent::Retry => self.operator.retry_all().await,
            PlannedEvent::Check => self.operator.check().await,
            asked_of_a_node => self.ask(asked_of_a_node).await,
        }
    }

    async fn ask(&mut self, happening: PlannedEvent) {
        if happening == PlannedEvent::Repair {
            self.forget_what_only_redis_knew();
        }
        let Some(node) = self.nodes.any() else { return };
        match happening {
            PlannedEvent::Migrate => self.operator.start_some(node, Aim::Migrate).await,
            PlannedEvent::RollBack => self.operator.start_some(node, Aim::RollBack).await,
            PlannedEvent::Finalize => self.operator.start_some(node, Aim::Finalize).await,
            PlannedEvent::Resume => self.operator.resume(node).await,
            PlannedEvent::Operator503 => self.operator.operator_503(node).await,
            PlannedEvent::OrgFlag => self.operator.other_flag(node, false).await,
            PlannedEvent::DefaultFlag => self.operator.other_flag(node, true).await,
            PlannedEvent::Repair => self.operator.repair(node).await,
            other => panic!("{other:?} is not asked of a node"),
        }
    }

    /// A 503 that an operator set past Mover is lost with the data of Redis, and counts as drift for a repair.
    fn forget_what_only_redis_knew(&self) {
        if self.plan.operator_503 {
            self.operator_503.set(&self.participants.orgs[0].name, Sure::Unknown);
        }
    }

    /// Clients cannot reach Redis either.
    fn faults_begin(&self, port: Port, ms: u64) {
        self.faults.down(port, ms);
        self.world.act(|scene| scene.facts.redis.down = true);
        let world = self.world.clone();
        tokio::task::spawn_local(async move {
            sleep(Duration::from_millis(ms)).await;
            world.act(|scene| scene.facts.redis.down = false);
        });
    }

    fn clear_up(&mut self) {
        self.faults.calm();
        self.calm.begins(Instant::now());
        self.world.act(|scene| scene.facts.redis.down = false);
        if self.plan.foreign_rows {
            let (migration, key) = (self.migrations()[0].clone(), self.participants.orgs[0].key.clone());
            let remove = |rows: &mut Vec<Row>| rows.retain(|row| *row != FOREIGN);
            self.world.act(|scene| remove(scene.facts.stores.rows_mut(&migration, Side::Target, &key)));
        }
    }

    /// An operator sees to it that everything ends.
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
        let bystanders: Vec<_> =
            self.participants.orgs.iter().filter(|org| org.is_bystander).map(|org| &org.name).collect();
        self.world.look(|facts| {
            facts.log.moves().all(|record| self.has_ended(record) || bystanders.contains(&&record.org))
                && facts.log.campaigns().all(|campaign| campaign.phase == Phase::Ended)
                && facts.redis.whole
        })
    }

    /// Whether nobody has to do anything with it any more.
    fn has_ended(&self, record: &MoveRecord) -> bool {
        match record.state {
            State::Migrated => record.strategy != Strategy::Online || self.plan.ending == Aim::Migrate,
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
        self.participants.migrations().cloned().collect()
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
