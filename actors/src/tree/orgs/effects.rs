//! The effect of each step. Every effect may be repeated after a crash at any instant. The effects of the online strategy are
//! in `live`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::domain::campaign::Tuning;
use crate::domain::flags::{Fields, FlagKey, Routing, present};
use crate::domain::ids::OrgName;
use crate::domain::record::{Failure, Findings, Lease, MoveRecord, Place};
use crate::domain::state::{Aim, Effect, OnFailure, Step, Strategy, Way};
use crate::domain::verified::{Tally, Verified};
use crate::failpoint;
use crate::metering::{self, FailureKind};
use crate::ports::{Copied, Engine, EngineError, Listing, LogError, MoveLog, Side};
use crate::tree::darklaunch::{DarklaunchError, FlagOrder, FlagWriter};

/// Why a step's effect is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepError {
    /// It may succeed later.
    Transient { reason: String, place: Box<Place> },
    /// It will fail again until a person fixes the cause.
    Permanent { reason: String, place: Box<Place> },
    /// Another node has taken the org over.
    Lost,
    /// It cannot be done together with other orgs now. Not an error: the org tries it alone.
    Apart,
    /// An abort finds that the org has moved: it comes too late.
    HasMoved,
    /// The directory lists the org by another name now. Its move goes on under that one.
    Renamed(OrgName),
}

/// A request that took longer than this to fail is not bisected.
const HALVED_WITHIN: Duration = Duration::from_secs(10);

/// The result of one org's step.
pub(crate) type Outcome = Result<Findings, StepError>;

/// The outside world for the effects of one move.
#[derive(Clone)]
pub(crate) struct Effects {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) flags: FlagWriter,
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) tuning: watch::Receiver<Tuning>,
    pub(crate) progress: Progress,
}

