//! What the suite needs of a move log besides its port, and shorthands for its cases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::campaign::{Campaign, CampaignPlan, FailurePolicy, Selection, Tuning};
use mover_actors::domain::ids::{MigrationName, NodeId, OrgName};
use mover_actors::domain::record::{Advance, Backup, Failure, Findings, MoveRecord, Place};
use mover_actors::domain::state::{Aim, Event, State, Step, Strategy};
use mover_actors::domain::verified::{TableTally, Tally, Verified};
use mover_actors::ports::MoveLog;

/// One move log and what happens around it.
#[async_trait]
pub(crate) trait World: Send + Sync + 'static {
    /// The move log as one process has it.
    type Log: MoveLog;

    /// One more process with a handle of its own on the same move log.
    async fn process(&self) -> Arc<Self::Log>;
    /// Captures orgs into `holding`, in this order; each org's key is its name with `key of ` before it.
    async fn capture(&self, migration: &MigrationName, strategy: Strategy, orgs: &[OrgName]);
    /// Every org of a migration with its state, in the order of capture.
    async fn states(&self, migration: &MigrationName) -> Vec<(OrgName, State)>;
    /// Lets a node's lease have ended.
    async fn expire_lease(&self, node: NodeId);
    /// Kills the node's process, as SIGKILL does. Its handle is not used again.
    async fn kill(&self, node: NodeId);
}

pub(super) const LEASE: Duration = Duration::from_secs(600);

pub(super) fn phase_2() -> MigrationName {
    MigrationName::new("phase_2").unwrap()
}

pub(super) fn phase_3() -> MigrationName {
    MigrationName::new("phase_3").unwrap()
}

pub(super) fn org(name: &str) -> OrgName {
    OrgName::new(name).unwrap()
}

/// `org_000`, `org_001`, …
pub(super) fn orgs(count: usize) -> Vec<OrgName> {
    (0..count).map(|number| org(&format!("org_{number:03}"))).collect()
}

pub(super) fn names(names: &[&str]) -> Selection {
    Selection::Names(names.iter().map(|name| org(name)).collect())
}

pub(super) fn plan(migration: &MigrationName, selection: Selection) -> CampaignPlan {
    CampaignPlan {
        aim: Aim::Migrate,
        migration: migration.clone(),
        selection,
        tuning: Tuning { concurrency: 4, sleep_time_ms: 5_000, pace_ms: 0 },
        failure_policy: FailurePolicy { error_halts: false, failures_max: Some(10) },
    }
}

/// A process that joined as a node and opened a campaign.
pub(super) struct Running<L> {
    pub(super) log: Arc<L>,
    pub(super) node: NodeId,
    pub(super) campaign: Campaign,
}

/// `count` ready orgs of `phase_2` and a campaign over all of them, driven by node `a`.
pub(super) async fn running<W: World>(world: &W, count: usize) -> Running<W::Log> {
    running_with(world, count, Selection::All).await
}

pub(super) async fn running_with<W: World>(world: &W, count: usize, selection: Selection) -> Running<W::Log> {
    running_as(world, Strategy::Offline, count, selection).await
}

pub(super) async fn running_as<W: World>(
    world: &W,
    strategy: Strategy,
    count: usize,
    selection: Selection,
) -> Running<W::Log> {
    world.capture(&phase_2(), strategy, &orgs(count)).await;
    let log = world.process().await;
    log.make_ready(&phase_2(), &Selection::All).await.unwrap();
    let node = log.join("a", LEASE).await.unwrap();
    let campaign = log.open_campaign(node, &plan(&phase_2(), selection)).await.unwrap();
    Running { log, node, campaign }
}

impl<L: MoveLog> Running<L> {
    pub(super) async fn claim(&self, limit: u32) -> Vec<MoveRecord> {
        self.log.claim(self.campaign.id, self.node, limit).await.unwrap()
    }

    pub(super) async fn claim_one(&self) -> MoveRecord {
        self.claim(1).await.pop().expect("a ready org")
    }

    /// Writes the transition of one event, which must work.
    pub(super) async fn happen(&self, record: &mut MoveRecord, event: Event, findings: Findings) {
        happen(&*self.log, self.node, record, event, findings).await;
    }

    /// Ends steps until the move is at `step`.
    pub(super) async fn walk_to(&self, record: &mut MoveRecord, step: Step) {
        while record.state != State::Started(step) {
            let begun = record.state.step().expect("a started move");
            self.happen(record, Event::StepDone(begun), found_by(begun)).await;
        }
    }

    /// Ends every step.
    pub(super) async fn migrate(&self, record: &mut MoveRecord) {
        let last = record.course().steps().last().expect("a course with steps");
        self.walk_to(record, last).await;
        self.happen(record, Event::StepDone(last), Findings::default()).await;
    }

    /// Fails the step at hand and aborts.
    pub(super) async fn fail(&self, record: &mut MoveRecord) {
        let begun = record.state.step().expect("a started move");
        self.happen(record, Event::StepFailed(begun), broken(begun)).await;
        self.happen(record, Event::StepDone(Step::Abort), Findings::default()).await;
    }

    pub(super) async fn counts(&self) -> (u64, u64, u64) {
        let campaign = self.log.campaign(self.campaign.id).await.unwrap();
        (campaign.claimed, campaign.migrated, campaign.failed)
    }
}

pub(super) async fn happen<L: MoveLog>(
    log: &L,
    node: NodeId,
    record: &mut MoveRecord,
    event: Event,
    findings: Findings,
) {
    let advance = record.advance(event, findings).unwrap();
    let answers = log.advance(node, std::slice::from_ref(&advance)).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.into_iter().for_each(|answer| answer.unwrap());
    record.apply(advance);
}

/// The end of the step at hand, not yet written.
pub(super) fn done(record: &MoveRecord) -> Advance {
    let begun = record.state.step().expect("a started move");
    record.advance(Event::StepDone(begun), found_by(begun)).unwrap()
}

/// What a step finds out.
pub(super) fn found_by(step: Step) -> Findings {
    match step {
        Step::Verify => Findings { verified: Some(proof()), ..Findings::default() },
        Step::Copy => Findings { rows: Some(7), bytes: Some(700), ..Findings::default() },
        Step::BackUp => Findings {
            backup: Some(Backup { path: "acme.backup".into(), sum: Some("07".into()) }),
            ..Findings::default()
        },
        Step::Block
        | Step::Drain
        | Step::Capture
        | Step::CatchUp
        | Step::Switch
        | Step::Unblock
        | Step::Discard
        | Step::Close
        | Step::Purge
        | Step::Abort => Findings::default(),
    }
}

pub(super) fn proof() -> Verified {
    let table = TableTally { rows: 7, hash: "123456789012345678901234567890".into() };
    let tally = Tally(BTreeMap::from([("users".to_owned(), table)]));
    Verified::compare(&tally, &tally).unwrap()
}

pub(super) fn broken(step: Step) -> Findings {
    let place = Place { table: Some("users".into()), row: Some("id = 4".into()), ..Place::default() };
    let failure = Failure { step, reason: "the target refused a row".into(), place };
    Findings { failure: Some(failure), ..Findings::default() }
}
