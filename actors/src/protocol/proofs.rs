//! Which orgs were found equal in both stores, and the state of the stores then. A proof lives as long as the process: without
//! one, or with one of other schemas or of an earlier life of a store, an org is compared again before it is switched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::{Epoch, MigrationName, OrgKey};
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::ports::Side;

use super::fingerprint::Basis;
use super::streamed::Streams;

/// More than are ever in flight. It is safe to forget a proof.
const PROOFS_MAX: usize = 10_000;

/// What was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Both stores compared, while it was written.
    Compared(Way),
    /// One store tallied, while the org was blocked.
    Tallied(Side),
    /// The rows that an org left, which the target still holds but for those that were written since.
    StillThere,
}

/// The state of the stores just before.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    epoch: Epoch,
    pub(super) basis: Arc<Basis>,
    /// Something has changed since.
    pub(super) is_broken: bool,
}

impl Proof {
    pub(super) fn holds(&self, lease: &Lease, now: &Basis) -> bool {
        !self.is_broken && self.epoch == lease.epoch && self.basis.is_same(now)
    }
}

/// All proofs of a process.
#[derive(Debug, Default)]
pub struct Proofs {
    proofs: Mutex<HashMap<(MigrationName, OrgKey, What), Proof>>,
    pub(super) streams: Streams,
}

impl Proofs {
    pub(super) fn keep(&self, lease: &Lease, what: What, basis: &Arc<Basis>) {
        let proof = Proof { epoch: lease.epoch, basis: basis.clone(), is_broken: false };
        self.with(|proofs| {
            if proofs.len() >= PROOFS_MAX {
                proofs.clear();
            }
            proofs.insert((lease.migration.clone(), lease.key.clone(), what), proof);
        });
    }

    pub(super) fn of(&self, lease: &Lease, what: What) -> Option<Proof> {
        self.with(|proofs| proofs.get(&(lease.migration.clone(), lease.key.clone(), what)).cloned())
    }

    pub(super) fn breaks(&self, lease: &Lease, what: What) {
        self.with(|proofs| {
            if let Some(proof) = proofs.get_mut(&(lease.migration.clone(), lease.key.clone(), what)) {
                proof.is_broken = true;
            }
        });
    }

    /// Forgets proofs that have served.
    pub(super) fn forget(&self, lease: &Lease, whats: &[What]) {
        self.with(|proofs| {
            for what in whats {
                proofs.remove(&(lease.migration.clone(), lease.key.clone(), *what));
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<(MigrationName, OrgKey, What), Proof>) -> T) -> T {
        work(&mut self.proofs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
