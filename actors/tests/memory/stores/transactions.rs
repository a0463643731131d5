//! Transactions of Mover that write: nothing of them is seen before they are committed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::record::Lease;
use mover_actors::ports::Side;
use mover_actors::protocol::{Cohort, RowKeys, Standing};

use super::super::event::{Event, Hand};
use super::super::world::{InjectedBug, WorldGuard};
use super::Place;
use super::fault::Fault;
use super::pieces::{self, PieceChange};
use super::rows::Row;
use super::sessions::SessionId;

/// An open transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) migration: MigrationName,
    leases: BTreeMap<OrgKey, Lease>,
    changes: Vec<Change>,
    /// Guard rows that nobody else may change, or none but those who share them.
    pub(super) rows_held: Vec<(OrgKey, Held)>,
    pub(super) idle_max: Option<Duration>,
}

/// How a guard row is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Held {
    Alone,
    Shared,
}

#[derive(Debug)]
pub(super) enum Change {
    Remove(OrgKey, Row),
    Insert(OrgKey, Row),
    Stand(OrgKey, Standing),
    Piece(OrgKey, PieceChange),
    /// What a store with an injected bug does.
    RemoveEverything,
}

impl Transaction {
    fn changes_of<'a>(&'a self, key: &'a OrgKey) -> impl Iterator<Item = &'a Change> {
        self.changes.iter().filter(move |change| change.is_about(key))
    }
}

impl Change {
    fn is_about(&self, key: &OrgKey) -> bool {
        match self {
            Change::Remove(of, _) | Change::Insert(of, _) | Change::Stand(of, _) | Change::Piece(of, _) => of == key,
            Change::RemoveEverything => false,
        }
    }
}

