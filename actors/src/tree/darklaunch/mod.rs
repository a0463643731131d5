//! The only writer of Redis.
//!
//! Owns: the order in which flags are written. Source of truth: the move log, which is written first; Redis follows. Orders
//! that arrive while others are being written wait and go out together. Once a second the actor checks whether Redis still has
//! its data; if not, everything is written again, `dl_default` last, so that an application which refuses to work without
//! `dl_default` never routes by a part of the flags. It does one thing at a time: an order under way during the check could
//! write `dl_default` into a Redis that was just found empty. On failure: callers get [`DarklaunchError`] and retry; a catch-up
//! writes all decisions that did not reach Redis. The next incarnation does the same.
//!
//! Applications follow Redis, so twice a minute a sweep compares every hash with its decision, page by page and between
//! orders: it writes the decisions of processes that died, and hashes that were deleted, evicted or overwritten. Hashes that
//! were written lately are compared sooner. What `mends` names is left to people: a 503 that someone set, and changes of the
//! hashes that hold for all orgs.

mod mends;
mod order;
mod write;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::domain::flags::{Fields, FlagImage, FlagKey};
use crate::metering;
use crate::otp::{ActorRef, Child, SelfHandle};
use crate::ports::{Flags, FlagsError, MoveLog};

use super::queue::Queue;
pub use mends::{Cause, differences};
pub use order::{DarklaunchError, FlagOrder};
pub use write::{Drift, drifts, drifts_of};
use write::{PAGE, Page, Places, Task, is_redis};

const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How soon a sweep begins after the last one began: a hash that was lost is written again within a minute.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How soon hashes that were written lately are compared.
const LATELY_EVERY: Duration = Duration::from_secs(5);

/// For how long a hash counts as written lately.
const LATELY: Duration = Duration::from_secs(600);

/// So many hashes can have been written lately.
const LATELY_MAX: usize = PAGE as usize;

/// Whether flags can be written now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FlagsHealth {
    /// The last call to Redis succeeded.
    #[default]
    Up,
    /// The last call to Redis failed, and why.
    Down(String),
}

/// See the module's documentation.
pub struct Darklaunch {
    me: SelfHandle,
    places: Places,
    health: Arc<watch::Sender<FlagsHealth>>,
    tasks: Queue<Task, Result<FlagImage, DarklaunchError>>,
    repairs: VecDeque<oneshot::Sender<Result<u64, DarklaunchError>>>,
    catch_up: CatchUp,
    sweep: Option<Sweep>,
    /// Whether the sweep goes before the next orders: they take turns.
    sweep_is_next: bool,
    lately: VecDeque<(Instant, FlagKey)>,
    lately_is_due: bool,
    probe_is_due: bool,
    busy: bool,
}

/// How far a sweep has come.
#[derive(Default)]
struct Sweep {
    after: Option<FlagKey>,
    /// Hashes that stay different.
    differing: u64,
}

/// How far the flags of the move log have been compared with Redis.
enum CatchUp {
    /// Redis has seen every decision.
    Done,
    /// This page is next.
    At(Page),
}

impl Darklaunch {
    /// A fresh incarnation, which begins by writing what Redis has not seen.
    pub(crate) fn new(
        me: SelfHandle,
        log: Arc<dyn MoveLog>,
        flags: Arc<dyn Flags>,
        health: Arc<watch::Sender<FlagsHealth>>,
    ) -> Self {
        let places = Places { log, flags };
        Self {
            me,
            places,
            health,
            tasks: Queue::new(PAGE as usize),
            repairs: VecDeque::new(),
            catch_up: CatchUp::At(Page::First),
            sweep: None,
            sweep_is_next: false,
            lately: VecDeque::new(),
            lately_is_due: false,
            probe_is_due: false,
            busy: false,
        }
    }

