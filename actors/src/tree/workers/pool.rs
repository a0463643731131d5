//! The worker pool: lends workers, takes them back, and keeps their number at the configured concurrency.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{Notify, oneshot, watch};

use crate::domain::campaign::Tuning;
use crate::metering;
use crate::otp::{ActorRef, Child, Dynamic, SelfHandle};

use super::worker::Worker;

/// See the module's documentation.
pub(crate) struct WorkerPool {
    me: SelfHandle,
    own: ActorRef<WorkerPool>,
    members: Dynamic<Worker>,
    tuning: watch::Receiver<Tuning>,
    worker_free: Arc<Notify>,
    idle: Vec<ActorRef<Worker>>,
    waiting: VecDeque<oneshot::Sender<PooledWorker>>,
    /// Workers that exist or are being started.
    size: u32,
    started_ever: u64,
}

/// A worker that is lent to a cohort; dropping it returns the worker.
#[derive(Debug)]
pub(crate) struct PooledWorker {
    worker: ActorRef<Worker>,
    pool: ActorRef<WorkerPool>,
    worked: AtomicBool,
}

impl PooledWorker {
    /// The worker, to send work to.
    pub(crate) fn worker(&self) -> &ActorRef<Worker> {
        self.worked.store(true, Ordering::Relaxed);
        &self.worker
    }
}

impl Drop for PooledWorker {
    fn drop(&mut self) {
        // If the pool is gone, its workers are replaced with it.
        let _ = self.pool.notify(Returned { worker: self.worker.clone(), worked: self.worked.load(Ordering::Relaxed) });
    }
}

impl WorkerPool {
    pub(super) fn new(
        me: SelfHandle,
        own: ActorRef<WorkerPool>,
        members: Dynamic<Worker>,
        tuning: watch::Receiver<Tuning>,
        worker_free: Arc<Notify>,
    ) -> Self {
        Self {
            me,
            own,
            members,
            tuning,
            worker_free,
            idle: Vec::new(),
            waiting: VecDeque::new(),
            size: 0,
            started_ever: 0,
        }
    }

    fn wanted(&self) -> u32 {
        self.tuning.borrow().concurrency
    }

    /// Starts missing workers, and stops surplus idle ones. Surplus busy workers stop when they are returned.
    fn resize(&mut self, ctx: &mut Context<Self>) {
        while self.size > self.wanted() {
            let Some(worker) = self.idle.pop() else { break };
            self.stop_worker(worker, ctx);
        }
        while self.size < self.wanted() {
            self.size += 1;
            self.started_ever += 1;
            let (members, id) = (self.members.clone(), format!("worker_{}", self.started_ever));
            let start = async move {
                members.running().await;
                members.start_child(id, |me| async move { Ok(Worker::new(me)) }).await
            };
            ctx.spawn(start.into_actor(self).map(|started, this, ctx| match started {
                Ok(worker) => {
                    this.take_back(worker, ctx);
                    this.notify_manager();
                }
                Err(error) => this.me.fail(ctx, format!("a worker could not be started: {error}")),
            }));
        }
        self.show();
    }

    fn stop_worker(&mut self, worker: ActorRef<Worker>, ctx: &mut Context<Self>) {
        self.size -= 1;
        let members = self.members.clone();
        let stop = async move { members.stop_child(worker.name()).await };
        ctx.spawn(stop.into_actor(self).map(|stopped, _, _| {
            if let Err(error) = stopped {
                tracing::warn!(%error, "a worker that is too many could not be stopped");
            }
        }));
    }

    /// A returned worker stops if there are too many, goes to the longest waiter, or becomes idle.
    fn take_back(&mut self, worker: ActorRef<Worker>, ctx: &mut Context<Self>) {
        if self.size > self.wanted() {
            self.stop_worker(worker, ctx);
        } else {
            self.hand_out(worker);
        }
        self.show();
    }

    fn became_idle(&mut self, worker: ActorRef<Worker>, ctx: &mut Context<Self>) {
        self.take_back(worker, ctx);
        self.notify_manager();
    }

