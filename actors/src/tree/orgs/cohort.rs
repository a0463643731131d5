//! Cohorts: orgs that are claimed together and go through their steps together, with one worker.
//!
//! Each org keeps a state machine of its own, which asks its cohort to perform a step. When all members have asked, the effect is
//! carried out for all of them at once, and each receives its own outcome. A member whose step failed while others succeeded leaves,
//! and continues alone with the same worker, so one org cannot delay another.
//!
//! Owns: the list of waiting members, which is lost with the machines; their next incarnations continue alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument, Span};

use crate::domain::ids::MoveId;
use crate::domain::record::MoveRecord;
use crate::domain::state::Step;
use crate::ports::LogError;
use crate::tree::workers::{Perform, PooledWorker};

use super::effects::{Effects, Outcome, Progress, StepError};
use super::machine::MachineContext;

/// Why a step that a member asked for did not finish.
pub(crate) enum Unfinished {
    /// The effect panicked, for this org alone.
    Crashed(String),
    /// It was not begun: no worker is available.
    NotBegun(String),
}

/// The result of a step that a member asked for.
pub(crate) type Attempt = Result<Outcome, Unfinished>;

/// A failed worker is back sooner, unless the whole pool was replaced.
const WORKER_BACK_MAX: Duration = Duration::from_secs(6);

/// Orgs that go through their steps together.
struct Cohort {
    context: MachineContext,
    /// Shared with members that have left.
    worker: Arc<Slot>,
    state: Mutex<State>,
    /// The progress of this cohort's step.
    progress: Progress,
}

/// The worker of a cohort, if it has one yet.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Arc<PooledWorker>>>);

struct State {
    members: usize,
    asking: Vec<WaitingMember>,
    /// How many times in a row a step failed for all of them for a transient reason.
    failed_in_a_row: u32,
}

/// A member that waits for the others.
struct WaitingMember {
    record: MoveRecord,
    step: Step,
    span: Span,
    answer: oneshot::Sender<Answer>,
}

struct Answer {
    attempt: Attempt,
    /// Whether the member continues with the others.
    stays: bool,
}

/// An org's place in a cohort.
pub(crate) struct Member {
    id: MoveId,
    cohort: Arc<Cohort>,
}

/// The places of orgs that are claimed together, in order. Without a worker they get one when it is first needed.
pub(crate) fn together(context: &MachineContext, ids: &[MoveId], pooled_worker: Option<PooledWorker>) -> Vec<Member> {
    let cohort =
        Cohort::new(context.clone(), ids.len(), Arc::new(Slot(tokio::sync::Mutex::new(pooled_worker.map(Arc::new)))));
    ids.iter().map(|id| Member { id: *id, cohort: cohort.clone() }).collect()
}

impl Member {
    /// The place of an org without a cohort.
    pub(crate) fn alone(context: &MachineContext, id: MoveId) -> Self {
        Member { id, cohort: Cohort::new(context.clone(), 1, Arc::default()) }
    }

    /// Waits until all others have reached a step, too, and for the result of this member's. A member that failed where others
    /// did not continues alone.
    pub(crate) async fn perform(&mut self, record: MoveRecord, step: Step, span: Span) -> Attempt {
        let (sender, answer) = oneshot::channel();
        let due = {
            let mut state = self.cohort.state();
            state.asking.push(WaitingMember { record, step, span, answer: sender });
            state.due()
        };
        self.cohort.begin(due);
        let answer = answer.await.unwrap_or_else(|_| Answer {
            attempt: Err(Unfinished::NotBegun("the step was interrupted".into())),
            stays: false,
        });
        match &answer.attempt {
            // None of its users is blocked now, so it can wait for a worker of its own.
            Ok(Err(StepError::Apart)) => self.go_alone(Arc::default()),
            _ if !answer.stays => self.leave(),
            _ => {}
        }
        answer.attempt
    }

    /// Continues alone, and gives the worker back if no other member needs it: there is nothing to do for a while.
    pub(crate) fn rest(&mut self) {
        self.go_alone(Arc::default());
    }

    /// Continues alone, with the same worker.
    pub(crate) fn leave(&mut self) {
        self.go_alone(self.cohort.worker.clone());
    }

    fn go_alone(&mut self, worker: Arc<Slot>) {
        let alone = Cohort::new(self.cohort.context.clone(), 1, worker);
        drop(std::mem::replace(self, Member { id: self.id, cohort: alone }));
    }

    /// The number of other members.
    pub(crate) fn others(&self) -> usize {
        self.cohort.state().members.saturating_sub(1)
    }

    /// The progress of the current step.
    pub(crate) fn progress(&self) -> u64 {
        self.cohort.progress.so_far()
    }
}

impl Drop for Member {
    /// The others do not wait any longer.
    fn drop(&mut self) {
        let due = {
            let mut state = self.cohort.state();
            state.members -= 1;
            state.asking.retain(|asking| asking.record.id != self.id);
            state.due()
        };
        self.cohort.begin(due);
    }
}

impl Slot {
    /// The worker; waits for one if there is none yet.
    async fn pooled_worker(&self, context: &MachineContext) -> Result<Arc<PooledWorker>, LogError> {
        let mut held = self.0.lock().await;
        if let Some(pooled_worker) = held.as_ref() {
            return Ok(pooled_worker.clone());
        }
        let pooled_worker = Arc::new(context.checkout().await?);
        *held = Some(pooled_worker.clone());
        Ok(pooled_worker)
    }

    /// Returns this worker, so that another is requested.
    async fn give_back(&self, pooled_worker: &Arc<PooledWorker>) {
        let mut held = self.0.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, pooled_worker)) {
            *held = None;
        }
    }
}

