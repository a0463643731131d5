//! Transactions of the application's clients, and what the triggers do with their writes.

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::ports::Side;
use mover_actors::protocol::{Mode, Standing};

use super::super::clients::{Admitted, Change, Isolation};
use super::super::event::{Event, Hand};
use super::super::world::{InjectedBug, WorldGuard};
use super::Entry;
use super::transactions::Held;

/// Which transaction of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(u64);

/// What came of a try to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// The row is written; what is left is the commit.
    Written,
    /// Somebody holds a lock: the client waits.
    Waits,
    /// The store has ended the transaction with an error: the org is elsewhere, or moves.
    Refused,
}

/// A transaction that writes, or will.
#[derive(Debug)]
pub(super) struct Writer {
    /// Whether it has begun to write: then it holds a writer's lock on the tables.
    is_writing: bool,
    admitted: Admitted,
    change: Change,
    isolation: Isolation,
    /// Where the org stood when the transaction began.
    stood: Option<Standing>,
    shares_lock: bool,
    shares_row: bool,
    is_logged: bool,
}

impl Writer {
    pub(super) fn side(&self) -> Side {
        self.admitted.side
    }

    fn is_about(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> bool {
        self.admitted.side == side && self.admitted.key == *key && self.admitted.migration == *migration
    }

    pub(super) fn shares_lock(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> bool {
        self.shares_lock && self.is_about(migration, side, key)
    }

    pub(super) fn shares_row(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> bool {
        self.shares_row && self.is_about(migration, side, key)
    }
}

impl WorldGuard<'_> {
    pub(in super::super) fn begin_write(
        &mut self,
        admitted: Admitted,
        change: Change,
        isolation: Isolation,
    ) -> WriteId {
        let stores = &mut self.facts.stores;
        let id = WriteId(stores.next_number());
        let stood = stores.standing(&admitted.migration, admitted.side, &admitted.key);
        let writer = Writer {
            is_writing: false,
            admitted,
            change,
            isolation,
            stood,
            shares_lock: false,
            shares_row: false,
            is_logged: false,
        };
        stores.writers.insert(id, writer);
        id
    }

    /// Writes the row, as far as the trigger lets it.
    pub(in super::super) fn try_write(&mut self, id: WriteId) -> Tried {
        self.end_lost_sessions();
        let Some(writer) = self.facts.stores.writers.get_mut(&id) else { return Tried::Refused };
        writer.is_writing = true;
        let Admitted { migration, key, side } = writer.admitted.clone();
        let (isolation, stood) = (writer.isolation, writer.stood);
        let is_watched = self.facts.stores.place(&migration, side).is_some_and(|place| place.watched.contains(&key));
        if !is_watched {
            return Tried::Written;
        }
        let tried = match isolation {
            Isolation::Latest => self.try_with_latest(id, (&migration, side, &key)),
            Isolation::Snapshot => self.try_with_snapshot(id, (&migration, side, &key), stood),
        };
        if tried == Tried::Refused {
            self.facts.stores.writers.remove(&id);
        }
        tried
    }

    fn try_with_latest(&mut self, id: WriteId, org: (&MigrationName, Side, &OrgKey)) -> Tried {
        if is_settled(self.facts.stores.standing(org.0, org.1, org.2)) {
            return Tried::Written;
        }
        if !self.share_lock(id, org) {
            return Tried::Waits;
        }
        // It may have waited while the org was switched.
        self.admit(id, self.facts.stores.standing(org.0, org.1, org.2))
    }

    /// The row is read so that a change since the snapshot is an error, and that none is made until the writer ends.
    fn try_with_snapshot(
        &mut self,
        id: WriteId,
        org: (&MigrationName, Side, &OrgKey),
        stood: Option<Standing>,
    ) -> Tried {
        if !is_settled(stood) && !self.share_lock(id, org) {
            return Tried::Waits;
        }
        if !self.is_row_free(None, org, Held::Shared) {
            return Tried::Waits;
        }
        let stands = self.facts.stores.standing(org.0, org.1, org.2);
        if stands != stood {
            return Tried::Refused;
        }
        self.writer(id, |writer| writer.shares_row = true);
        self.admit(id, stands)
    }

    fn admit(&mut self, id: WriteId, stands: Option<Standing>) -> Tried {
        match stands.map(|stands| stands.mode) {
            None | Some(Mode::Settled) => Tried::Written,
            Some(Mode::Capturing) => {
                let forgets = self.facts.has_injected_bug(InjectedBug::ForgetToLog) && id.0.is_multiple_of(3);
                self.writer(id, |writer| writer.is_logged = !forgets);
                Tried::Written
            }
            Some(Mode::Moved | Mode::Incoming | Mode::Discarded) => Tried::Refused,
        }
    }

    fn share_lock(&mut self, id: WriteId, (migration, side, key): (&MigrationName, Side, &OrgKey)) -> bool {
        let has_it = self.facts.stores.writers.get(&id).is_some_and(|writer| writer.shares_lock);
        if !has_it && !self.can_share_lock(migration, side, key) {
            return false;
        }
        self.writer(id, |writer| writer.shares_lock = true);
        true
    }

    fn writer(&mut self, id: WriteId, change: impl FnOnce(&mut Writer)) {
        if let Some(writer) = self.facts.stores.writers.get_mut(&id) {
            change(writer);
        }
    }

    /// Answers whether it is committed: a store that was started again knows nothing of it.
    pub(in super::super) fn commit_write(&mut self, id: WriteId) -> bool {
        let Some(writer) = self.facts.stores.writers.remove(&id) else { return false };
        let Admitted { migration, key, side } = writer.admitted;
        let committed = self.facts.stores.next_number();
        let (table, row) = writer.change.place();
        let place = self.facts.stores.place_mut(&migration, side);
        writer.change.apply(place.rows.entry(key.clone()).or_default());
        place.written.entry(key.clone()).or_default().insert((table, row), committed);
        if writer.is_logged {
            place.log.push(Entry { key: key.clone(), table, id: row, committed });
        }
        self.emit(Event::RowsChanged { migration, side, key, by: Hand::Client(writer.change) });
        true
    }

    pub(in super::super) fn roll_back_write(&mut self, id: WriteId) {
        self.facts.stores.writers.remove(&id);
    }

    /// The transactions that are writing to a migration's tables now.
    pub(in super::super) fn writers(&self, migration: &MigrationName, side: Side) -> Vec<WriteId> {
        let writers = self.facts.stores.writers.iter();
        let there = |writer: &Writer| {
            writer.is_writing && writer.admitted.side == side && writer.admitted.migration == *migration
        };
        writers.filter(|(_, writer)| there(writer)).map(|(id, _)| *id).collect()
    }

    /// Lets the triggers look at what is written of an org.
    pub(in super::super) fn watch_org(&mut self, migration: &MigrationName, side: Side, key: &OrgKey) {
        self.facts.stores.place_mut(migration, side).watched.insert(key.clone());
    }

    /// Whether there is room for what is written.
    pub(in super::super) fn keeps_changes(&self, side: Side) -> bool {
        self.facts.stores.keeps_changes[super::number(side)]
    }

    /// Makes it.
    pub(in super::super) fn keep_changes(&mut self, side: Side) {
        self.facts.stores.keeps_changes[super::number(side)] = true;
    }
}

impl super::StoreFacts {
    /// Whether the transaction has not ended.
    pub(in super::super) fn is_writing(&self, id: WriteId) -> bool {
        self.writers.contains_key(&id)
    }
}

fn is_settled(stands: Option<Standing>) -> bool {
    stands.is_none_or(|stands| stands.mode == Mode::Settled)
}