    /// Starts the next task, if none is running. Catch-up goes before orders, because an org must not be routed by a Redis that
    /// lost the flags of others.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        if self.busy {
            return;
        }
        self.busy = true;
        let places = self.places.clone();
        if let CatchUp::At(page) = &self.catch_up {
            let page = page.clone();
            let page = async move { places.catch_up(&page).await };
            ctx.spawn(page.into_actor(self).map(|outcome, this, ctx| this.page_done(outcome, ctx)));
        } else if std::mem::take(&mut self.probe_is_due) {
            let probe = async move {
                let whole = places.flags.is_whole().await?;
                // A server that answers may be full, or a replica. After a loss the first of all writes shows it, and nothing
                // must come between the answer and these: this process may fill Redis now.
                if whole {
                    places.flags.try_write().await?;
                }
                Ok(whole)
            };
            ctx.spawn(probe.into_actor(self).map(|whole, this, ctx| this.probed(whole, ctx)));
        } else if let Some(asker) = self.repairs.pop_front() {
            let repair = async move { places.repair().await };
            ctx.spawn(repair.into_actor(self).map(|outcome, this, ctx| {
                this.ended(outcome.as_ref().map(|_| ()), ctx);
                // The caller may be gone; the repair is done all the same.
                let _ = asker.send(outcome);
            }));
        } else if std::mem::take(&mut self.sweep_is_next)
            && let Some(sweep) = self.sweep.take()
        {
            self.sweep_page(sweep, ctx);
        } else if let Some(batch) = self.tasks.next() {
            self.sweep_is_next = true;
            self.remember(&batch.requests);
            let work = async move {
                let outcome = places.carry_out(&batch.requests).await;
                (batch, outcome)
            };
            ctx.spawn(work.into_actor(self).map(|(batch, outcome), this, ctx| {
                this.tasks.finished();
                let withheld = outcome.iter().flatten().find_map(|answer| answer.as_ref().err().filter(is_withheld));
                this.ended(withheld.map_or_else(|| outcome.as_ref().map(|_| ()), Err), ctx);
                match outcome {
                    Ok(answers) => batch.answer(answers),
                    Err(error) => batch.answer_all(Err(error)),
                }
            }));
        } else if std::mem::take(&mut self.lately_is_due) {
            let keys: Vec<FlagKey> = self.lately.iter().map(|(_, key)| key.clone()).collect();
            let look = async move { places.look_at(&keys).await };
            ctx.spawn(look.into_actor(self).map(|outcome, this, ctx| this.looked(outcome, ctx)));
        } else if let Some(sweep) = self.sweep.take() {
            self.sweep_page(sweep, ctx);
        } else {
            self.busy = false;
        }
    }

    /// Compares the next page of hashes with their decisions.
    fn sweep_page(&mut self, mut sweep: Sweep, ctx: &mut Context<Self>) {
        let places = self.places.clone();
        let page = async move {
            let outcome = places.sweep(sweep.after.as_ref(), &mut sweep.differing).await;
            (sweep, outcome)
        };
        ctx.spawn(page.into_actor(self).map(|(mut sweep, outcome), this, ctx| {
            let outcome = outcome.map(|after| match after {
                Some(_) => {
                    sweep.after = after;
                    this.sweep = Some(sweep);
                }
                None => metering::flags_differing(sweep.differing),
            });
            this.looked(outcome, ctx);
        }));
    }

    /// Hashes were compared. After an error the next sweep begins again.
    fn looked(&mut self, outcome: Result<(), DarklaunchError>, ctx: &mut Context<Self>) {
        self.busy = false;
        self.learn(outcome.as_ref().copied());
        if let Err(error) = outcome {
            tracing::warn!(%error, "flags cannot be compared with Redis; trying again");
        }
        self.proceed(ctx);
    }

    /// These hashes are written now.
    fn remember(&mut self, tasks: &[Task]) {
        let now = Instant::now();
        let keys: Vec<&FlagKey> = tasks.iter().filter_map(Task::written_key).collect();
        if keys.is_empty() {
            return;
        }
        let written: HashSet<&FlagKey> = keys.iter().copied().collect();
        self.lately.retain(|(at, key)| now.duration_since(*at) < LATELY && !written.contains(key));
        self.lately.extend(written.into_iter().map(|key| (now, key.clone())));
        let too_many = self.lately.len().saturating_sub(LATELY_MAX);
        self.lately.drain(..too_many);
    }

    /// Queues tasks, one behind the other; the results come in the same order.
    fn enqueue(
        &mut self,
        tasks: Vec<Task>,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Vec<Result<FlagImage, DarklaunchError>>> + use<> {
        let answers: Vec<_> = tasks.into_iter().map(|task| self.tasks.push(task)).collect();
        self.proceed(ctx);
        async move {
            let mut done = Vec::with_capacity(answers.len());
            for answer in answers {
                done.push(answer.await.unwrap_or_else(|_| Err(died())));
            }
            done
        }
    }

    /// Orders or a repair are done. After an error there may be decisions that Redis has not seen.
    fn ended(&mut self, outcome: Result<(), &DarklaunchError>, ctx: &mut Context<Self>) {
        self.busy = false;
        self.learn(outcome);
        if outcome.is_err() {
            self.catch_up = CatchUp::At(Page::First);
        }
        self.proceed(ctx);
    }

    fn page_done(&mut self, outcome: Result<Option<Page>, DarklaunchError>, ctx: &mut Context<Self>) {
        self.busy = false;
        self.learn(outcome.as_ref().map(|_| ()));
        match outcome {
            Ok(None) => self.catch_up = CatchUp::Done,
            Ok(Some(next)) => self.catch_up = CatchUp::At(next),
            Err(error) => {
                tracing::warn!(%error, "flags cannot be compared with Redis; trying again");
                if is_withheld(&&error) {
                    self.catch_up = CatchUp::At(Page::First);
                }
                // The callers get the error, so that `status` can show why no org moves.
                for asker in self.repairs.drain(..) {
                    let _ = asker.send(Err(error.clone()));
                }
                if let Some(batch) = self.tasks.next() {
                    batch.answer_all(Err(error));
                    self.tasks.finished();
                }
                return; // the next probe continues
            }
        }
        self.proceed(ctx);
    }

    fn probed(&mut self, whole: Result<bool, FlagsError>, ctx: &mut Context<Self>) {
        self.busy = false;
        match whole {
            Ok(whole) => {
                self.learn(Ok(()));
                if !whole {
                    tracing::warn!("Redis has lost its memory; writing all flags again");
                    self.catch_up = CatchUp::At(Page::First);
                }
            }
            Err(error) => self.learn(Err(&error.into())),
        }
        self.proceed(ctx);
    }

    fn begin_sweep(&mut self, ctx: &mut Context<Self>) {
        self.sweep.get_or_insert_default();
        self.proceed(ctx);
    }

    fn look_at_lately(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.lately.retain(|(at, _)| now.duration_since(*at) < LATELY);
        self.lately_is_due = !self.lately.is_empty();
        self.proceed(ctx);
    }

    fn learn(&self, outcome: Result<(), &DarklaunchError>) {
        let health = match outcome {
            Err(error) if is_redis(error) => FlagsHealth::Down(error.to_string()),
            _ => FlagsHealth::Up,
        };
        metering::flags_up(health == FlagsHealth::Up);
        self.health.send_if_modified(|known| {
            let changed = std::mem::discriminant(known) != std::mem::discriminant(&health);
            if changed {
                match &health {
                    FlagsHealth::Up => {
                        self.me.note("");
                        tracing::info!("Redis answers");
                    }
                    FlagsHealth::Down(cause) => {
                        self.me.note(cause.clone());
                        tracing::warn!(%cause, "flags cannot be written");
                    }
                }
            }
            *known = health;
            changed
        });
    }
}

