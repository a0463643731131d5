//! An operator, who asks running nodes for things and takes any answer.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mover_actors::domain::campaign::{CampaignPlan, Control, FailurePolicy, Selection, Tuning};
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::Aim;
use mover_actors::ports::MoveLog;
use mover_actors::tree::darklaunch::{Apply, FlagOrder, RepairFlags, drifts};
use mover_actors::tree::manager::{Migrate, Resume};
use tokio::time::timeout;

use super::nodes::Node;
use super::participants::Participants;
use super::plan::Plan;
use super::random::Random;
use crate::memory::{MemoryFlags, MemoryLog, World};

/// How long an operator waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Orgs that an operator has put in 503 mode, and whether that was acknowledged.
#[derive(Clone, Default)]
pub struct Operator503(Arc<Mutex<Vec<(OrgName, Sure)>>>);

/// Whether an operator's own 503 must be there at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// It was acknowledged.
    Yes,
    /// It was requested, and the outcome is unknown.
    Unknown,
}

impl Operator503 {
    /// What is known of an org; nothing if no operator has touched it.
    pub fn of(&self, org: &OrgName) -> Option<Sure> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(name, _)| name == org).map(|(_, sure)| *sure)
    }

    /// Notes it.
    pub fn set(&self, org: &OrgName, sure: Sure) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(name, _)| name != org);
        known.push((org.clone(), sure));
    }
}

/// See the module's documentation.
pub struct Operator {
    participants: Arc<Participants>,
    operator_503: Operator503,
    tuning: Tuning,
    failure_policy: FailurePolicy,
    random: Random,
    /// The operator's own connections, e.g. those of `mover exec` on another machine.
    log: MemoryLog,
    flags: MemoryFlags,
}

impl Operator {
    /// Who works as the plan says.
    pub fn new(world: &World, participants: &Arc<Participants>, operator_503: &Operator503, plan: &mut Plan) -> Self {
        let Plan { concurrency, sleep_time_ms, pace_ms, .. } = *plan;
        let process = world.process();
        Operator {
            participants: participants.clone(),
            operator_503: operator_503.clone(),
            tuning: Tuning { concurrency, sleep_time_ms, pace_ms },
            failure_policy: FailurePolicy { error_halts: plan.error_halts, failures_max: None },
            random: plan.random.fork(),
            log: MemoryLog::new(&process),
            flags: MemoryFlags::new(&process),
        }
    }

    /// Lets applications work: without `dl_default` they refuse.
    pub async fn open_shop(&mut self, node: &Node) {
        let on_source = self.participants.routings.values().flat_map(|routing| routing.on_source.clone());
        let fields = on_source.map(|(field, value)| (field, Some(value))).collect();
        assert!(order(node, FlagKey::default_hash(), fields).await, "the first flags could not be written");
    }

    /// Releases all orgs but bystanders.
    pub async fn make_ready(&mut self) {
        let meant = self.meant();
        for migration in self.participants.migrations() {
            self.log.make_ready(migration, &meant).await.expect("the move log answers in calm times");
        }
    }

    /// Starts a campaign of a migration, of all orgs or of some.
    pub async fn start(&mut self, node: &Node, aim: Aim, migration: &MigrationName, selection: Selection) {
        let Operator { tuning, failure_policy, .. } = *self;
        let plan = CampaignPlan { migration: migration.clone(), aim, selection, tuning, failure_policy };
        within(node.tree.manager().send(Migrate(plan))).await;
    }

    /// Starts any campaign for this aim, if there is a migration for it.
    pub async fn start_some(&mut self, node: &Node, aim: Aim) {
        let migrations: Vec<&MigrationName> = self
            .participants
            .migrations()
            .filter(|name| match aim {
                Aim::Migrate => true,
                Aim::RollBack => !self.participants.is_offline(name),
                Aim::Finalize => self.participants.is_online(name),
            })
            .collect();
        if migrations.is_empty() {
            return;
        }
        let migration = self.random.pick(&migrations).clone();
        let org = self.random.below(self.participants.orgs.len());
        let selection = match self.random.below(5) {
            0 => Selection::First(self.random.between(1, 3)),
            1 => Selection::Percent(50),
            2 => Selection::Names(vec![self.participants.orgs[org].name.clone()]),
            _ => Selection::All,
        };
        self.start(node, aim, &migration, selection).await;
    }

    /// Continues with the campaign.
    pub async fn resume(&mut self, node: &Node) {
        within(node.tree.manager().send(Resume)).await;
    }

    /// Steers the campaign, from a process that has no part in it.
    pub async fn control(&mut self, steer: Control) {
        within(self.log.control(steer, Some("an operator said so"))).await;
    }

    /// Makes failed orgs ready.
    pub async fn retry(&mut self) {
        for migration in self.participants.migrations() {
            within(self.log.retry(migration, &Selection::All)).await;
        }
    }

    /// Makes failed orgs ready, and those that were brought back: they have to be named.
    pub async fn retry_all(&mut self) {
        let meant = self.meant();
        for migration in self.participants.migrations() {
            within(self.log.retry(migration, &meant)).await;
        }
    }

    fn meant(&self) -> Selection {
        let meant = self.participants.orgs.iter().filter(|org| !org.is_bystander);
        Selection::Names(meant.map(|org| org.name.clone()).collect())
    }

    /// Puts an org in 503 mode.
    pub async fn operator_503(&mut self, node: &Node) {
        let org = self.any_org();
        if self.operator_503.of(&org) != Some(Sure::Yes) {
            self.operator_503.set(&org, Sure::Unknown);
        }
        if order(node, FlagKey::org(&org), fields("503_mode")).await {
            self.operator_503.set(&org, Sure::Yes);
        }
    }

    /// Sets a flag that has nothing to do with moves, for one org or for all.
    pub async fn other_flag(&mut self, node: &Node, for_all: bool) {
        let key = if for_all { FlagKey::default_hash() } else { FlagKey::org(&self.any_org()) };
        order(node, key, fields("new_search")).await;
    }

    /// Repairs the flags.
    pub async fn repair(&mut self, node: &Node) {
        within(node.tree.darklaunch().send(RepairFlags)).await;
    }

    /// Compares the flags.
    pub async fn check(&mut self) {
        within(drifts(&self.log, &self.flags, 10)).await;
    }

    fn any_org(&mut self) -> OrgName {
        let at = self.random.below(self.participants.orgs.len());
        self.participants.orgs[at].name.clone()
    }
}

fn fields(name: &str) -> Fields {
    Fields::from([(name.to_owned(), Some("true".to_owned()))])
}

/// Gives an order; answers whether it was carried out.
async fn order(node: &Node, key: FlagKey, fields: Fields) -> bool {
    let darklaunch = node.tree.darklaunch();
    if timeout(PATIENCE, darklaunch.running()).await.is_err() {
        return false;
    }
    let answer = within(darklaunch.send(Apply(FlagOrder::of_operator(key, fields)))).await;
    matches!(answer, Some(Ok(Ok(()))))
}

async fn within<T>(answer: impl Future<Output = T>) -> Option<T> {
    // A panic that was injected here ends `mover exec` and nothing else.
    let answer = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(answer));
    timeout(PATIENCE, answer).await.ok()?.ok()
}
