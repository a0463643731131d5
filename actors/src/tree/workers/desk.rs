//! The desk: hands workers out and takes them back, and keeps their number as it is tuned.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{Notify, oneshot, watch};

use crate::domain::campaign::Tuning;
use crate::metering;
use crate::otp::{ActorRef, Child, Dynamic, Me};

use super::worker::Worker;

/// See the module's documentation.
pub(crate) struct Desk {
    me: Me,
    own: ActorRef<Desk>,
    crew: Dynamic<Worker>,
    tuning: watch::Receiver<Tuning>,
    vacancy: Arc<Notify>,
    idle: Vec<ActorRef<Worker>>,
    waiting: VecDeque<oneshot::Sender<Lease>>,
    /// Workers that exist or are being started.
    hired: u32,
    hired_ever: u64,
}

/// A worker for a cohort; back at the desk when it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    worker: ActorRef<Worker>,
    desk: ActorRef<Desk>,
    worked: AtomicBool,
}

impl Lease {
    /// The worker, to be given work.
    pub(crate) fn worker(&self) -> &ActorRef<Worker> {
        self.worked.store(true, Ordering::Relaxed);
        &self.worker
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A desk that is gone has replaced its workers.
        let _ = self.desk.notify(Returned { worker: self.worker.clone(), worked: self.worked.load(Ordering::Relaxed) });
    }
}

impl Desk {
    pub(super) fn new(
        me: Me,
        own: ActorRef<Desk>,
        crew: Dynamic<Worker>,
        tuning: watch::Receiver<Tuning>,
        vacancy: Arc<Notify>,
    ) -> Self {
        Self { me, own, crew, tuning, vacancy, idle: Vec::new(), waiting: VecDeque::new(), hired: 0, hired_ever: 0 }
    }

    fn wanted(&self) -> u32 {
        self.tuning.borrow().concurrency
    }

    /// Starts the workers that are missing, and lets idle ones go that are too many. Busy ones go when they come back.
    fn resize(&mut self, ctx: &mut Context<Self>) {
        while self.hired > self.wanted() {
            let Some(worker) = self.idle.pop() else { break };
            self.dismiss(worker, ctx);
        }
        while self.hired < self.wanted() {
            self.hired += 1;
            self.hired_ever += 1;
            let (crew, id) = (self.crew.clone(), format!("worker_{}", self.hired_ever));
            let start = async move {
                crew.running().await;
                crew.start_child(id, |me| async move { Ok(Worker::new(me)) }).await
            };
            ctx.spawn(start.into_actor(self).map(|started, this, ctx| match started {
                Ok(worker) => {
                    this.take_back(worker, ctx);
                    this.tell_of_vacancies();
                }
                Err(error) => this.me.fail(ctx, format!("a worker could not be started: {error}")),
            }));
        }
        self.show();
    }

    fn dismiss(&mut self, worker: ActorRef<Worker>, ctx: &mut Context<Self>) {
        self.hired -= 1;
        let crew = self.crew.clone();
        let stop = async move { crew.stop_child(worker.name()).await };
        ctx.spawn(stop.into_actor(self).map(|stopped, _, _| {
            if let Err(error) = stopped {
                tracing::warn!(%error, "a worker that is too many could not be stopped");
            }
        }));
    }

    /// A free worker goes home if there are too many, to who waits longest, or into the pool.
    fn take_back(&mut self, worker: ActorRef<Worker>, ctx: &mut Context<Self>) {
        if self.hired > self.wanted() {
            self.dismiss(worker, ctx);
        } else {
            self.hand_out(worker);
        }
        self.show();
    }

    fn rested(&mut self, worker: ActorRef<Worker>, ctx: &mut Context<Self>) {
        self.take_back(worker, ctx);
        self.tell_of_vacancies();
    }

    /// Only when enough are free to be worth a claim: orgs claimed one by one cost the move log a statement each. Fewer
    /// are seen at the manager's next look.
    fn tell_of_vacancies(&self) {
        let enough = self.wanted().div_ceil(8);
        if u32::try_from(self.idle.len()).is_ok_and(|idle| idle >= enough) {
            self.vacancy.notify_one();
        }
    }

    fn hand_out(&mut self, worker: ActorRef<Worker>) {
        while let Some(asker) = self.waiting.pop_front() {
            if !asker.is_closed() {
                // If the asker goes away this very moment, the lease is dropped and brings the worker back.
                let _ = asker.send(self.lease(worker));
                return;
            }
        }
        self.idle.push(worker);
    }

    fn lease(&self, worker: ActorRef<Worker>) -> Lease {
        Lease { worker, desk: self.own.clone(), worked: AtomicBool::new(false) }
    }

    fn show(&self) {
        let idle = u32::try_from(self.idle.len()).unwrap_or(u32::MAX);
        let busy = self.hired.saturating_sub(idle);
        metering::workers(busy, idle);
        self.me.note(format!("{busy} of {} workers busy, {} orgs wait for one", self.hired, self.waiting.len()));
    }
}

impl Drop for Desk {
    /// The workers go with the desk.
    fn drop(&mut self) {
        metering::workers(0, 0);
    }
}

impl Actor for Desk {
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

impl Child for Desk {}

#[derive(Message)]
#[rtype(result = "()")]
struct Resize;

impl Handler<Resize> for Desk {
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

impl Handler<Returned> for Desk {
    type Result = ();

    /// The pause between two orgs is the worker's rest.
    fn handle(&mut self, Returned { worker, worked }: Returned, ctx: &mut Self::Context) {
        if !self.crew.child(worker.name()).is_some_and(|ours| ours.is_same_as(&worker)) {
            return; // of the crew before this one, which may have had the same names
        }
        if !worked {
            // Whoever reserved it found nothing for it to do; told of a vacancy, they would look again at once, for ever.
            return self.take_back(worker, ctx);
        }
        let pace_ms = self.tuning.borrow().pace_ms;
        match pace_ms {
            0 => self.rested(worker, ctx),
            pace_ms => {
                ctx.run_later(Duration::from_millis(pace_ms), |this, ctx| this.rested(worker, ctx));
            }
        }
    }
}

/// Take at most so many free workers, without waiting.
#[derive(Message)]
#[rtype(result = "Vec<Lease>")]
pub(crate) struct Reserve(pub(crate) u32);

impl Handler<Reserve> for Desk {
    type Result = MessageResult<Reserve>;

    fn handle(&mut self, Reserve(most): Reserve, ctx: &mut Self::Context) -> Self::Result {
        // The asker may have tuned the pool a moment ago; it must not get workers that are too many by now.
        self.resize(ctx);
        let most = self.idle.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let workers: Vec<_> = self.idle.drain(..most).collect();
        self.show();
        MessageResult(workers.into_iter().map(|worker| self.lease(worker)).collect())
    }
}

/// Wait for a free worker.
#[derive(Message)]
#[rtype(result = "Option<Lease>")]
pub(crate) struct Checkout;

impl Handler<Checkout> for Desk {
    type Result = ResponseFuture<Option<Lease>>;

    fn handle(&mut self, _: Checkout, _: &mut Self::Context) -> Self::Result {
        let (sender, lease) = oneshot::channel();
        self.waiting.push_back(sender);
        if let Some(worker) = self.idle.pop() {
            self.hand_out(worker);
        }
        self.show();
        Box::pin(async move { lease.await.ok() })
    }
}