/// The progress of a step: shows whether it advanced between two faults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn made(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Effects {
    /// Runs the effect of the step that the records have begun: for all of them at once, unless a permanent fault makes it
    /// bisect for the org at fault. Returns an outcome for each, in order.
    pub(crate) async fn run(self, records: Vec<MoveRecord>, step: Step) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        let mut parts = vec![records.as_slice()];
        while let Some(part) = parts.pop() {
            let begun = Instant::now();
            match self.run_together(part, step).await {
                Ok(found) => outcomes.extend(found),
                // A drain waits for writers of tables: its result for one org holds for all.
                Err(error) if part.len() == 1 || step == Step::Drain => {
                    outcomes.extend(part.iter().map(|_| Err(error.clone())));
                }
                // No org of them is at fault.
                Err(StepError::Permanent { reason, place }) if place.systemic => {
                    let error = StepError::Permanent { reason, place };
                    outcomes.extend(part.iter().map(|_| Err(error.clone())));
                }
                // Bisecting would take too long.
                Err(StepError::Permanent { .. }) if begun.elapsed() > HALVED_WITHIN => {
                    outcomes.extend(part.iter().map(|_| Err(StepError::Apart)));
                }
                Err(StepError::Permanent { .. } | StepError::Lost | StepError::Renamed(_)) => {
                    // One or more of these orgs cause the fault.
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => outcomes.extend(part.iter().map(|_| Err(error.clone()))),
            }
        }
        outcomes
    }

    /// One effect for orgs with the same course. The outer error is about all of them.
    async fn run_together(&self, records: &[MoveRecord], step: Step) -> Result<Vec<Outcome>, StepError> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        let leases: Vec<Lease> = records.iter().map(MoveRecord::lease).collect();
        let way = first.aim.way();
        let all = |findings: Findings| records.iter().map(|_| Ok(findings.clone())).collect();
        let Some(effect) = first.course().effect(step) else {
            let reason = format!("{step} is no step of a move that is {} to {}", first.strategy.as_str(), first.aim);
            return Err(StepError::Permanent { reason, place: Box::default() });
        };
        if let Some(side) = lists_names(first, step) {
            self.must_be_listed(&leases, side, way, step).await?;
        }
        match effect {
            Effect::Block => self.block(&leases).await,
            Effect::Drain => self.drain(&leases).await.map(all),
            Effect::Capture => self.capture(&leases).await.map(all),
            Effect::Copy => self.copy(&leases).await.map(all),
            Effect::CopyLive => self.copy_live(&leases).await.map(all),
            Effect::CatchUp => self.catch_up(&leases, way).await.map(all),
            Effect::Verify => self.verify(records, &leases).await,
            Effect::VerifyLive => self.verify_live(records, &leases, way).await,
            Effect::Switch => self.switch(records, &leases).await,
            Effect::SwitchLive => self.switch_live(records, &leases, way).await,
            Effect::Unblock => self.unblock(&leases).await,
            // Effects that lead back or remove rows for good go org by org.
            Effect::RemoveCopy => one_by_one(leases.iter().map(|lease| self.discard_copy(lease)).collect()).await,
            Effect::RemoveRolledBack => {
                one_by_one(leases.iter().map(|lease| self.discard_rolled_back(lease)).collect()).await
            }
            Effect::BackUp => one_by_one(leases.iter().map(|lease| self.back_up(lease)).collect()).await,
            Effect::Close => one_by_one(records.iter().map(|record| self.close(record)).collect()).await,
            Effect::Purge => one_by_one(records.iter().map(|record| self.purge(record)).collect()).await,
            Effect::LetIn => one_by_one(leases.iter().map(|lease| self.let_in(lease)).collect()).await,
            Effect::Release => one_by_one(records.iter().map(|record| self.release(record)).collect()).await,
            Effect::Stay => one_by_one(records.iter().map(|record| self.stay(record)).collect()).await,
            Effect::Nothing => one_by_one(records.iter().map(|_| self.abort_nothing()).collect()).await,
        }
    }

    /// Refuses orgs whose name and key are not of one org any more: flags of another one would be set. One that was only renamed
    /// goes on under its new name, and one that has left a store already goes forward all the same.
    async fn must_be_listed(&self, leases: &[Lease], side: Side, way: Way, step: Step) -> Result<(), StepError> {
        let listings = self.engine.listings(leases, side).await?;
        for (lease, listing) in leases.iter().zip(listings).filter(|(_, listing)| *listing != Listing::Same) {
            if step == Step::Switch && self.engine.has_moved(lease, way).await? {
                continue;
            }
            if let Listing::Renamed(name) = &listing
                && let Ok(name) = OrgName::new(name)
            {
                return Err(StepError::Renamed(name));
            }
            let reason = format!(
                "{listing}; next: correct the directory, or see orgs capture {}, which lists such orgs",
                lease.migration
            );
            return Err(StepError::Permanent { reason, place: Box::default() });
        }
        Ok(())
    }

    /// Whether a move that fails in this step may be aborted. Online only the stores know whether the switch has passed the
    /// point of no return; while they are unreachable, nothing is aborted.
    pub(crate) async fn may_give_up(&self, record: &MoveRecord, step: Step) -> bool {
        match record.course().on_failure(step) {
            OnFailure::Abort => true,
            OnFailure::AbortUnlessMoved => {
                matches!(self.engine.has_moved(&record.lease(), record.aim.way()).await, Ok(false))
            }
            OnFailure::Retry => false,
        }
    }

    async fn block(&self, leases: &[Lease]) -> Result<Vec<Outcome>, StepError> {
        failpoint::hit("block.begin");
        let blocked = present(&self.routing(leases)?.blocked);
        let closed_at = Some(SystemTime::now());
        let order = |lease: &Lease| FlagOrder::of_move(lease, "block.desired").lay_over(blocked.clone());
        let applied = self.flags.apply_all(leases.iter().map(order).collect()).await?;
        let witnessed = self.flags.witness(keys_of(leases)).await?;
        failpoint::hit("block.done");
        let outcomes = each(applied, || Findings { closed_at, ..Findings::default() });
        Ok(outcomes
            .into_iter()
            .zip(witnessed)
            .map(|(outcome, witnessed)| {
                outcome.and_then(|found| match witnessed {
                    true => Ok(found),
                    false => Err(StepError::Transient {
                        reason: "the flags that block the org were changed at once".into(),
                        place: Box::default(),
                    }),
                })
            })
            .collect())
    }

    /// Makes sure that the orgs have been blocked since they were told so. If Redis may have let writers in meanwhile, the orgs
    /// are blocked again, their writers waited for, and what was proven of them is doubted.
    async fn keep_blocked(&self, leases: &[Lease]) -> Result<(), StepError> {
        let blocked = present(&self.routing(leases)?.blocked);
        let doubts = self.flags.doubts(keys_of(leases), blocked.clone()).await?;
        let Some(reason) = doubts.into_iter().flatten().next() else { return Ok(()) };
        tracing::warn!(orgs = leases.len(), org = %leases.first().map_or("", |lease| lease.org.as_str()), %reason,
            "writers may have been let in while an org was copied; it is blocked and compared again");
        self.engine.doubt_proofs(leases).await?;
        for outcome in self.block(leases).await? {
            outcome?;
        }
        self.drain(leases).await?;
        match self.flags.doubts(keys_of(leases), blocked).await?.into_iter().flatten().next() {
            None => Ok(()),
            Some(reason) => {
                let reason = format!("the org does not stay blocked: {reason}");
                Err(StepError::Transient { reason, place: Box::default() })
            }
        }
    }

    /// Admitted requests end in two ways: the sleep time covers those that have not written yet, and the store waits for those
    /// that have.
    async fn drain(&self, leases: &[Lease]) -> Result<Findings, StepError> {
        failpoint::hit("drain.begin");
        self.sleep_time().await;
        self.engine.drain(leases).await?;
        failpoint::hit("drain.done");
        Ok(Findings::default())
    }

    /// Waits for the current sleep time: a change while waiting counts at once.
    async fn sleep_time(&self) {
        let begun = Instant::now();
        let mut tuning = self.tuning.clone();
        loop {
            let sleep_time_ms = tuning.borrow_and_update().sleep_time_ms;
            tokio::select! {
                () = sleep_until(begun + Duration::from_millis(sleep_time_ms)) => return,
                changed = tuning.changed() => if changed.is_err() {
                    // The sender is gone, so it cannot change any more.
                    return sleep_until(begun + Duration::from_millis(sleep_time_ms)).await;
                },
            }
        }
    }

    async fn copy(&self, leases: &[Lease]) -> Result<Findings, StepError> {
        failpoint::hit("copy.begin");
        let copied = self.engine.copy(leases).await?;
        Ok(share(copied, leases))
    }

    async fn verify(&self, records: &[MoveRecord], leases: &[Lease]) -> Result<Vec<Outcome>, StepError> {
        failpoint::hit("verify.begin");
        let tallies = self.engine.verify(leases).await?;
        Ok(self.proofs(records, leases, tallies.into_iter()).await)
    }

    /// A verdict for each org.
    pub(super) async fn proofs(
        &self,
        records: &[MoveRecord],
        leases: &[Lease],
        tallies: impl Iterator<Item = (Tally, Tally)>,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(leases.len());
        for ((record, lease), (source, target)) in records.iter().zip(leases).zip(tallies) {
            outcomes.push(self.proof(record, lease, &source, &target).await);
        }
        outcomes
    }

    async fn proof(&self, record: &MoveRecord, lease: &Lease, source: &Tally, target: &Tally) -> Outcome {
        match Verified::compare(source, target) {
            Ok(verified) => {
                failpoint::hit("verify.done");
                // For a cohort only the sum was known when it was copied.
                let rows = (record.aim == Aim::Migrate).then(|| target.rows());
                Ok(Findings { verified: Some(verified), rows, ..Findings::default() })
            }
            Err(mismatch) => {
                let place = Box::new(self.engine.explain(lease, &mismatch).await?);
                Err(StepError::Permanent { reason: mismatch.to_string(), place })
            }
        }
    }

    /// Makes the rows in the target live, then routes the orgs there, still blocked. Before that, Redis shows that it takes
    /// writes, and that it has kept the orgs blocked.
    async fn switch(&self, records: &[MoveRecord], leases: &[Lease]) -> Result<Vec<Outcome>, StepError> {
        failpoint::hit("switch.begin");
        proven(records)?;
        self.flags.try_write().await?;
        self.keep_blocked(leases).await?;
        self.engine.settle(leases).await?;
        let on_target = present(&self.routing(leases)?.on_target);
        let order = |lease: &Lease| FlagOrder::of_move(lease, "switch.desired").set(on_target.clone());
        let applied = self.flags.apply_all(leases.iter().map(order).collect()).await?;
        failpoint::hit("switch.done");
        Ok(each(applied, Findings::default))
    }

    async fn unblock(&self, leases: &[Lease]) -> Result<Vec<Outcome>, StepError> {
        failpoint::hit("unblock.begin");
        let order = |lease: &Lease| FlagOrder::of_move(lease, "unblock.desired").lay_over(Fields::new());
        let applied = self.flags.apply_all(leases.iter().map(order).collect()).await?;
        failpoint::hit("unblock.done");
        let opened_at = Some(SystemTime::now());
        Ok(each(applied, || Findings { opened_at, ..Findings::default() }))
    }

    /// How the orgs' migration routes them.
    pub(super) fn routing(&self, leases: &[Lease]) -> Result<Routing, StepError> {
        match leases.first() {
            Some(lease) => Ok(self.engine.routing(&lease.migration)?),
            None => Ok(Routing::default()),
        }
    }

    /// Mover has routed no client to these rows.
    async fn discard_copy(&self, lease: &Lease) -> Result<Findings, StepError> {
        failpoint::hit("discard.begin");
        self.engine.discard(lease).await?;
        failpoint::hit("discard.done");
        Ok(Findings::default())
    }

    /// The org is unblocked on its source first: users must not wait for the cleanup of the target.
    async fn let_in(&self, lease: &Lease) -> Result<Findings, StepError> {
        failpoint::hit("abort.begin");
        self.flags.apply(FlagOrder::of_move(lease, "abort.desired").lay_over(Fields::new())).await?;
        let opened_at = Some(SystemTime::now());
        self.engine.discard(lease).await?;
        failpoint::hit("abort.done");
        Ok(Findings { opened_at, ..Findings::default() })
    }
}

