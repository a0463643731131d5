//! Redis: hashes, and the notes by which a loss is noticed.

use std::collections::{BTreeMap, BTreeSet};

use mover_actors::domain::flags::{EPOCH_FIELD, FlagKey};
use mover_actors::domain::ids::{Epoch, OrgName};

use super::event::Event;
use super::world::WorldGuard;

/// The fields of one hash.
pub type Hash = BTreeMap<String, String>;

/// What Redis holds.
#[derive(Debug, Default)]
pub struct RedisFacts {
    /// The hashes.
    pub hashes: BTreeMap<FlagKey, Hash>,
    /// Whether it is unreachable.
    pub down: bool,
    /// The note that all flags are there.
    pub whole: bool,
    /// The notes of processes that are writing all flags again.
    pub refilling: BTreeSet<u64>,
    notes: u64,
}

impl RedisFacts {
    pub(super) fn leave_note(&mut self) -> u64 {
        self.notes += 1;
        self.refilling.insert(self.notes);
        self.notes
    }

    /// The epoch of a hash.
    pub fn epoch(&self, key: &FlagKey) -> Option<Epoch> {
        self.hashes.get(key)?.get(EPOCH_FIELD)?.parse().ok().map(Epoch)
    }

    /// The flags of an org as an application reads them; nothing if it must refuse to work.
    pub fn effective(&self, org: &OrgName) -> Option<Hash> {
        if self.down {
            return None;
        }
        let mut flags = self.hashes.get(&FlagKey::default_hash())?.clone();
        for key in [FlagKey::org(org), FlagKey::override_hash()] {
            flags.extend(self.hashes.get(&key).cloned().unwrap_or_default());
        }
        Some(flags)
    }
}

impl WorldGuard<'_> {
    /// Sets or removes fields of a hash.
    pub fn write_hash(&mut self, key: &FlagKey, change: impl FnOnce(&mut Hash)) {
        let before = self.facts.redis.hashes.get(key).cloned();
        let mut after = before.clone().unwrap_or_default();
        change(&mut after);
        self.facts.redis.hashes.insert(key.clone(), after.clone());
        self.emit(Event::Flagged { key: key.clone(), before, after });
    }

    /// Redis loses its data.
    pub fn lose_flags(&mut self) {
        let redis = &mut self.facts.redis;
        redis.hashes.clear();
        redis.whole = false;
        redis.refilling.clear();
        self.emit(Event::FlagsLost);
    }
}