impl Actor for Darklaunch {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.proceed(ctx);
        ctx.run_interval(SWEEP_EVERY, Self::begin_sweep);
        ctx.run_interval(LATELY_EVERY, Self::look_at_lately);
        ctx.run_interval(PROBE_EVERY, |this, ctx| {
            this.probe_is_due = true;
            this.proceed(ctx);
        });
    }
}

impl Child for Darklaunch {}

fn died() -> DarklaunchError {
    DarklaunchError::Gone("it died before it answered".into())
}

fn is_withheld(error: &&DarklaunchError) -> bool {
    matches!(error, DarklaunchError::Refilling { .. })
}

/// Carry out an order.
#[derive(Message)]
#[rtype(result = "Result<(), DarklaunchError>")]
pub struct Apply(pub FlagOrder);

impl Handler<Apply> for Darklaunch {
    type Result = ResponseFuture<Result<(), DarklaunchError>>;

    fn handle(&mut self, Apply(order): Apply, ctx: &mut Self::Context) -> Self::Result {
        let done = self.enqueue(vec![Task::Apply(order)], ctx);
        Box::pin(async move { done.await.pop().unwrap_or_else(|| Err(died())).map(drop) })
    }
}

/// Orders, or parts of orders: decisions for a caller that will have them written (if it dies, the next catch-up writes them),
/// or the writes.
#[derive(Message)]
#[rtype(result = "Vec<Result<FlagImage, DarklaunchError>>")]
struct ApplyTasks(Vec<Task>);

