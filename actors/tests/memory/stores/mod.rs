//! The stores as servers: each migration has tables of its own in the source and in the target.

mod advisory;
mod fault;
mod guards;
mod pieces;
mod rows;
mod sessions;
mod snapshots;
mod transactions;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey};
use mover_actors::ports::Side;
use mover_actors::protocol::{Cohort, Mode, Standing};
use tokio::time::Instant;

pub use rows::{Row, TABLES};
pub use writers::{Tried, WriteId};

pub(super) use fault::Fault;
pub(super) use guards::Requested;
pub(super) use rows::{from_values, hash_of, part_of, tally_of_rows, to_values};
pub(super) use sessions::{Ends, SessionId};
pub(super) use snapshots::Snapshot;
pub(super) use transactions::{is_among, migration_of};

use pieces::Noted;
use sessions::SessionFacts;
use writers::Writer;

/// The size of the largest cohorts that are counted.
const COHORT_MAX: usize = 6;

/// What all stores hold.
#[derive(Debug, Default)]
pub struct StoreFacts {
    places: BTreeMap<MigrationName, [Place; 2]>,
    sessions: BTreeMap<SessionId, SessionFacts>,
    writers: BTreeMap<WriteId, Writer>,
    /// How often each store was started again.
    lives: [u64; 2],
    backups: BTreeMap<PathBuf, BackupFile>,
    /// Whether each store has room for what is written.
    keeps_changes: [bool; 2],
    /// How many cohorts of each size, from 1, became live or moved away.
    cohorts: [u64; COHORT_MAX],
    pieces_copied: u64,
    numbers: u64,
}

/// A backup of an org.
#[derive(Debug, Clone)]
pub(super) struct BackupFile {
    pub(super) of: (MigrationName, OrgKey),
    /// Under which the org was backed up.
    pub(super) epoch: Epoch,
    pub(super) sum: String,
    pub(super) rows: Vec<Row>,
    /// The tables of which the other store had rows.
    pub(super) live: BTreeSet<String>,
}

/// The tables of one migration in one store, and what Mover keeps beside them.
#[derive(Debug, Default)]
struct Place {
    rows: BTreeMap<OrgKey, Vec<Row>>,
    written: BTreeMap<OrgKey, Written>,
    standings: BTreeMap<OrgKey, Standing>,
    /// Since when orgs have been `moved`.
    left_at: BTreeMap<OrgKey, Instant>,
    log: Vec<Entry>,
    /// Orgs whose writes the triggers look at.
    watched: BTreeSet<OrgKey>,
    pieces: BTreeMap<OrgKey, Vec<Noted>>,
}

/// Which commit last wrote each row, by its table and key. A row that is not here was there before all commits; some are gone.
type Written = BTreeMap<(usize, u64), u64>;

/// One key in the log of what is written.
#[derive(Debug, Clone)]
struct Entry {
    key: OrgKey,
    table: usize,
    id: u64,
    /// When it was committed, among all commits.
    committed: u64,
}

impl StoreFacts {
    /// An org's rows, sorted.
    pub fn rows(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> Vec<Row> {
        let mut rows = self.rows_unsorted(migration, side, key).to_vec();
        rows.sort_unstable();
        rows
    }

    /// Whether an org's rows are these; `sorted` is sorted.
    pub fn has_rows(&self, migration: &MigrationName, side: Side, key: &OrgKey, sorted: &[Row]) -> bool {
        let rows = self.rows_unsorted(migration, side, key);
        rows.len() == sorted.len() && rows.iter().all(|row| sorted.binary_search(row).is_ok())
    }

    /// An org's rows, to be changed.
    pub fn rows_mut(&mut self, migration: &MigrationName, side: Side, key: &OrgKey) -> &mut Vec<Row> {
        self.place_mut(migration, side).rows.entry(key.clone()).or_default()
    }

    /// Where an org stands in a store.
    pub fn standing(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> Option<Standing> {
        self.place(migration, side)?.standings.get(key).copied()
    }

    /// When an org left a store; nothing unless it has moved away from there.
    pub fn left_at(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> Option<Instant> {
        let is_gone = self.standing(migration, side, key).is_some_and(|found| found.mode == Mode::Moved);
        self.place(migration, side).filter(|_| is_gone)?.left_at.get(key).copied()
    }

    /// What was written to a file of an org's rows in the source.
    pub fn backup(&self, migration: &MigrationName, key: &OrgKey) -> Option<&[Row]> {
        let of_org = self.backups.values().filter(|file| (&file.of.0, &file.of.1) == (migration, key));
        of_org.max_by_key(|file| file.epoch).map(|file| file.rows.as_slice())
    }

    /// A backup, by its path.
    pub(super) fn backup_at(&self, path: &Path) -> Option<BackupFile> {
        self.backups.get(path).cloned()
    }

    /// How many cohorts of each size, from 1, became live or moved away.
    pub fn cohorts(&self) -> [u64; COHORT_MAX] {
        self.cohorts
    }

    /// How many pieces of large orgs were copied.
    pub fn pieces_copied(&self) -> u64 {
        self.pieces_copied
    }

    fn count_cohort(&mut self, cohort: &Cohort) {
        self.cohorts[cohort.leases().len().min(COHORT_MAX) - 1] += 1;
    }

    /// How often a store was started again.
    pub(super) fn life(&self, side: Side) -> u64 {
        self.lives[number(side)]
    }

    pub(super) fn keep_backup(&mut self, path: PathBuf, file: BackupFile) {
        self.backups.insert(path, file);
    }

    fn rows_unsorted(&self, migration: &MigrationName, side: Side, key: &OrgKey) -> &[Row] {
        let rows = self.place(migration, side).and_then(|place| place.rows.get(key));
        rows.map_or(&[], Vec::as_slice)
    }

    fn place(&self, migration: &MigrationName, side: Side) -> Option<&Place> {
        self.places.get(migration).map(|sides| &sides[number(side)])
    }

    fn place_mut(&mut self, migration: &MigrationName, side: Side) -> &mut Place {
        if !self.places.contains_key(migration) {
            self.places.insert(migration.clone(), Default::default());
        }
        let sides = self.places.get_mut(migration).expect("it was just put there");
        &mut sides[number(side)]
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

fn number(side: Side) -> usize {
    match side {
        Side::Source => 0,
        Side::Target => 1,
    }
}
