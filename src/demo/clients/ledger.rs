//! The acknowledged writes of clients.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::demo::route::Store;
use crate::demo::sample::SampleOrg;

/// One write of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The org whose rows it changes: an index into [`Ledger::orgs`].
    pub org: u32,
    /// The client. No two clients ever have the same number in the same stores.
    pub client: i32,
    /// The client's own counter, from 1.
    pub seq: i64,
    /// The store that it was sent to last.
    pub store: Store,
}

impl Write {
    /// The further effect of the write.
    pub fn touch(&self) -> Touch {
        if self.seq % 2 == 0 { Touch::AddContainer } else { Touch::UpdateNode }
    }

    /// The name of the container that it adds.
    pub fn container(&self) -> String {
        format!("write {}-{}", self.client, self.seq)
    }
}

/// The further effect of a write, in the same transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Inserts a row whose name belongs to this write alone, so that a duplicate is detected.
    AddContainer,
    /// Updates an existing row.
    UpdateNode,
}

/// All acknowledged writes.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The orgs that were written to.
    pub orgs: Vec<SampleOrg>,
    /// Acknowledged by the server.
    pub acknowledged: Vec<Write>,
    /// The connection was lost during COMMIT and the client was stopped before it learned the outcome: each of these may exist
    /// or not.
    pub maybe: Vec<Write>,
}

/// A ledger that all clients write to.
#[derive(Debug)]
pub(super) struct SharedLedger(Mutex<Ledger>);

impl SharedLedger {
    pub(super) fn new(orgs: Vec<SampleOrg>) -> Self {
        Self(Mutex::new(Ledger { orgs, ..Ledger::default() }))
    }

    pub(super) fn acknowledge(&self, write: Write) {
        self.open().acknowledged.push(write);
    }

    pub(super) fn leave_open(&self, write: Write) {
        self.open().maybe.push(write);
    }

    /// Takes the contents; the clients are gone.
    pub(super) fn close(&self) -> Ledger {
        std::mem::take(&mut *self.open())
    }

    fn open(&self) -> MutexGuard<'_, Ledger> {
        // A push cannot leave it in the middle of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