impl FlagOrder {
    pub(super) fn of_move(lease: &Lease, desired_failpoint: &'static str) -> Self {
        FlagOrder {
            key: FlagKey::org(&lease.org),
            lease: Some((lease.id, lease.epoch)),
            base: Fields::new(),
            overlay: None,
            desired_failpoint: Some(desired_failpoint),
        }
    }
}

pub(super) fn proven(records: &[MoveRecord]) -> Result<(), StepError> {
    if records.iter().all(|record| record.verified.is_some()) {
        return Ok(());
    }
    let reason = "the move log has no proof that both stores were equal".into();
    Err(StepError::Permanent { reason, place: Box::default() })
}

/// In which store the directory is asked before a step; `None`: it is not. That is when an org is claimed, and before its flags
/// are set, as long as there is a way back. In a window no flags of orgs are set.
fn lists_names(record: &MoveRecord, step: Step) -> Option<Side> {
    match (record.strategy, record.aim, step) {
        (Strategy::Window, ..) => None,
        (Strategy::Offline, Aim::Migrate, Step::Block | Step::Verify) => Some(Side::Source),
        (Strategy::Online, Aim::Migrate, Step::Capture | Step::Switch) => Some(Side::Source),
        (Strategy::Online, Aim::RollBack, Step::CatchUp | Step::Switch) => Some(Side::Target),
        (Strategy::Online, Aim::Finalize, Step::BackUp) => Some(Side::Target),
        _ => None,
    }
}

