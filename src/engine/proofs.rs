//! Which orgs were found equal in both stores, and what the stores were like then. A proof lives as long as the process: without
//! one, or with one of other schemas or of an earlier life of a store, an org is compared again before it is switched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::{EngineError, Side};

use super::connection::Session;
use super::error::Doing;
use super::fingerprint::{Fingerprint, Glance, Tables};
use super::plans::Basis;

/// More than are ever in flight. To forget a proof is safe.
const PROOFS_MAX: usize = 10_000;

/// What was done with an org's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Both stores compared, while it was written.
    Compared(Way),
    /// One store tallied, while it was shut.
    Tallied(Side),
    /// The source's rows written to a file.
    BackedUp,
}

/// What the stores were like just before.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    epoch: Epoch,
    pub(super) basis: Basis,
    /// Something is known to have changed since.
    pub(super) is_broken: bool,
}

impl Proof {
    pub(super) fn holds(&self, lease: &Lease, now: &Basis) -> bool {
        !self.is_broken && self.epoch == lease.epoch && self.basis.is_same(now)
    }
}

/// All of an engine.
#[derive(Debug, Default)]
pub(super) struct Proofs(Mutex<HashMap<(MigrationName, OrgKey, What), Proof>>);

impl Proofs {
    pub(super) fn keep(&self, lease: &Lease, what: What, basis: &Basis) {
        let proof = Proof { epoch: lease.epoch, basis: basis.clone(), is_broken: false };
        self.with(|proofs| {
            if proofs.len() >= PROOFS_MAX {
                // A backup is good only with its proof; of all others there is another comparison.
                proofs.retain(|(.., what), _| *what == What::BackedUp);
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

    /// It has served.
    pub(super) fn forget(&self, lease: &Lease, whats: &[What]) {
        self.with(|proofs| {
            for what in whats {
                proofs.remove(&(lease.migration.clone(), lease.key.clone(), *what));
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<(MigrationName, OrgKey, What), Proof>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What both stores must still be like when writers wait.
#[derive(Debug)]
pub(super) struct Unchanged {
    leaving: (Tables, Glance),
    receiving: (Tables, Glance),
}

impl Unchanged {
    pub(super) fn since(basis: &Basis, way: Way) -> Self {
        let of = |store: &Fingerprint| (store.tables.clone(), store.glance.clone());
        let (source, target) = (of(&basis.source), of(&basis.target));
        let (leaving, receiving) = match way {
            Way::Forward => (source, target),
            Way::Back => (target, source),
        };
        Self { leaving, receiving }
    }

    /// Looks at both stores at the same time, inside the sessions' transactions.
    pub(super) async fn is_so(
        &self,
        (from, leaving): (&Session, Doing<'_>),
        (to, receiving): (&Session, Doing<'_>),
    ) -> Result<bool, EngineError> {
        let (here, there) = futures_util::try_join!(
            Glance::take(from, &self.leaving.0, leaving),
            Glance::take(to, &self.receiving.0, receiving)
        )?;
        Ok(here == self.leaving.1 && there == self.receiving.1)
    }
}
