//! What each step does to the world. Every effect may be repeated after a crash at any instant. What the online
//! strategy adds is in `live`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::domain::campaign::Tuning;
use crate::domain::flags::{Fields, FlagKey, present};
use crate::domain::record::{Claim, Failure, Findings, MoveRecord, Place};
use crate::domain::state::{Step, Strategy};
use crate::domain::verified::{Tally, Verified};
use crate::failpoint;
use crate::metering::{self, FailureKind};
use crate::ports::{Engine, EngineError, LogError, Side};
use crate::tree::darklaunch::{DarklaunchError, FlagOrder, Flagger};

/// Why a step's effect is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepError {
    /// It may succeed later.
    Transient { reason: String, place: Place },
    /// It will fail again until somebody mends the cause.
    Permanent { reason: String, place: Place },
    /// Another node has taken the org over.
    Lost,
    /// An abort finds that the org has moved: it comes too late.
    HasMoved,
}

/// The world as seen by one move's effects.
#[derive(Clone)]
pub(crate) struct Effects {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) flags: Flagger,
    pub(crate) tuning: watch::Receiver<Tuning>,
    pub(crate) progress: Progress,
}

/// How far a step has come, so that it can be seen whether it came further between two troubles.
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
    /// Runs the effect of the step that the record says was begun.
    pub(crate) async fn run(self, record: MoveRecord, step: Step) -> Result<Findings, StepError> {
        let claim = record.claim();
        let way = record.aim.way();
        match (record.strategy, step) {
            (_, Step::Block) => self.block(&claim).await,
            (_, Step::Drain) => self.drain(&claim).await,
            (_, Step::Capture) => self.capture(&claim).await,
            (Strategy::Offline | Strategy::Window, Step::Copy) => self.copy(&claim).await,
            (Strategy::Online, Step::Copy) => self.copy_live(&claim).await,
            (_, Step::CatchUp) => self.catch_up(&claim, way).await,
            (Strategy::Offline | Strategy::Window, Step::Verify) => self.verify(&claim).await,
            (Strategy::Online, Step::Verify) => self.verify_live(&claim, way).await,
            // In a window the operator switches, so no course leads here.
            (Strategy::Offline | Strategy::Window, Step::Switch) => self.switch(&claim, record.verified.as_ref()).await,
            (Strategy::Online, Step::Switch) => self.switch_live(&claim, way, record.verified.as_ref()).await,
            (_, Step::Unblock) => self.unblock(&claim).await,
            (Strategy::Window, Step::Discard | Step::Abort) => self.discard_copy(&claim).await,
            (_, Step::Discard) => self.discard_rolled_back(&claim).await,
            (_, Step::BackUp) => self.back_up(&claim).await,
            (_, Step::Close) => self.close(&claim).await,
            (_, Step::Purge) => self.purge(&claim).await,
            (Strategy::Offline, Step::Abort) => self.abort(&claim).await,
            (Strategy::Online, Step::Abort) => self.abort_live(&claim, record.aim, record.verified.as_ref()).await,
        }
    }

    /// Whether a move that cannot get through this step may be given up. Online only the stores know whether the switch
    /// has passed the point of no return; while they cannot be asked, nothing is given up.
    pub(crate) async fn may_give_up(&self, record: &MoveRecord, step: Step) -> bool {
        if !record.course().can_abort(step) {
            return false;
        }
        match (record.strategy, step) {
            (Strategy::Online, Step::Switch) => {
                matches!(self.engine.has_moved(&record.claim(), record.aim.way()).await, Ok(false))
            }
            _ => true,
        }
    }

    async fn block(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("block.begin");
        let blocked = self.engine.routing(&claim.migration)?.blocked;
        let closed_at = Some(SystemTime::now());
        let order = FlagOrder::of_move(claim, "block.desired").lay_over(present(&blocked));
        self.flags.apply(order).await?;
        failpoint::hit("block.done");
        Ok(Findings { closed_at, ..Findings::default() })
    }

    /// Admitted requests end in two ways: those that have not written yet give up after the sleep time, and
    /// those that have are waited for in the store.
    async fn drain(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("drain.begin");
        self.sleep_time().await;
        self.engine.drain(claim).await?;
        failpoint::hit("drain.done");
        Ok(Findings::default())
    }

    /// Waits for the sleep time as it is now: a change while waiting counts at once.
    async fn sleep_time(&self) {
        let begun = Instant::now();
        let mut tuning = self.tuning.clone();
        loop {
            let sleep_time_ms = tuning.borrow_and_update().sleep_time_ms;
            tokio::select! {
                () = sleep_until(begun + Duration::from_millis(sleep_time_ms)) => return,
                changed = tuning.changed() => if changed.is_err() {
                    // Nobody is left who could change it.
                    return sleep_until(begun + Duration::from_millis(sleep_time_ms)).await;
                },
            }
        }
    }

    async fn copy(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("copy.begin");
        let copied = self.engine.copy(claim).await?;
        metering::copied(copied);
        Ok(Findings { rows: Some(copied.rows), bytes: Some(copied.bytes), ..Findings::default() })
    }

    async fn verify(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("verify.begin");
        let (source, target) =
            tokio::try_join!(self.engine.tally(claim, Side::Source), self.engine.tally(claim, Side::Target))?;
        self.proof(claim, &source, &target).await
    }

    pub(super) async fn proof(&self, claim: &Claim, source: &Tally, target: &Tally) -> Result<Findings, StepError> {
        match Verified::compare(source, target) {
            Ok(verified) => {
                failpoint::hit("verify.done");
                Ok(Findings { verified: Some(verified), ..Findings::default() })
            }
            Err(mismatch) => {
                let place = self.engine.explain(claim, &mismatch).await?;
                Err(StepError::Permanent { reason: mismatch.to_string(), place })
            }
        }
    }

    /// Declares the rows in the target live, then routes the org there, still blocked.
    async fn switch(&self, claim: &Claim, verified: Option<&Verified>) -> Result<Findings, StepError> {
        failpoint::hit("switch.begin");
        proven(verified)?;
        self.engine.settle(claim).await?;
        let on_target = self.engine.routing(&claim.migration)?.on_target;
        let order = FlagOrder::of_move(claim, "switch.desired").set(present(&on_target));
        self.flags.apply(order).await?;
        failpoint::hit("switch.done");
        Ok(Findings::default())
    }

    async fn unblock(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("unblock.begin");
        self.flags.apply(FlagOrder::of_move(claim, "unblock.desired").lay_over(Fields::new())).await?;
        failpoint::hit("unblock.done");
        Ok(Findings { opened_at: Some(SystemTime::now()), ..Findings::default() })
    }

    /// Nobody was sent to these rows by Mover.
    async fn discard_copy(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("discard.begin");
        self.engine.discard(claim).await?;
        failpoint::hit("discard.done");
        Ok(Findings::default())
    }

    /// The org is let in on its source first: whether the target can be cleaned now is not its users' concern.
    async fn abort(&self, claim: &Claim) -> Result<Findings, StepError> {
        failpoint::hit("abort.begin");
        self.flags.apply(FlagOrder::of_move(claim, "abort.desired").lay_over(Fields::new())).await?;
        let opened_at = Some(SystemTime::now());
        self.engine.discard(claim).await?;
        failpoint::hit("abort.done");
        Ok(Findings { opened_at, ..Findings::default() })
    }
}

