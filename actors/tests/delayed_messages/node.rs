//! One node that moves one org between the two stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::campaign::{CampaignPlan, FailurePolicy, Selection, Tuning};
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, MoveId, OrgKey, OrgName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, State, Strategy};
use mover_actors::ports::MoveLog;
use mover_actors::tree::manager::Migrate;
use mover_actors::tree::{Patience, Ports, Settings, Tree};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::memory::{MemoryFlags, MemoryLog, World};
use crate::stores::Stores;

pub const BUDGET: Duration = Duration::from_secs(2);
/// The pause between two polls for a result.
pub const PAUSE: Duration = Duration::from_millis(5);

/// See the module's documentation.
pub struct Node {
    pub world: World,
    pub tree: Tree,
    log: Arc<MemoryLog>,
    id: MoveId,
}

/// Runs on a paused clock, which advances only when all tasks are idle.
pub fn play(scene: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, scene);
}

fn migration() -> MigrationName {
    MigrationName::new("whole_org").unwrap()
}

pub fn routing() -> Routing {
    let fields = |value: &str| BTreeMap::from([("store".to_owned(), value.to_owned())]);
    Routing {
        on_source: fields("old"),
        on_target: fields("new"),
        blocked: BTreeMap::from([("503_mode".into(), "true".into())]),
    }
}

impl Node {
    /// The org is ready to be moved.
    pub async fn start(strategy: Strategy, stores: &Stores) -> Self {
        let world = World::default();
        let process = world.process();
        let log = Arc::new(MemoryLog::new(&process));
        let (org, key) = (OrgName::new("acme").unwrap(), OrgKey::new("42").unwrap());
        let id = log.capture(&migration(), strategy, &org, &key);
        log.make_ready(&migration(), &Selection::All).await.unwrap();
        let flags = Arc::new(MemoryFlags::new(&process));
        let ports = Ports { log: log.clone(), flags, engine: Arc::new(stores.clone()) };
        let settings = Settings {
            node_name: "a".into(),
            lease: Duration::from_secs(3),
            tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
            patience: Patience { step_budget_ms: u64::try_from(BUDGET.as_millis()).unwrap(), crashes_max: 3 },
        };
        let mut tree = Tree::start(ports, settings, Vec::new()).await.unwrap();
        tree.up().await.unwrap();
        Node { world, tree, log, id }
    }

    /// Begins a campaign with this aim for the org.
    pub async fn begin(&self, aim: Aim) {
        let plan = CampaignPlan {
            aim,
            migration: migration(),
            selection: Selection::All,
            tuning: Tuning { concurrency: 1, sleep_time_ms: 0, pace_ms: 0 },
            failure_policy: FailurePolicy::default(),
        };
        self.tree.manager().send(Migrate(plan)).await.unwrap().unwrap();
    }

    /// Waits until the move is in this state and its campaign has ended.
    pub async fn ends(&self, state: State) -> MoveRecord {
        let begun = Instant::now();
        while self.record().state != state || self.log.live_campaign().await.unwrap().is_some() {
            assert!(begun.elapsed() < Duration::from_secs(6_000), "it never came to {state}: {:?}", self.record());
            sleep(PAUSE).await;
        }
        self.record()
    }

    pub fn record(&self) -> MoveRecord {
        self.world.look(|facts| facts.log.moves().find(|record| record.id == self.id).cloned()).unwrap()
    }

    /// All states that the move has been in, in their order.
    pub fn states(&self) -> Vec<State> {
        self.world.look(|facts| facts.log.history().iter().map(|row| row.to).collect())
    }
}