impl State {
    /// All members, if all of them are asking.
    fn due(&mut self) -> Vec<WaitingMember> {
        match self.asking.len() == self.members {
            true => std::mem::take(&mut self.asking),
            false => Vec::new(),
        }
    }
}

impl Cohort {
    fn new(context: MachineContext, members: usize, worker: Arc<Slot>) -> Arc<Self> {
        let state = Mutex::new(State { members, asking: Vec::new(), failed_in_a_row: 0 });
        Arc::new(Self { context, worker, state, progress: Progress::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the step that all members have asked for, in a task of its own, since the members may end meanwhile.
    fn begin(self: &Arc<Self>, asking: Vec<WaitingMember>) {
        if let (false, Ok(runtime)) = (asking.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(self.clone().carry_out(asking));
        }
    }

    /// Members are at the same step, unless the move log put one of them back: each step is carried out for the members at it.
    async fn carry_out(self: Arc<Self>, mut asking: Vec<WaitingMember>) {
        while let Some(step) = asking.first().map(|first| first.step) {
            let (mut now, later): (Vec<_>, Vec<_>) = asking.into_iter().partition(|asking| asking.step == step);
            asking = later;
            let pooled_worker = self.worker.pooled_worker(&self.context).await;
            // A member that ended while the cohort waited for a worker has a successor by now.
            now.retain(|asking| !asking.answer.is_closed());
            let attempts = match pooled_worker {
                Ok(pooled_worker) => self.perform(step, &mut now, &pooled_worker).await,
                Err(error) => now.iter().map(|_| Err(Unfinished::NotBegun(error.to_string()))).collect(),
            };
            let is_done = |attempt: &Attempt| matches!(attempt, Ok(Ok(_)));
            let goes_on = attempts.iter().any(is_done) || self.fails_again(&attempts);
            for (asking, attempt) in now.into_iter().zip(attempts) {
                let stays = match &attempt {
                    Ok(Ok(_)) => true,
                    // A transient fault of all members is retried by all members.
                    Ok(Err(StepError::Transient { .. })) | Err(Unfinished::NotBegun(_)) => !goes_on,
                    Ok(Err(
                        StepError::Permanent { .. }
                        | StepError::Apart
                        | StepError::HasMoved
                        | StepError::Lost
                        | StepError::Renamed(_),
                    ))
                    | Err(Unfinished::Crashed(_)) => false,
                };
                // The caller may have died meanwhile; its successor reloads from the move log.
                let _ = asking.answer.send(Answer { attempt, stays });
            }
        }
    }

    /// Whether a step failed for all of several members twice in a row. The cause may be their number, or one of them, so they
    /// continue alone.
    fn fails_again(&self, attempts: &[Attempt]) -> bool {
        let has_failed = |attempt: &Attempt| matches!(attempt, Ok(Err(StepError::Transient { .. })));
        let mut state = self.state();
        state.failed_in_a_row = if attempts.iter().all(has_failed) { state.failed_in_a_row + 1 } else { 0 };
        attempts.len() > 1 && state.failed_in_a_row > 1
    }

    /// The result of the step for each member, in order.
    async fn perform(
        &self,
        step: Step,
        asking: &mut [WaitingMember],
        pooled_worker: &Arc<PooledWorker>,
    ) -> Vec<Attempt> {
        let Some(first) = asking.first() else { return Vec::new() };
        let (org, span) = (&first.record.org, first.span.clone());
        let what = match asking.len() - 1 {
            0 => format!("{org} {step}"),
            others => format!("{org} and {others} more {step}"),
        };
        let effects = Effects {
            engine: self.context.engine.clone(),
            flags: self.context.flags.clone(),
            log: self.context.log.clone(),
            tuning: self.context.tuning.clone(),
            progress: self.progress.clone(),
        };
        let records: Vec<MoveRecord> = asking.iter().map(|asking| asking.record.clone()).collect();
        // The worker has no span of its own: the effect carries that of the org.
        let effect = effects.run(records, step).instrument(span);
        let ids = asking.iter().map(|asking| asking.record.id).collect();
        let (effect, wanted) = self.context.effect_locks.run(ids, effect);
        let orgs = asking.len();
        let job = Box::pin(async move { effect.await.unwrap_or_else(|| vec![Err(StepError::Lost); orgs]) });
        let performed = pooled_worker.worker().send(Perform { what, job });
        let performed = tokio::select! {
            performed = performed => performed,
            // All members have ended: the effect ends, too, before their successors begin another.
            () = all_members_gone(asking) => {
                drop(wanted);
                return Vec::new();
            }
        };
        match performed {
            Ok(Ok(outcomes)) => outcomes.into_iter().map(Ok).collect(),
            Ok(Err(panic)) if asking.len() == 1 => vec![Err(Unfinished::Crashed(panic))],
            Ok(Err(panic)) => {
                tracing::error!(orgs = asking.len(), %step, %panic, "a step crashed; its orgs go on one by one");
                asking.iter().map(|_| Ok(Err(StepError::Apart))).collect()
            }
            // The worker is being replaced, or was of a pool that is gone.
            Err(error) => {
                // Whether it is back or not, the next try asks for a free one.
                let _ = timeout(WORKER_BACK_MAX, pooled_worker.worker().running()).await;
                self.worker.give_back(pooled_worker).await;
                asking.iter().map(|_| Err(Unfinished::NotBegun(error.to_string()))).collect()
            }
        }
    }
}

/// Resolves when no member waits for its answer any more.
async fn all_members_gone(asking: &mut [WaitingMember]) {
    for asking in asking {
        asking.answer.closed().await;
    }
}