impl Handler<ApplyTasks> for Darklaunch {
    type Result = ResponseFuture<Vec<Result<FlagImage, DarklaunchError>>>;

    fn handle(&mut self, ApplyTasks(tasks): ApplyTasks, ctx: &mut Self::Context) -> Self::Result {
        Box::pin(self.enqueue(tasks, ctx))
    }
}

/// Writes hashes again as they were decided: whether orders for them could be carried out now. Overtakes all waiting tasks.
#[derive(Message)]
#[rtype(result = "Result<(), DarklaunchError>")]
struct DryRun(Vec<FlagOrder>);

impl Handler<DryRun> for Darklaunch {
    type Result = ResponseFuture<Result<(), DarklaunchError>>;

    fn handle(&mut self, DryRun(orders): DryRun, ctx: &mut Self::Context) -> Self::Result {
        match self.catch_up {
            CatchUp::Done => {
                let places = self.places.clone();
                let keys: Vec<FlagKey> = orders.into_iter().map(|order| order.key).collect();
                Box::pin(async move { places.rehearse(&keys).await })
            }
            // An org must not be routed by a Redis that lost the flags of others. Nothing is decided for the orders yet.
            CatchUp::At(_) => {
                let nothing = |order| Task::Apply(FlagOrder { base: Fields::new(), overlay: None, ..order });
                let done = self.enqueue(orders.into_iter().map(nothing).collect(), ctx);
                Box::pin(async move { done.await.into_iter().try_for_each(|answer| answer.map(drop)) })
            }
        }
    }
}

/// Leaves a mark in hashes that are as they were decided; for each, whether it is.
#[derive(Message)]
#[rtype(result = "Result<Vec<bool>, DarklaunchError>")]
struct Witness(Vec<FlagKey>);

impl Handler<Witness> for Darklaunch {
    type Result = ResponseActFuture<Self, Result<Vec<bool>, DarklaunchError>>;

    fn handle(&mut self, Witness(keys): Witness, _: &mut Self::Context) -> Self::Result {
        let places = self.places.clone();
        Box::pin(async move { places.witness(&keys).await }.into_actor(self))
    }
}

/// Why orgs may not have been blocked by these fields all the time since their hashes were marked; nothing for those that were.
#[derive(Message)]
#[rtype(result = "Result<Vec<Option<String>>, DarklaunchError>")]
struct Doubts(Vec<FlagKey>, Fields);

impl Handler<Doubts> for Darklaunch {
    type Result = ResponseActFuture<Self, Result<Vec<Option<String>>, DarklaunchError>>;

    fn handle(&mut self, Doubts(keys, blocked): Doubts, _: &mut Self::Context) -> Self::Result {
        let places = self.places.clone();
        Box::pin(async move { places.doubts(&keys, &blocked).await }.into_actor(self))
    }
}

/// Whether Redis takes writes.
#[derive(Message)]
#[rtype(result = "Result<(), DarklaunchError>")]
struct TryWrite;

impl Handler<TryWrite> for Darklaunch {
    type Result = ResponseActFuture<Self, Result<(), DarklaunchError>>;