impl WorldGuard<'_> {
    pub(in super::super) fn begin(
        &mut self,
        id: SessionId,
        cohort: &Cohort,
        idle_max: Option<Duration>,
    ) -> Result<(), Fault> {
        let session = self.session(id)?;
        let leases = cohort.leases().iter().map(|lease| (lease.key.clone(), lease.clone())).collect();
        let migration = migration_of(cohort).clone();
        if session.transaction.is_none() {
            let (changes, rows_held) = (Vec::new(), Vec::new());
            session.transaction = Some(Transaction { migration, leases, changes, rows_held, idle_max });
            return Ok(());
        }
        // A request that waits for a guard row comes here again and again.
        match session.transaction.as_ref().is_some_and(|open| open.rows_held.is_empty() && open.changes.is_empty()) {
            true => Ok(()),
            false => Err(Fault::refused("there is already a transaction in progress")),
        }
    }

    /// Ends the transaction. One in which a statement has failed is rolled back, and that is no error.
    pub(in super::super) fn commit(&mut self, id: SessionId) -> Result<(), Fault> {
        let is_aborted = self.end_aborted(id)?;
        let session = self.session(id)?;
        let side = session.side;
        match session.transaction.take() {
            Some(transaction) if !is_aborted => self.apply(side, transaction),
            _ => {}
        }
        Ok(())
    }

    pub(in super::super) fn roll_back(&mut self, id: SessionId) -> Result<(), Fault> {
        self.end_aborted(id)?;
        self.session(id)?.transaction = None;
        Ok(())
    }

    /// Org after org, so that whoever watches sees whose rows change.
    fn apply(&mut self, side: Side, transaction: Transaction) {
        let Transaction { migration, leases, mut changes, .. } = transaction;
        for (key, by) in leases {
            let of_org =
                changes.extract_if(.., |change| change.is_about(&key) || matches!(change, Change::RemoveEverything));
            let of_org: Vec<Change> = of_org.collect();
            self.apply_to(side, &migration, by, of_org);
        }
    }

    fn apply_to(&mut self, side: Side, migration: &MigrationName, by: Lease, changes: Vec<Change>) {
        let on_top = self.facts.has_injected_bug(InjectedBug::CopyOnTop);
        let (mut is_rewritten, mut stood) = (false, None);
        let committed = self.facts.stores.next_number();
        for change in changes {
            let place = self.facts.stores.place_mut(migration, side);
            match change {
                Change::Remove(key, row) => {
                    remove(place, &key, &row);
                    is_rewritten = true;
                }
                Change::Insert(key, row) => {
                    if !on_top {
                        remove(place, &key, &row);
                    }
                    place.written.entry(key.clone()).or_default().insert((row.table_number(), row.id), committed);
                    place.rows.entry(key).or_default().push(row);
                    is_rewritten = true;
                }
                Change::Stand(key, after) => {
                    let before = place.standings.insert(key, after);
                    let (first, _) = stood.unwrap_or((before, after));
                    stood = Some((first, after));
                }
                Change::Piece(key, change) => {
                    let is_copied = matches!(change, PieceChange::Done(..));
                    pieces::apply(&mut place.pieces, key, change);
                    self.facts.stores.pieces_copied += u64::from(is_copied);
                }
                Change::RemoveEverything => {
                    for side in [Side::Source, Side::Target] {
                        self.facts.stores.place_mut(migration, side).rows.clear();
                    }
                }
            }
        }
        let (migration, key) = (migration.clone(), by.key.clone());
        if let Some((before, after)) = stood.filter(|(before, after)| *before != Some(*after)) {
            let (migration, key, by) = (migration.clone(), key.clone(), by.clone());
            self.emit(Event::Stands { migration, side, key, before, after, by });
        }
        if is_rewritten {
            self.emit(Event::RowsChanged { migration, side, key, by: Hand::Engine(by) });
        }
    }

    pub(super) fn change(&mut self, id: SessionId, change: Change) -> Result<(), Fault> {
        let no_transaction = || Fault::refused("there is no transaction");
        self.session(id)?.transaction.as_mut().ok_or_else(no_transaction)?.changes.push(change);
        Ok(())
    }

    pub(super) fn hold_row(&mut self, id: SessionId, key: &OrgKey, held: Held) -> Result<(), Fault> {
        let no_transaction = || Fault::refused("there is no transaction");
        let transaction = self.session(id)?.transaction.as_mut().ok_or_else(no_transaction)?;
        transaction.rows_held.push((key.clone(), held));
        Ok(())
    }

    /// An org's rows as the session sees them: those of its open snapshot, or else what is committed and what it has written itself.
    pub(in super::super) fn rows_seen(&self, id: SessionId, migration: &MigrationName, key: &OrgKey) -> Vec<Row> {
        let Some(session) = self.facts.stores.sessions.get(&id) else { return Vec::new() };
        if let Some(snapshot) = &session.snapshot {
            return snapshot.rows.get(key).cloned().unwrap_or_default();
        }
        let mut rows = self.facts.stores.rows(migration, session.side, key);
        let Some(open) = session.transaction.as_ref().filter(|open| open.migration == *migration) else { return rows };
        for change in open.changes_of(key) {
            match change {
                Change::Remove(_, gone) => rows.retain(|row| (row.table, row.id) != (gone.table, gone.id)),
                Change::Insert(_, new) => rows.push(*new),
                Change::Stand(..) | Change::Piece(..) | Change::RemoveEverything => {}
            }
        }
        rows.sort_unstable();
        rows
    }

    /// Where an org stands as the session sees it now.
    pub(super) fn standing_seen(&self, id: SessionId, migration: &MigrationName, key: &OrgKey) -> Option<Standing> {
        let session = self.facts.stores.sessions.get(&id)?;
        let changed = session.transaction.as_ref().and_then(|open| {
            let stands = open.changes_of(key).filter_map(|change| match change {
                Change::Stand(_, standing) => Some(*standing),
                _ => None,
            });
            stands.last()
        });
        changed.or_else(|| self.facts.stores.standing(migration, session.side, key))
    }

    pub(in super::super) fn remove_rows(
        &mut self,
        id: SessionId,
        cohort: &Cohort,
        wanted: impl Fn(&Row) -> bool,
    ) -> Result<(), Fault> {
        for lease in cohort.leases() {
            let rows = self.rows_seen(id, &lease.migration, &lease.key);
            for row in rows.into_iter().filter(|row| wanted(row)) {
                self.change(id, Change::Remove(lease.key.clone(), row))?;
            }
        }
        Ok(())
    }

    pub(in super::super) fn remove_everything(&mut self, id: SessionId) -> Result<(), Fault> {
        self.change(id, Change::RemoveEverything)
    }

    /// Writes rows; one that is there already is an error, unless the store has an injected bug.
    pub(in super::super) fn insert_rows(&mut self, id: SessionId, rows: &[(OrgKey, Row)]) -> Result<(), Fault> {
        let open = self.session(id)?.transaction.as_ref();
        let migration = open.ok_or_else(|| Fault::refused("there is no transaction"))?.migration.clone();
        let mut seen: HashMap<&OrgKey, Vec<Row>> = HashMap::new();
        for (key, row) in rows {
            let there = seen.entry(key).or_insert_with(|| self.rows_seen(id, &migration, key));
            let is_there = there.iter().any(|other| (other.table, other.id) == (row.table, row.id));
            if is_there && !self.facts.has_injected_bug(InjectedBug::CopyOnTop) {
                return Err(Fault::refused(format!("duplicate key {} in table {}", row.id, row.table)));
            }
            there.push(*row);
            self.change(id, Change::Insert(key.clone(), *row))?;
        }
        Ok(())
    }
}

fn remove(place: &mut Place, key: &OrgKey, row: &Row) {
    if let Some(rows) = place.rows.get_mut(key) {
        rows.retain(|other| (other.table, other.id) != (row.table, row.id));
    }
}

/// The migration of a cohort.
pub(in super::super) fn migration_of(cohort: &Cohort) -> &MigrationName {
    &cohort.leases().first().expect("a cohort is never empty").migration
}

/// Whether a row has one of the keys.
pub(in super::super) fn is_among(keys: &RowKeys, row: &Row) -> bool {
    keys.of(row.table_number()).any(|key| key.first().is_some_and(|text| *text == row.id.to_string()))
}
