//! Drives one org through its steps: run the stored step, store the next, until there is none.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use crate::domain::campaign::{Control, Phase};
use crate::domain::flags::{Fields, FlagKey};
use crate::domain::ids::OrgName;
use crate::domain::record::{Advance, Failure, Findings, MoveRecord};
use crate::domain::state::{Effect, Event, State, Step, Strategy};
use crate::failpoint;
use crate::metering::{self, FailureKind, Outcome};
use crate::otp::{ActorRef, RefError};
use crate::ports::{LogError, MoveLog};
use crate::tree::darklaunch::FlagOrder;
use crate::tree::journal::{Journal, Renew, Write};

use super::cohort::{Member, Unfinished};
use super::effects::{Effects, StepError};
use super::kept_copies::KeptCopies;
use super::spans;

/// How long a step that fails for a transient reason is retried while users are blocked and the org can still go back.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Milliseconds from the first failure without progress; after that the move is aborted.
    pub step_budget_ms: u64,
    /// How often a step may crash its worker or its machine before the move is aborted.
    pub crashes_max: u32,
}

/// How often the rest of the time is told for which a copy is kept.
const KEPT_NOTE_EVERY: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In a state with no step to run.
    At(State),
    /// Another node has taken the org over.
    Lost,
}

/// The state of one drive.
pub(crate) struct MoveDriver {
    pub(crate) record: MoveRecord,
    pub(crate) log: Arc<dyn MoveLog>,
    pub(crate) effects: Effects,
    pub(crate) journal: ActorRef<Journal>,
    pub(crate) member: Member,
    pub(crate) patience: Patience,
    pub(crate) crashes: u32,
    pub(crate) note: Box<dyn Fn(String)>,
    pub(crate) kept_copies: KeptCopies,
    /// Since when the org is in 503 mode, if this drive blocked it.
    pub(crate) shut_since: Option<SystemTime>,
}

impl MoveDriver {
    /// Moves the org as far as possible.
    pub(crate) async fn run(self) -> Result<End, LogError> {
        let span = spans::of_move(&self.record);
        self.run_steps().instrument(span).await
    }

    async fn run_steps(mut self) -> Result<End, LogError> {
        failpoint::hit("claim.written");
        while let State::Started(step) = self.record.state {
            (self.note)(match self.member.others() {
                0 => step.to_string(),
                others => format!("{step}, together with {others} more"),
            });
            self.keep_copy(step).await;
            let begun = Instant::now();
            let (event, findings) = match self.perform(step).await {
                Ok(findings) => {
                    metering::step_done(step, self.record.strategy, begun.elapsed());
                    self.measure_shut_out(&findings);
                    (Event::StepDone(step), findings)
                }
                Err(StepError::HasMoved) => {
                    self.member.leave();
                    tracing::warn!(org = %self.record.org, migration = %self.record.migration,
                        epoch = self.record.epoch.0, "the org has moved, so it is not taken back: it goes forward");
                    (Event::FoundMoved, Findings::default())
                }
                Err(error) => match error.into_failure(step) {
                    None => return Ok(self.lost()),
                    Some(failure) => {
                        // An abort runs outside a cohort.
                        self.member.leave();
                        self.log_failure(&failure);
                        (Event::StepFailed(step), Findings { failure: Some(failure), ..Findings::default() })
                    }
                },
            };
            let advance = self.record.advance(event, findings)?;
            match self.write(&advance).await {
                Ok(()) => {
                    self.record.apply(advance);
                    if let Some(outcome) = Outcome::of(self.record.course(), self.record.state) {
                        self.ended(outcome);
                    }
                }
                Err(LogError::Fenced { .. }) => return Ok(self.lost()),
                Err(error) => return Err(error),
            }
        }
        if self.record.state == State::Migrated {
            failpoint::hit("migrated.written");
        }
        tracing::debug!(org = %self.record.org, migration = %self.record.migration, state = %self.record.state, "move ended");
        Ok(End::At(self.record.state))
    }

