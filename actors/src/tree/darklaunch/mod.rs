//! The only writer of Redis.
//!
//! Owns: the order in which flags are written. Source of truth: the move log, which is written first; Redis follows. Orders
//! that arrive while others are being written wait and go out together. Once a second the actor checks whether Redis still has
//! its data; if not, everything is written again, `dl_default` last, so that an application which refuses to work without
//! `dl_default` never routes by a part of the flags. It does one thing at a time: an order under way during the check could
//! write `dl_default` into a Redis that was just found empty. On failure: callers get [`DarklaunchError`] and retry; a catch-up
//! writes all decisions that did not reach Redis. The next incarnation does the same, and all of them do it now and then, for
//! the decisions of other processes.

mod order;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{oneshot, watch};

use crate::domain::flags::{Fields, FlagImage, FlagKey};
use crate::metering;
use crate::otp::{ActorRef, Child, SelfHandle};
use crate::ports::{Flags, FlagsError, MoveLog};

use super::queue::Queue;
pub use order::{DarklaunchError, FlagOrder};
pub use write::{Drift, drifts};
use write::{PAGE, Places, Task, is_redis};

const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How soon a decision reaches Redis if its process died in between. A catch-up reads one epoch per hash.
const CATCH_UP_EVERY: Duration = Duration::from_secs(30);

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
    probe_is_due: bool,
    busy: bool,
}

/// How far the flags of the move log have been compared with Redis.
enum CatchUp {
    /// Redis has seen every decision.
    Done,
    /// Hashes up to this key have been compared.
    At(Option<FlagKey>),
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
        let (tasks, repairs) = (Queue::new(PAGE as usize), VecDeque::new());
        Self { me, places, health, tasks, repairs, catch_up: CatchUp::At(None), probe_is_due: false, busy: false }
    }

    /// Starts the next task, if none is running. Catch-up goes before orders, because an org must not be routed by a Redis that
    /// lost the flags of others.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        if self.busy {
            return;
        }
        self.busy = true;
        let places = self.places.clone();
        if let CatchUp::At(after) = &self.catch_up {
            let after = after.clone();
            let page = async move { places.catch_up(after.as_ref()).await };
            ctx.spawn(page.into_actor(self).map(|outcome, this, ctx| this.page_done(outcome, ctx)));
        } else if std::mem::take(&mut self.probe_is_due) {
            let probe = async move { places.flags.is_whole().await };
            ctx.spawn(probe.into_actor(self).map(|whole, this, ctx| this.probed(whole, ctx)));
        } else if let Some(asker) = self.repairs.pop_front() {
            let repair = async move { places.repair().await };
            ctx.spawn(repair.into_actor(self).map(|outcome, this, ctx| {
                this.ended(outcome.as_ref().map(|_| ()), ctx);
                // The caller may be gone; the repair is done all the same.
                let _ = asker.send(outcome);
            }));
        } else if let Some(batch) = self.tasks.next() {
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
        } else {
            self.busy = false;
        }
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
            self.catch_up = CatchUp::At(None);
        }
        self.proceed(ctx);
    }

    fn page_done(&mut self, outcome: Result<Option<FlagKey>, DarklaunchError>, ctx: &mut Context<Self>) {
        self.busy = false;
        self.learn(outcome.as_ref().map(|_| ()));
        match outcome {
            Ok(None) => self.catch_up = CatchUp::Done,
            Ok(after) => self.catch_up = CatchUp::At(after),
            Err(error) => {
                tracing::warn!(%error, "flags cannot be compared with Redis; trying again");
                if is_withheld(&&error) {
                    self.catch_up = CatchUp::At(None);
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
                    self.catch_up = CatchUp::At(None);
                }
            }
            Err(error) => self.learn(Err(&error.into())),
        }
        self.proceed(ctx);
    }

    fn begin_catch_up(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.catch_up, CatchUp::Done) {
            self.catch_up = CatchUp::At(None);
        }
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
        ctx.run_interval(CATCH_UP_EVERY, Self::begin_catch_up);
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

    async fn send<M>(&self, message: M) -> Result<M::Result, DarklaunchError>
    where
        M: Message + Send + 'static,
        M::Result: Send + 'static,
        Darklaunch: Handler<M>,
    {
        self.0.send(message).await.map_err(|error| DarklaunchError::Gone(error.to_string()))
    }
}
