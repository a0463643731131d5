//! The pool: as many workers as orgs or cohorts may move at once, resized while it runs.
//!
//! ```text
//! workers (one_for_all)
//! ├── pool      hands workers out and takes them back
//! └── members   dynamic: worker_1 … worker_N
//! ```
//!
//! Owns: the assignment of workers, which is lost with the pool: then all workers are replaced, and every org asks for a worker
//! again and repeats its step.

mod pool;
mod worker;

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::domain::campaign::Tuning;
use crate::otp::{ActorRef, ChildSpec, Dynamic, DynamicSpec, Intensity, Strategy, SupervisorSpec};

pub(crate) use pool::{Checkout, PooledWorker, Reserve, WorkerPool};
pub(crate) use worker::{Perform, Worker};

/// The supervisor of the pool. `worker_free` is notified when a worker becomes free.
pub(crate) fn spec(
    pool: &ActorRef<WorkerPool>,
    members: &Dynamic<Worker>,
    tuning: &watch::Sender<Tuning>,
    worker_free: &Arc<Notify>,
    intensity: Intensity,
) -> ChildSpec {
    let children = DynamicSpec { intensity, ..DynamicSpec::default() };
    let (tuning, worker_free) = (tuning.subscribe(), worker_free.clone());
    let (own, staff) = (pool.clone(), members.clone());
    let start = move |me| {
        let pool = WorkerPool::new(me, own.clone(), staff.clone(), tuning.clone(), worker_free.clone());
        async move { Ok(pool) }
    };
    ChildSpec::supervisor(
        SupervisorSpec::new("workers", Strategy::OneForAll)
            .child(ChildSpec::actor(pool, start))
            .child(ChildSpec::dynamic(members, children)),
    )
}
