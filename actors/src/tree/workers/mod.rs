//! The pool: as many workers as may move orgs at once, resized while it runs.
//!
//! ```text
//! workers (one_for_all)
//! ├── desk   hands workers out and takes them back
//! └── crew   dynamic: worker_1 … worker_N
//! ```
//!
//! Owns: who works for whom, which is forgotten with the desk: then all workers are replaced, and every org asks
//! for a worker again and repeats its step.

mod desk;
mod worker;

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::domain::campaign::Tuning;
use crate::otp::{ActorRef, ChildSpec, Dynamic, DynamicSpec, Intensity, Strategy, SupervisorSpec};

pub(crate) use desk::{Checkout, Desk, Lease, Reserve};
pub(crate) use worker::{Perform, Worker};

/// The supervisor of the pool. `vacancy` is told whenever a worker becomes free.
pub(crate) fn spec(
    desk: &ActorRef<Desk>,
    crew: &Dynamic<Worker>,
    tuning: &watch::Sender<Tuning>,
    vacancy: &Arc<Notify>,
    intensity: Intensity,
) -> ChildSpec {
    let children = DynamicSpec { intensity, ..DynamicSpec::default() };
    let (tuning, vacancy) = (tuning.subscribe(), vacancy.clone());
    let (own, staff) = (desk.clone(), crew.clone());
    let start = move |me| {
        let desk = Desk::new(me, own.clone(), staff.clone(), tuning.clone(), vacancy.clone());
        async move { Ok(desk) }
    };
    ChildSpec::supervisor(
        SupervisorSpec::new("workers", Strategy::OneForAll)
            .child(ChildSpec::actor(desk, start))
            .child(ChildSpec::dynamic(crew, children)),
    )
}
