//! Why a store did not do what it was asked.

use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Doing, Standing, refusal};

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(in super::super) enum Fault {
    /// Somebody else holds a guard row.
    Locked,
    /// The server has ended the session.
    Ended,
    /// A statement before has failed in this transaction.
    Aborted,
    /// An org does not stand as it should.
    Stands(Option<Standing>, Box<Lease>),
    /// Anything else that stays.
    Refused(String),
}

impl Fault {
    pub(in super::super) fn refused(problem: impl Into<String>) -> Self {
        Fault::Refused(problem.into())
    }

    pub(in super::super) fn stands(found: Option<Standing>, lease: &Lease) -> Self {
        Fault::Stands(found, Box::new(lease.clone()))
    }

    /// As the driver tells it.
    pub(in super::super) fn told(self, doing: Doing<'_>) -> EngineError {
        match self {
            Fault::Locked => doing.not_now("lock timeout on mover.org_guard"),
            Fault::Ended => doing.not_now("the server has ended the connection"),
            Fault::Aborted => doing.refused("the transaction is aborted"),
            Fault::Stands(found, lease) => refusal(found.as_ref(), &lease, doing),
            Fault::Refused(problem) => doing.refused(problem),
        }
    }
}
