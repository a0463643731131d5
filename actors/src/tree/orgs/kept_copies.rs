//! Orgs of this process that were rolled back and whose copy is kept for a while: they hold no worker, and no campaign waits for
//! them when it is halted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::ids::{CampaignId, MoveId};
use crate::domain::record::MoveRecord;

/// See the module's documentation. Clones share one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptCopies(Arc<Mutex<HashMap<MoveId, Option<CampaignId>>>>);

/// An org on the list, as long as this lives.
#[derive(Debug)]
pub(crate) struct KeptCopy {
    id: MoveId,
    all: KeptCopies,
}

impl KeptCopies {
    /// Puts an org on the list.
    pub(crate) fn keep(&self, record: &MoveRecord) -> KeptCopy {
        self.list().insert(record.id, record.campaign);
        KeptCopy { id: record.id, all: self.clone() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list().len()
    }

    /// How many a campaign has claimed.
    pub(crate) fn of(&self, campaign: CampaignId) -> u64 {
        let claimed = self.list().values().filter(|claimed_by| **claimed_by == Some(campaign)).count();
        u64::try_from(claimed).unwrap_or(u64::MAX)
    }

    fn list(&self) -> MutexGuard<'_, HashMap<MoveId, Option<CampaignId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeptCopy {
    fn drop(&mut self) {
        self.all.list().remove(&self.id);
    }
}
