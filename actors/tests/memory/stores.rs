//! The stores: each migration has tables of its own in the source and in the target.

use std::collections::BTreeMap;

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey};
use mover_actors::domain::record::Lease;
use mover_actors::ports::Side;
use tokio::time::Instant;

use super::event::{Event, Hand};
use super::process::ProcessId;
use super::world::{Facts, InjectedBug, WorldGuard};

/// One row of an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// In which of the migration's tables.
    pub table: &'static str,
    /// Its primary key.
    pub id: u64,
    /// Its text.
    pub value: u64,
}

/// Whether the rows of an org in the target are live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardMode {
    /// A copy in progress.
    Incoming,
    /// Live.
    Settled,
}

/// The target's fence for one org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// See there.
    pub mode: GuardMode,
    /// The newest lease that was here.
    pub epoch: Epoch,
}

/// What all stores hold.
#[derive(Debug, Default)]
pub struct StoreFacts {
    places: BTreeMap<(MigrationName, Place), BTreeMap<OrgKey, Vec<Row>>>,
    guards: BTreeMap<(MigrationName, OrgKey), Guard>,
    locks: BTreeMap<(MigrationName, OrgKey), Lock>,
    /// Transactions of clients that have begun to write: which tables, in which store.
    pub(super) open_writes: BTreeMap<u64, (MigrationName, Side)>,
    transactions: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Source,
    Target,
}

impl From<Side> for Place {
    fn from(side: Side) -> Self {
        match side {
            Side::Source => Place::Source,
            Side::Target => Place::Target,
        }
    }
}

/// A transaction of the engine holds the org's guard row.
#[derive(Debug, Clone, Copy)]
struct Lock {
    transaction: u64,
    process: ProcessId,
}

/// Why the target refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreRefusal {
    /// Another transaction holds the guard row.
    Locked,
    /// A newer lease was here.
    Overtaken(Epoch),
    /// The rows are live.
    Settled,
    /// Nothing was copied.
    NothingThere,
    /// Rows that Mover did not bring.
    Foreign(usize),
    /// The transaction was rolled back.
    RolledBack,
}

impl StoreFacts {
    /// An org's rows, sorted.
    pub fn rows(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> Vec<Row> {
        let place = self.places.get(&(migration.clone(), side.into()));
        let mut rows = place.and_then(|orgs| orgs.get(key)).cloned().unwrap_or_default();
        rows.sort_unstable();
        rows
    }

    /// Whether an org's rows are these; `sorted` is sorted.
    pub fn has_rows(&self, migration: &MigrationName, side: Side, key: &OrgKey, sorted: &[Row]) -> bool {
        let rows = self.places.get(&(migration.clone(), side.into())).and_then(|orgs| orgs.get(key));
        let rows = rows.map_or(&[][..], Vec::as_slice);
        rows.len() == sorted.len() && rows.iter().all(|row| sorted.binary_search(row).is_ok())
    }

    /// The target's fence for an org.
    pub fn guard(&self, migration: &MigrationName, key: &OrgKey) -> Option<Guard> {
        self.guards.get(&(migration.clone(), key.clone())).copied()
    }

    /// An org's rows, to be changed.
    pub fn rows_mut(&mut self, migration: &MigrationName, side: Side, key: &OrgKey) -> &mut Vec<Row> {
        self.places.entry((migration.clone(), side.into())).or_default().entry(key.clone()).or_default()
    }

    pub(super) fn transaction(&mut self) -> u64 {
        self.transactions += 1;
        self.transactions
    }

    pub(super) fn unlock(&mut self, lease: &Lease, transaction: u64) {
        let place = place(lease);
        if self.locks.get(&place).is_some_and(|lock| lock.transaction == transaction) {
            self.locks.remove(&place);
        }
    }

    fn set_guard(&mut self, lease: &Lease, guard: Option<Guard>) -> Option<Guard> {
        match guard {
            Some(guard) => self.guards.insert(place(lease), guard),
            None => self.guards.remove(&place(lease)),
        }
    }
}

fn place(lease: &Lease) -> (MigrationName, OrgKey) {
    (lease.migration.clone(), lease.key.clone())
}

impl Facts {
    fn is_locked(&self, lease: &Lease, now: Instant) -> bool {
        let lock = self.stores.locks.get(&place(lease));
        lock.is_some_and(|lock| !self.is_known_dead(lock.process, now))
    }