    /// Only when enough workers are free to be worth a claim: orgs claimed one by one cost the move log a statement each. The
    /// manager finds fewer at its next tick.
    fn notify_manager(&self) {
        let enough = self.wanted().div_ceil(8);
        if u32::try_from(self.idle.len()).is_ok_and(|idle| idle >= enough) {
            self.worker_free.notify_one();
        }
    }

    fn hand_out(&mut self, worker: ActorRef<Worker>) {
        while let Some(asker) = self.waiting.pop_front() {
            if !asker.is_closed() {
                // If the caller has just gone, the `PooledWorker` is dropped, which returns the worker.
                let _ = asker.send(self.pooled_worker(worker));
                return;
            }
        }
        self.idle.push(worker);
    }

    fn pooled_worker(&self, worker: ActorRef<Worker>) -> PooledWorker {
        PooledWorker { worker, pool: self.own.clone(), worked: AtomicBool::new(false) }
    }

    fn show(&self) {
        let idle = u32::try_from(self.idle.len()).unwrap_or(u32::MAX);
        let busy = self.size.saturating_sub(idle);
        metering::workers(busy, idle);
        self.me.note(format!("{busy} of {} workers busy, {} orgs wait for one", self.size, self.waiting.len()));
    }
}

impl Drop for WorkerPool {
    /// The workers go with the pool.
    fn drop(&mut self) {
        metering::workers(0, 0);
    }
}

impl Actor for WorkerPool {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.resize(ctx);
        let mut tuning = self.tuning.clone();
        let own = self.own.clone();
        let follow = async move {
            while tuning.changed().await.is_ok() {
                if own.send(Resize).await.is_err() {
                    return;
                }
            }
        };
        ctx.spawn(follow.into_actor(self));
    }
}

impl Child for WorkerPool {}

#[derive(Message)]
#[rtype(result = "()")]
struct Resize;

impl Handler<Resize> for WorkerPool {
    type Result = ();

    fn handle(&mut self, _: Resize, ctx: &mut Self::Context) {
        self.resize(ctx);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Returned {
    worker: ActorRef<Worker>,
    worked: bool,
}

impl Handler<Returned> for WorkerPool {
    type Result = ();

    /// The pace of the campaign is the pause of a worker between two orgs.
    fn handle(&mut self, Returned { worker, worked }: Returned, ctx: &mut Self::Context) {
        if !self.members.child(worker.name()).is_some_and(|ours| ours.is_same_as(&worker)) {
            return; // a worker of an earlier pool, which may have had the same name
        }
        if !worked {
            // The manager reserved it and found no org for it. Notifying the manager again would make it spin.
            return self.take_back(worker, ctx);
        }
        let pace_ms = self.tuning.borrow().pace_ms;
        match pace_ms {
            0 => self.became_idle(worker, ctx),
            pace_ms => {
                ctx.run_later(Duration::from_millis(pace_ms), |this, ctx| this.became_idle(worker, ctx));
            }
        }
    }
}

/// Takes at most this many idle workers, without waiting.
#[derive(Message)]
#[rtype(result = "Vec<PooledWorker>")]
pub(crate) struct Reserve(pub(crate) u32);

impl Handler<Reserve> for WorkerPool {
    type Result = MessageResult<Reserve>;

    fn handle(&mut self, Reserve(most): Reserve, ctx: &mut Self::Context) -> Self::Result {
        // The caller may have lowered the concurrency just now; it must not get surplus workers.
        self.resize(ctx);
        let most = self.idle.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let workers: Vec<_> = self.idle.drain(..most).collect();
        self.show();
        MessageResult(workers.into_iter().map(|worker| self.pooled_worker(worker)).collect())
    }
}

/// Waits for a free worker.
#[derive(Message)]
#[rtype(result = "Option<PooledWorker>")]
pub(crate) struct Checkout;

impl Handler<Checkout> for WorkerPool {
    type Result = ResponseFuture<Option<PooledWorker>>;

    fn handle(&mut self, _: Checkout, _: &mut Self::Context) -> Self::Result {
        let (sender, pooled_worker) = oneshot::channel();
        self.waiting.push_back(sender);
        if let Some(worker) = self.idle.pop() {
            self.hand_out(worker);
        }
        self.show();
        Box::pin(async move { pooled_worker.await.ok() })
    }
}
