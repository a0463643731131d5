//! Snapshots, and the log of what is written as they have it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::ports::Side;
use mover_actors::protocol::store::{Logged, Seen, Since};
use mover_actors::protocol::{Cohort, Mode, RowKeys, Standing};

use super::super::world::WorldGuard;
use super::fault::Fault;
use super::rows::{Row, TABLES};
use super::sessions::SessionId;
use super::transactions::migration_of;
use super::{Entry, Written};

/// What a store held of some orgs at one instant.
#[derive(Debug)]
pub(in super::super) struct Snapshot {
    pub(in super::super) rows: HashMap<OrgKey, Vec<Row>>,
    written: HashMap<OrgKey, Written>,
    standings: HashMap<OrgKey, Standing>,
    log: Vec<Entry>,
    /// All commits up to this one are seen.
    seen: u64,
}

impl Snapshot {
    /// What the log said.
    pub(in super::super) fn logged(&self) -> Logged {
        let mut by_org: BTreeMap<OrgKey, RowKeys> = BTreeMap::new();
        for entry in &self.log {
            let keys = by_org.entry(entry.key.clone()).or_insert_with(|| RowKeys::none(TABLES.len()));
            keys.add(entry.table, vec![entry.id.to_string()], false);
        }
        Logged { standings: self.standings.clone(), by_org, seen: self.seen() }
    }

    /// All that it sees.
    pub(in super::super) fn seen(&self) -> Seen {
        Seen(self.seen.to_string())
    }

    /// The orgs none of whose rows was written after another snapshot, with the number of their rows in each table.
    pub(in super::super) fn tally_since(&self, seen: &Seen) -> HashMap<OrgKey, BTreeMap<usize, Since>> {
        let mut unwritten = HashMap::new();
        for (key, rows) in &self.rows {
            let written = self.written.get(key);
            let is_newer = |row: &Row| {
                let committed = written.and_then(|written| written.get(&(row.table_number(), row.id)));
                committed.is_some_and(|committed| *committed > last_of(seen))
            };
            if rows.iter().any(is_newer) {
                continue;
            }
            let mut of_tables = BTreeMap::new();
            rows.iter().for_each(|row| *of_tables.entry(row.table_number()).or_default() += 1);
            unwritten.insert(
                key.clone(),
                of_tables.into_iter().map(|(table, rows)| (table, Since::Unwritten(rows))).collect(),
            );
        }
        unwritten
    }
}

/// The last commit that a snapshot sees. One without any standing has seen nothing.
fn last_of(seen: &Seen) -> u64 {
    seen.0.parse().unwrap_or_default()
}

fn has_seen(seen: &Seen, entry: &Entry) -> bool {
    entry.committed <= last_of(seen)
}

