//! The ledger: all acknowledged writes of an application, by org.

use std::sync::{Mutex, PoisonError};

use crate::app::Write;

#[derive(Debug)]
pub(crate) struct Ledger<W> {
    orgs: Vec<Mutex<Vec<Write<W>>>>,
}

impl<W: Clone> Ledger<W> {
    pub(crate) fn new(orgs: usize) -> Self {
        Self { orgs: (0..orgs).map(|_| Mutex::default()).collect() }
    }

    pub(crate) fn acknowledge(&self, write: Write<W>) {
        if let Some(org) = self.orgs.get(write.org) {
            org.lock().unwrap_or_else(PoisonError::into_inner).push(write);
        }
    }

    /// The writes to an org so far; each client's in order.
    pub(crate) fn of(&self, org: usize) -> Vec<Write<W>> {
        self.orgs.get(org).map_or_else(Vec::new, |org| org.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