    fn handle(&mut self, _: TryWrite, _: &mut Self::Context) -> Self::Result {
        let places = self.places.clone();
        Box::pin(async move { Ok(places.flags.try_write().await?) }.into_actor(self))
    }
}

/// Makes Redis match the decisions, also where it was changed by hand. Returns how many hashes were written.
#[derive(Message)]
#[rtype(result = "Result<u64, DarklaunchError>")]
pub struct RepairFlags;

impl Handler<RepairFlags> for Darklaunch {
    type Result = ResponseFuture<Result<u64, DarklaunchError>>;

    fn handle(&mut self, _: RepairFlags, ctx: &mut Self::Context) -> Self::Result {
        let (asker, answer) = oneshot::channel();
        self.repairs.push_back(asker);
        self.proceed(ctx);
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(died())) })
    }
}

/// The name of the darklaunch actor, for callers that only apply orders.
#[derive(Clone)]
pub struct FlagWriter(ActorRef<Darklaunch>);

impl FlagWriter {
    /// Over the actor's name.
    pub fn new(darklaunch: ActorRef<Darklaunch>) -> Self {
        Self(darklaunch)
    }

    /// Stores the decision and writes it to Redis; when this returns, applications see it.
    pub async fn apply(&self, order: FlagOrder) -> Result<(), DarklaunchError> {
        self.send(Apply(order)).await?
    }

    /// The same for several orders: a result for each, in order.
    pub async fn apply_all(&self, orders: Vec<FlagOrder>) -> Result<Vec<Result<(), DarklaunchError>>, DarklaunchError> {
        let done = self.send(ApplyTasks(orders.into_iter().map(Task::Apply).collect())).await?;
        Ok(done.into_iter().map(|answer| answer.map(drop)).collect())
    }

    /// Stores the decisions at once, and writes them to Redis after the event. If the event never comes, another incarnation or
    /// process decides about them.
    pub async fn apply_all_after(
        &self,
        event: oneshot::Receiver<()>,
        orders: Vec<FlagOrder>,
    ) -> Result<Vec<Result<(), DarklaunchError>>, DarklaunchError> {
        let decisions = ApplyTasks(orders.into_iter().map(Task::Decide).collect());
        let (decided, event) = tokio::join!(self.send(decisions), event);
        let decided = decided?;
        if event.is_err() {
            return Ok(decided.into_iter().map(|answer| answer.map(drop)).collect());
        }
        let due = decided.iter().flatten().cloned().map(Task::Write).collect();
        let mut written = self.send(ApplyTasks(due)).await?.into_iter();
        let outcome = |answer: Result<FlagImage, _>| match answer {
            Ok(_) => written.next().unwrap_or_else(|| Err(died())).map(drop),
            Err(error) => Err(error),
        };
        Ok(decided.into_iter().map(outcome).collect())
    }

    /// Whether orders would be carried out now; it changes no flags of the orgs.
    pub async fn rehearse(&self, orders: Vec<FlagOrder>) -> Result<(), DarklaunchError> {
        self.send(DryRun(orders)).await?
    }

    /// Marks hashes that are as they were decided; for each, whether it is.
    pub(crate) async fn witness(&self, keys: Vec<FlagKey>) -> Result<Vec<bool>, DarklaunchError> {
        self.send(Witness(keys)).await?
    }

    /// Why orgs may not have been blocked since their hashes were marked.
    pub(crate) async fn doubts(
        &self,
        keys: Vec<FlagKey>,
        blocked: Fields,
    ) -> Result<Vec<Option<String>>, DarklaunchError> {
        self.send(Doubts(keys, blocked)).await?
    }

    /// An error if Redis takes no writes.
    pub(crate) async fn try_write(&self) -> Result<(), DarklaunchError> {
        self.send(TryWrite).await?
    }

    async fn send<M>(&self, message: M) -> Result<M::Result, DarklaunchError>
    where
        M: Message + Send + 'static,
        M::Result: Send + 'static,
        Darklaunch: Handler<M>,
    {
        self.0.send(message).await.map_err(|error| DarklaunchError::Gone(error.to_string()))
    }
}
