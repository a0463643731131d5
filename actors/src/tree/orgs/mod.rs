//! The orgs in flight: a dynamic supervisor with one state machine for each.

mod cohort;
pub(crate) mod driver;
pub(crate) mod effect_locks;
pub(crate) mod effects;
pub(crate) mod kept_copies;
mod live;
mod machine;
mod packing;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::ids::MoveId;
use crate::domain::record::MoveRecord;
use crate::otp::{Backoff, ChildPolicy, ChildSpec, Dynamic, DynamicError, DynamicSpec, Intensity, Restart, Shutdown};
use crate::tree::workers::PooledWorker;

use cohort::Member;
use kept_copies::KeptCopies;
use machine::MachineSeed;
pub(crate) use machine::{Machine, MachineContext};
pub(crate) use packing::{Bounds, pack};

/// The handle to the orgs in flight.
#[derive(Clone)]
pub(crate) struct Orgs {
    machines: Dynamic<Machine>,
    context: MachineContext,
}

impl Orgs {
    pub(crate) fn new(context: MachineContext) -> Self {
        Self { machines: Dynamic::named("orgs"), context }
    }

    /// The spec of the supervisor.
    pub(crate) fn spec(&self, intensity: Intensity) -> ChildSpec {
        let children = ChildPolicy {
            restart: Restart::Transient,
            // A kill breaks nothing: the next node continues from the move log.
            shutdown: Shutdown::Brutal,
            backoff: Some(Backoff { first: Duration::from_millis(50), max: Duration::from_secs(5) }),
        };
        ChildSpec::dynamic(&self.machines, DynamicSpec { children, intensity })
    }

    /// Starts the state machines of orgs that were claimed together, and that continue together. Without a worker they wait for
    /// one.
    pub(crate) async fn start_together(&self, records: Vec<MoveRecord>, pooled_worker: Option<PooledWorker>) {
        let ids: Vec<MoveId> = records.iter().map(|record| record.id).collect();
        let members = cohort::together(&self.context, &ids, pooled_worker);
        for (record, member) in records.into_iter().zip(members) {
            let org = record.org.clone();
            if let Err(error) = self.start_as(record, member).await {
                tracing::error!(%org, %error, "a claimed org could not be started; the reconciler will");
            }
        }
    }

    /// Starts the state machine of a claimed org, which goes alone. An org that is in flight here already is left alone.
    pub(crate) async fn start(&self, record: MoveRecord) -> Result<(), DynamicError> {
        let member = Member::alone(&self.context, record.id);
        self.start_as(record, member).await
    }

    async fn start_as(&self, record: MoveRecord, member: Member) -> Result<(), DynamicError> {
        let id = record.id.to_string();
        let (context, seed) = (self.context.clone(), Arc::new(MachineSeed::of_claim(record, member)));
        self.machines.running().await;
        let started = self.machines.start_child(id, move |me| Machine::start(me, context.clone(), seed.clone())).await;
        match started {
            Ok(_) | Err(DynamicError::Exists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether this move has a state machine here.
    pub(crate) fn has(&self, id: MoveId) -> bool {
        self.machines.child(&id.to_string()).is_some()
    }

    /// The orgs whose copies are kept for a while.
    pub(crate) fn kept_copies(&self) -> &KeptCopies {
        &self.context.kept_copies
    }

    /// How many are in flight here.
    pub(crate) fn len(&self) -> usize {
        self.machines.len()
    }
}