    /// Waits, without a worker, as long as the target keeps the copy of an org that was rolled back, or cannot be reached.
    async fn keep_copy(&mut self, step: Step) {
        if self.record.course().effect(step) != Some(Effect::RemoveRolledBack) {
            return;
        }
        let _kept = self.kept_copies.keep(&self.record);
        loop {
            let longer = match self.effects.engine.copy_kept_for(&self.record.lease()).await {
                Ok(longer) if !longer.is_zero() => longer,
                Err(error) if error.transient => {
                    self.member.rest();
                    (self.note)(format!("{step}, waiting: {error}"));
                    sleep(KEPT_NOTE_EVERY).await;
                    continue;
                }
                // The step itself reports what is wrong.
                Ok(_) | Err(_) => return,
            };
            self.member.rest();
            let until = Instant::now() + longer;
            while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
                (self.note)(format!(
                    "{step}, waiting: the copy is kept for {} s more, for clients that still follow an earlier flag",
                    rest.as_secs_f64().ceil()
                ));
                sleep(rest.min(KEPT_NOTE_EVERY)).await;
            }
        }
    }

    /// Retries the step until it is done, fails permanently, or exceeds its budget. After the point of no return, and during an
    /// abort, there is no fallback: those steps are retried forever, and log why they wait.
    async fn perform(&mut self, step: Step) -> Result<Findings, StepError> {
        let mut pause = PAUSE_FIRST;
        let mut failing_since = None;
        let mut progress = self.member.progress();
        loop {
            // If it is too late to abort, the step is retried all the same.
            if self.crashes >= self.patience.crashes_max && self.give_up(step).await? {
                let reason = format!("the step crashed {} times", self.crashes);
                return Err(StepError::Permanent { reason, place: Box::default() });
            }
            let error = match self.attempt(step).await {
                Ok(findings) => return Ok(findings),
                // Nothing is wrong with it: it continues alone now.
                Err(StepError::Apart) => continue,
                Err(StepError::Renamed(name)) => match self.rename(name).await {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if std::mem::replace(&mut progress, self.member.progress()) != progress {
                failing_since = None;
            }
            let waited = failing_since.get_or_insert_with(Instant::now).elapsed();
            let no_use = match &error {
                StepError::Lost | StepError::HasMoved | StepError::Apart | StepError::Renamed(_) => return Err(error),
                // The store is at fault, and no other org should fail like this one. It waits for a while: a person may mend it.
                StepError::Permanent { reason, place } if place.systemic => {
                    self.pause_campaign(reason).await;
                    waited >= Duration::from_millis(self.patience.step_budget_ms)
                }
                StepError::Permanent { .. } => true,
                // There is no hurry to abort, and the copy would be lost. A conflicting row may stay, so it is not waited for.
                StepError::Transient { place, .. } if place.row.is_none() && !self.record.course().shuts_out(step) => {
                    false
                }
                StepError::Transient { .. } => waited >= Duration::from_millis(self.patience.step_budget_ms),
            };
            if no_use && self.give_up(step).await? {
                if let StepError::Transient { reason, place } = &error
                    && place.systemic
                {
                    self.pause_campaign(reason).await;
                }
                return Err(error);
            }
            if let StepError::Transient { reason, .. } | StepError::Permanent { reason, .. } = &error {
                tracing::warn!(org = %self.record.org, migration = %self.record.migration, %step,
                    epoch = self.record.epoch.0, %reason, "the step waits and is tried again");
                (self.note)(format!("{step}, waiting: {reason}"));
            }
            if self.is_overtaken().await {
                return Err(StepError::Lost);
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The move goes on under another name of its org, and its flags go there with it.
    async fn rename(&mut self, name: OrgName) -> Result<(), StepError> {
        self.member.leave();
        self.log.rename(self.record.id, self.record.epoch, &name).await?;
        let former = std::mem::replace(&mut self.record.org, name);
        tracing::warn!(org = %self.record.org, migration = %self.record.migration, epoch = self.record.epoch.0, %former,
            "the org was renamed; its move and its flags go on under the new name");
        // Decisions without a change: both hashes are written as they are decided now.
        let written = [&self.record.org, &former].map(|org| FlagOrder::of_operator(FlagKey::org(org), Fields::new()));
        for answer in self.effects.flags.apply_all(written.to_vec()).await? {
            answer?;
        }
        Ok(())
    }

    /// Lets the campaign claim no more orgs, which would fail like this one.
    async fn pause_campaign(&self, cause: &str) {
        let live = match self.log.live_campaign().await {
            Ok(live) => live.filter(|live| Some(live.id) == self.record.campaign && live.phase == Phase::Running),
            // Nothing is claimed without the move log, either.
            Err(_) => return,
        };
        let Some(live) = live else { return };
        let reason = format!("paused by itself: {cause}; next: mend this, then: resume");
        match self.log.control(Control::Pause, Some(&reason)).await {
            Ok(_) => {
                tracing::error!(campaign = live.id.0, migration = %live.migration, %reason, "the campaign is paused")
            }
            // The next fault tries again.
            Err(error) => tracing::warn!(campaign = live.id.0, %error, "the campaign could not be paused"),
        }
    }

    /// Whether the step is given up for an abort. Its earlier requests may still be on their way to a store, so the move first
    /// gets an epoch under which nothing was sent. Once the stores refuse the former epoch, their answer that the org has not
    /// moved stays true; before the switch and offline, the abort itself makes them refuse it.
    async fn give_up(&mut self, step: Step) -> Result<bool, StepError> {
        if !self.effects.may_give_up(&self.record, step).await {
            return Ok(false);
        }
        match self.renew().await {
            Ok(()) => Ok(self.effects.may_give_up(&self.record, step).await),
            Err(LogError::Fenced { .. }) => Err(StepError::Lost),
            Err(error) => {
                tracing::error!(org = %self.record.org, migration = %self.record.migration, %step, %error,
                    "the move gets no new epoch, and is not given up without one");
                Ok(false)
            }
        }
    }

    async fn renew(&mut self) -> Result<(), LogError> {
        let (id, former) = (self.record.id, self.record.epoch);
        let doing = "getting a new epoch";
        self.record.epoch = self.insist(doing, async || self.journal.send(Renew(id, former)).await).await?;
        tracing::debug!(org = %self.record.org, migration = %self.record.migration, former = former.0,
            epoch = self.record.epoch.0, "the move has a new epoch, so that it can be given up");
        Ok(())
    }

    /// Whether the org has another owner by now. A store that refuses a stale lease reports an error like any other; without
    /// this check the former owner would retry forever.
    async fn is_overtaken(&self) -> bool {
        match self.log.load(self.record.id).await {
            Ok(stored) => (stored.epoch, stored.state) != (self.record.epoch, self.record.state),
            // The next try asks again.
            Err(_) => false,
        }
    }

    async fn attempt(&mut self, step: Step) -> Result<Findings, StepError> {
        let span = spans::of_step(step);
        match self.member.perform(self.record.clone(), step, span.clone()).await {
            Ok(outcome) => {
                if let Err(error) = &outcome {
                    spans::record_error(&span, error);
                    error.kind().into_iter().for_each(|kind| metering::step_failed(step, kind));
                }
                outcome
            }
            Err(Unfinished::NotBegun(reason)) => Err(StepError::Transient { reason, place: Box::default() }),
            Err(Unfinished::Crashed(panic)) => {
                metering::step_failed(step, FailureKind::Crash);
                self.crashes += 1;
                tracing::error!(org = %self.record.org, migration = %self.record.migration, %step, %panic, "a step crashed");
                if self.crashes >= self.patience.crashes_max {
                    let reason = format!("the step crashed {} times, at last with: {panic}", self.crashes);
                    return Err(StepError::Permanent { reason, place: Box::default() });
                }
                Err(StepError::Transient { reason: format!("the step crashed: {panic}"), place: Box::default() })
            }
        }
    }

    /// Writes the transition.
    async fn write(&self, advance: &Advance) -> Result<(), LogError> {
        self.insist("writing a transition", async || self.journal.send(Write(advance.clone())).await).await
    }

    /// Calls the move log, however long it is unreachable: nothing may continue without its answer.
    async fn insist<T>(
        &self,
        doing: &str,
        ask: impl AsyncFn() -> Result<Result<T, LogError>, RefError>,
    ) -> Result<T, LogError> {
        let mut pause = PAUSE_FIRST;
        loop {
            let answer = ask()
                .await
                .unwrap_or_else(|error| Err(LogError::Unreachable { doing: doing.into(), cause: error.to_string() }));
            match answer {
                Err(error) if error.is_transient() => {
                    tracing::warn!(org = %self.record.org, %error, "the move log is asked again");
                    (self.note)(format!("waiting: {error}"));
                }
                decided => return decided,
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Offline an org is blocked in one step and unblocked in another. If another process blocked it, the time is not measured
    /// here: the move log has it.
    fn measure_shut_out(&mut self, findings: &Findings) {
        if self.record.strategy != Strategy::Offline {
            return; // online, the switch itself measures it
        }
        self.shut_since = findings.closed_at.or(self.shut_since);
        let Some(opened_at) = findings.opened_at else { return };
        if let Some(Ok(time)) = self.shut_since.take().map(|since| opened_at.duration_since(since)) {
            metering::writers_shut_out(self.record.strategy, time);
        }
    }

    fn ended(&self, outcome: Outcome) {
        metering::move_ended(&self.record.migration, outcome);
        Span::current().record("outcome", outcome.as_str());
    }

    fn lost(&self) -> End {
        self.ended(Outcome::Lost);
        tracing::warn!(org = %self.record.org, migration = %self.record.migration, epoch = self.record.epoch.0,
            "another node has taken the org over");
        End::Lost
    }

    fn log_failure(&self, failure: &Failure) {
        tracing::error!(org = %self.record.org, migration = %self.record.migration, step = %failure.step,
            epoch = self.record.epoch.0, reason = %failure.reason, table = failure.place.table.as_deref(),
            row = failure.place.row.as_deref(), "the move failed and is taken back");
    }
}