/// The hashes of these orgs.
fn keys_of(leases: &[Lease]) -> Vec<FlagKey> {
    leases.iter().map(|lease| FlagKey::org(&lease.org)).collect()
}

/// Effects on one org each, in order.
async fn one_by_one(effects: Vec<impl Future<Output = Outcome>>) -> Result<Vec<Outcome>, StepError> {
    let mut outcomes = Vec::with_capacity(effects.len());
    for effect in effects {
        outcomes.push(effect.await);
    }
    Ok(outcomes)
}

/// An outcome for each org, from the answer about it.
pub(super) fn each<E: Into<StepError>>(answers: Vec<Result<(), E>>, findings: impl Fn() -> Findings) -> Vec<Outcome> {
    answers.into_iter().map(|answer| answer.map(|()| findings()).map_err(Into::into)).collect()
}

/// The copied amount, as far as it is known per org. The rows of a cohort's orgs are counted when they are verified; the bytes
/// are divided evenly.
pub(super) fn share(copied: Copied, leases: &[Lease]) -> Findings {
    metering::copied(copied);
    let orgs = i64::try_from(leases.len()).unwrap_or(i64::MAX).max(1);
    Findings { rows: (orgs == 1).then_some(copied.rows), bytes: Some(copied.bytes / orgs), ..Findings::default() }
}

impl StepError {
    /// Its kind for metrics; an org that was taken over, or goes forward, is no failure of the step.
    pub(crate) fn kind(&self) -> Option<FailureKind> {
        match self {
            StepError::Transient { .. } => Some(FailureKind::Transient),
            StepError::Permanent { .. } => Some(FailureKind::Permanent),
            StepError::Lost | StepError::HasMoved | StepError::Apart | StepError::Renamed(_) => None,
        }
    }

    /// The failure to store when the move is aborted in this step.
    pub(crate) fn into_failure(self, step: Step) -> Option<Failure> {
        match self {
            StepError::Transient { reason, place } | StepError::Permanent { reason, place } => {
                Some(Failure { step, reason, place: *place })
            }
            StepError::Lost | StepError::HasMoved | StepError::Apart | StepError::Renamed(_) => None,
        }
    }
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        let (reason, place) = (error.reason, error.place);
        if error.transient { StepError::Transient { reason, place } } else { StepError::Permanent { reason, place } }
    }
}

impl From<LogError> for StepError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Fenced { .. } => StepError::Lost,
            error if error.is_transient() => StepError::Transient { reason: error.to_string(), place: Box::default() },
            error => StepError::Permanent { reason: error.to_string(), place: Box::default() },
        }
    }
}

impl From<DarklaunchError> for StepError {
    fn from(error: DarklaunchError) -> Self {
        match error {
            DarklaunchError::Log(error) => error.into(),
            error if error.is_transient() => StepError::Transient { reason: error.to_string(), place: Box::default() },
            error => StepError::Permanent { reason: error.to_string(), place: Box::default() },
        }
    }
}