impl FlagOrder {
    pub(super) fn of_move(claim: &Claim, desired_failpoint: &'static str) -> Self {
        FlagOrder {
            key: FlagKey::org(&claim.org),
            claim: Some((claim.id, claim.epoch)),
            base: Fields::new(),
            overlay: None,
            desired_failpoint: Some(desired_failpoint),
        }
    }
}

pub(super) fn proven(verified: Option<&Verified>) -> Result<(), StepError> {
    match verified {
        Some(_) => Ok(()),
        None => {
            let reason = "the move log has no proof that both stores were equal".into();
            Err(StepError::Permanent { reason, place: Place::default() })
        }
    }
}

impl StepError {
    /// How it is counted; an org that was taken over, or goes forward, is no failure of the step.
    pub(crate) fn kind(&self) -> Option<FailureKind> {
        match self {
            StepError::Transient { .. } => Some(FailureKind::Transient),
            StepError::Permanent { .. } => Some(FailureKind::Permanent),
            StepError::Lost | StepError::HasMoved => None,
        }
    }

    /// The failure to store when the move is given up in this step.
    pub(crate) fn into_failure(self, step: Step) -> Option<Failure> {
        match self {
            StepError::Transient { reason, place } | StepError::Permanent { reason, place } => {
                Some(Failure { step, reason, place })
            }
            StepError::Lost | StepError::HasMoved => None,
        }
    }
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        let (reason, place) = (error.reason, *error.place);
        if error.transient { StepError::Transient { reason, place } } else { StepError::Permanent { reason, place } }
    }
}

impl From<LogError> for StepError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Fenced { .. } => StepError::Lost,
            error if error.is_transient() => {
                StepError::Transient { reason: error.to_string(), place: Place::default() }
            }
            error => StepError::Permanent { reason: error.to_string(), place: Place::default() },
        }
    }
}

impl From<DarklaunchError> for StepError {
    fn from(error: DarklaunchError) -> Self {
        match error {
            DarklaunchError::Log(error) => error.into(),
            error if error.is_transient() => {
                StepError::Transient { reason: error.to_string(), place: Place::default() }
            }
            error => StepError::Permanent { reason: error.to_string(), place: Place::default() },
        }
    }
}