impl WorldGuard<'_> {
    /// What a store holds of these orgs now.
    pub(in super::super) fn snapshot_now(&self, side: Side, cohort: &Cohort) -> Snapshot {
        let migration = migration_of(cohort);
        let stores = &self.facts.stores;
        let keys = || cohort.leases().iter().map(|lease| &lease.key);
        let standing = |key: &OrgKey| Some((key.clone(), stores.standing(migration, side, key)?));
        let place = stores.place(migration, side);
        let written = |key: &OrgKey| Some((key.clone(), place?.written.get(key)?.clone()));
        let log = place.map_or(&[][..], |place| &place.log);
        Snapshot {
            written: keys().filter_map(written).collect(),
            rows: keys().map(|key| (key.clone(), stores.rows(migration, side, key))).collect(),
            standings: keys().filter_map(standing).collect(),
            log: log.iter().filter(|entry| cohort.lease(entry.key.as_str()).is_some()).cloned().collect(),
            seen: stores.numbers,
        }
    }

    /// Takes a snapshot that stays open.
    pub(in super::super) fn take_snapshot(&mut self, id: SessionId, cohort: &Cohort) -> Result<Logged, Fault> {
        let side = self.session(id)?.side;
        let snapshot = Arc::new(self.snapshot_now(side, cohort));
        let logged = snapshot.logged();
        self.session(id)?.snapshot = Some(snapshot);
        Ok(logged)
    }

    pub(in super::super) fn snapshot(&mut self, id: SessionId) -> Result<Arc<Snapshot>, Fault> {
        let open = self.session(id)?.snapshot.clone();
        open.ok_or_else(|| Fault::refused("there is no snapshot"))
    }

    /// The snapshot that is open, or one of this instant.
    pub(in super::super) fn snapshot_or_now(&mut self, id: SessionId, cohort: &Cohort) -> Result<Arc<Snapshot>, Fault> {
        let session = self.session(id)?;
        let side = session.side;
        match session.snapshot.clone() {
            Some(open) => Ok(open),
            None => Ok(Arc::new(self.snapshot_now(side, cohort))),
        }
    }

    pub(in super::super) fn end_snapshot(&mut self, id: SessionId) -> Result<(), Fault> {
        self.end_aborted(id)?;
        let session = self.session(id)?;
        (session.snapshot, session.exported) = (None, None);
        Ok(())
    }

    pub(in super::super) fn export_snapshot(&mut self, id: SessionId) -> Result<String, Fault> {
        self.snapshot(id)?;
        let name = self.facts.stores.next_number().to_string();
        self.session(id)?.exported = Some(name.clone());
        Ok(name)
    }

    pub(in super::super) fn join_snapshot(&mut self, id: SessionId, name: &str) -> Result<(), Fault> {
        let mut sessions = self.facts.stores.sessions.values();
        let exporting = sessions.find(|session| session.exported.as_deref() == Some(name));
        let snapshot = exporting.and_then(|session| session.snapshot.clone());
        let unknown = || Fault::refused(format!("there is no snapshot {name}"));
        self.session(id)?.snapshot = Some(snapshot.ok_or_else(unknown)?);
        Ok(())
    }

    /// Logs keys as if their rows had been written.
    pub(in super::super) fn note_keys(&mut self, side: Side, lease: &Lease, table: usize, ids: &[u64]) {
        let found = self.facts.stores.standing(&lease.migration, side, &lease.key);
        if found.is_none_or(|found| found.mode != Mode::Capturing || found.epoch > lease.epoch) {
            return;
        }
        let committed = self.facts.stores.next_number();
        let entry = |id: &u64| Entry { key: lease.key.clone(), table, id: *id, committed };
        self.facts.stores.place_mut(&lease.migration, side).log.extend(ids.iter().map(entry));
    }

    /// Forgets what a snapshot has seen, unless somebody newer was here; answers how much has come since.
    pub(in super::super) fn forget_seen(&mut self, side: Side, cohort: &Cohort, seen: &Seen) -> i64 {
        let place = self.facts.stores.place_mut(migration_of(cohort), side);
        let standings = &place.standings;
        let is_ours = |lease: &Lease| standings.get(&lease.key).is_some_and(|found| found.epoch <= lease.epoch);
        let lease_of = |entry: &Entry| cohort.lease(entry.key.as_str());
        place.log.retain(|entry| !(has_seen(seen, entry) && lease_of(entry).is_some_and(is_ours)));
        let left = place.log.iter().filter(|entry| lease_of(entry).is_some() && !has_seen(seen, entry));
        i64::try_from(left.count()).expect("the log is short")
    }

    /// Whether something was logged that the snapshot has not seen.
    pub(super) fn has_unseen(&self, side: Side, cohort: &Cohort, seen: &Seen) -> bool {
        let log = self.facts.stores.place(migration_of(cohort), side).map_or(&[][..], |place| &place.log);
        log.iter().any(|entry| cohort.lease(entry.key.as_str()).is_some() && !has_seen(seen, entry))
    }

    /// Nothing of the org is left in the log.
    pub(super) fn forget_log(&mut self, side: Side, lease: &Lease) {
        self.facts.stores.place_mut(&lease.migration, side).log.retain(|entry| entry.key != lease.key);
    }
}