    fn check_epoch(&self, lease: &Lease) -> Result<Option<Guard>, StoreRefusal> {
        let guard = self.stores.guards.get(&place(lease)).copied();
        match guard {
            Some(guard) if guard.epoch > lease.epoch && !self.has_injected_bug(InjectedBug::ForgetTheGuard) => {
                Err(StoreRefusal::Overtaken(guard.epoch))
            }
            guard => Ok(guard),
        }
    }
}

impl WorldGuard<'_> {
    /// Begins a copy: takes the guard row, and makes sure that the target may be written.
    pub(super) fn begin_copy(&mut self, lease: &Lease, process: ProcessId) -> Result<u64, StoreRefusal> {
        if self.facts.is_locked(lease, self.now) {
            return Err(StoreRefusal::Locked);
        }
        let settled_is_fine = self.facts.has_injected_bug(InjectedBug::ForgetTheGuard);
        match self.facts.check_epoch(lease)? {
            Some(Guard { mode: GuardMode::Settled, .. }) if !settled_is_fine => return Err(StoreRefusal::Settled),
            Some(_) => {}
            None => {
                let foreign = self.facts.stores.rows(&lease.migration, Side::Target, &lease.key).len();
                if foreign > 0 {
                    return Err(StoreRefusal::Foreign(foreign));
                }
            }
        }
        let transaction = self.facts.stores.transaction();
        self.facts.stores.locks.insert(place(lease), Lock { transaction, process });
        Ok(transaction)
    }

    /// Commits a copy: the rows of an earlier try are replaced.
    pub(super) fn commit_copy(&mut self, lease: &Lease, transaction: u64, rows: &[Row]) -> Result<(), StoreRefusal> {
        let lock = self.facts.stores.locks.get(&place(lease));
        if lock.is_none_or(|lock| lock.transaction != transaction) {
            return Err(StoreRefusal::RolledBack);
        }
        self.facts.stores.unlock(lease, transaction);
        let on_top = self.facts.has_injected_bug(InjectedBug::CopyOnTop);
        let lose = self.facts.has_injected_bug(InjectedBug::LoseARow);
        let change = self.facts.has_injected_bug(InjectedBug::ChangeARow);
        let target = self.facts.stores.rows_mut(&lease.migration, Side::Target, &lease.key);
        if !on_top {
            target.clear();
        }
        target.extend(rows.iter().skip(usize::from(lose)));
        if change && let Some(row) = target.first_mut() {
            row.value += 1;
        }
        self.guard(lease, Some(Guard { mode: GuardMode::Incoming, epoch: lease.epoch }));
        self.rows_changed(lease);
        Ok(())
    }

    /// Declares the rows live.
    pub(super) fn settle(&mut self, lease: &Lease) -> Result<(), StoreRefusal> {
        if self.facts.is_locked(lease, self.now) {
            return Err(StoreRefusal::Locked);
        }
        self.facts.check_epoch(lease)?.ok_or(StoreRefusal::NothingThere)?;
        self.guard(lease, Some(Guard { mode: GuardMode::Settled, epoch: lease.epoch }));
        Ok(())
    }

    /// Removes the rows of a copy.
    pub(super) fn discard(&mut self, lease: &Lease) -> Result<(), StoreRefusal> {
        if self.facts.is_locked(lease, self.now) {
            return Err(StoreRefusal::Locked);
        }
        let Some(guard) = self.facts.check_epoch(lease)? else { return Ok(()) };
        if guard.mode == GuardMode::Settled {
            return Err(StoreRefusal::Settled);
        }
        if self.facts.has_injected_bug(InjectedBug::DiscardNothing) {
            return Ok(());
        }
        if self.facts.has_injected_bug(InjectedBug::DiscardEverything) {
            for orgs in self.facts.stores.places.iter_mut().filter(|((migration, _), _)| *migration == lease.migration)
            {
                orgs.1.clear();
            }
        }
        self.facts.stores.rows_mut(&lease.migration, Side::Target, &lease.key).clear();
        self.guard(lease, None);
        self.rows_changed(lease);
        Ok(())
    }

    fn guard(&mut self, lease: &Lease, after: Option<Guard>) {
        let before = self.facts.stores.set_guard(lease, after);
        let (migration, key) = place(lease);
        self.emit(Event::Guarded { migration, key, before, after, by: lease.clone() });
    }

    fn rows_changed(&mut self, lease: &Lease) {
        let (migration, key) = place(lease);
        self.emit(Event::RowsChanged { migration, side: Side::Target, key, by: Hand::Engine(lease.clone()) });
    }
}
