//! Counts and hashes from the time of the copy, so that rows need not be read once more to be compared. They are valid for the
//! leaving store as long as no row was written since the snapshot that the copy read.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};

use crate::domain::ids::{Epoch, MigrationName, OrgKey};
use crate::domain::record::Lease;
use crate::domain::verified::{TableTally, Tally};
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::fingerprint::Basis;
use super::store::{Batch, Reader, Rows, Seen, Since};
use super::turns::Pace;

/// More than are ever in flight. Forgetting one only costs time.
const STREAMS_MAX: usize = 10_000;

/// The rows of one org as they were read.
#[derive(Debug, Clone)]
pub(super) struct Streamed {
    epoch: Epoch,
    basis: Arc<Basis>,
    /// What the snapshot saw.
    seen: Seen,
    /// Rows and the sum of their hashes, by the number of the table.
    tables: BTreeMap<usize, (i64, i128)>,
}

/// Counts and hashes rows on their way, org by org.
#[derive(Debug, Default)]
pub(super) struct Counting(Mutex<BTreeMap<(usize, usize), (i64, i128)>>);

impl Counting {
    /// The same rows, counted as they pass. Between two batches switches go first.
    pub(super) fn over<'a>(&'a self, rows: Rows<'a>, pace: Pace) -> Rows<'a> {
        let paced = stream::unfold((rows, pace), async |(mut rows, mut pace)| {
            pace.let_pass().await;
            Some((rows.next().await?, (rows, pace)))
        });
        Box::pin(paced.inspect(|batch| {
            if let Ok(batch) = batch {
                self.add(batch);
            }
        }))
    }

    fn add(&self, batch: &Batch) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &batch.tallied {
            let (rows, hash) = counted.entry((part.org, batch.table)).or_default();
            (*rows, *hash) = (*rows + part.rows, *hash + part.hash);
        }
    }

    fn of_org(&self, org: usize) -> BTreeMap<usize, (i64, i128)> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.range((org, 0)..=(org, usize::MAX)).map(|((_, table), sums)| (*table, *sums)).collect()
    }
}

/// The streamed tallies of this process.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<HashMap<(MigrationName, OrgKey), Arc<Streamed>>>);

impl Streams {
    /// Keeps the tallies of a cohort, once it is copied.
    pub(super) fn keep(&self, cohort: &Cohort, counting: &Counting, seen: &Seen, basis: &Arc<Basis>) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() + cohort.leases().len() > STREAMS_MAX {
            streams.clear();
        }
        for (org, lease) in cohort.leases().iter().enumerate() {
            let tables = counting.of_org(org);
            let streamed = Streamed { epoch: lease.epoch, basis: basis.clone(), seen: seen.clone(), tables };
            streams.insert((lease.migration.clone(), lease.key.clone()), Arc::new(streamed));
        }
    }

    /// Forgets the tallies of orgs: they have served, or are outdated.
    pub(super) fn forget(&self, cohort: &Cohort) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for lease in cohort.leases() {
            streams.remove(&(lease.migration.clone(), lease.key.clone()));
        }
    }

    fn of(&self, lease: &Lease, basis: &Basis) -> Option<Arc<Streamed>> {
        let streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = streams.get(&(lease.migration.clone(), lease.key.clone()))?;
        (found.epoch == lease.epoch && found.basis.is_same(basis)).then(|| found.clone())
    }

    /// The tallies in the leaving store of the orgs without a row that was written since they were copied. `from` looks for
    /// such rows in one snapshot, or in the one that is open. `labels` are the names of the tables by their numbers.
    pub(super) async fn still_true(
        &self,
        from: &dyn Reader,
        cohort: &Cohort,
        basis: &Basis,
        labels: &[String],
    ) -> Result<HashMap<OrgKey, Tally>, EngineError> {
        let known: HashMap<&OrgKey, Arc<Streamed>> =
            cohort.leases().iter().filter_map(|lease| Some((&lease.key, self.of(lease, basis)?))).collect();
        let mut true_still = HashMap::with_capacity(known.len());
        // Orgs that were copied together were read from the same snapshot: there are one or a few of those.
        let mut rest: Vec<&OrgKey> = known.keys().copied().collect();
        while let Some(seen) = rest.first().and_then(|key| known.get(*key)).map(|streamed| streamed.seen.clone()) {
            let is_of_it = |key: &&OrgKey| known.get(*key).is_some_and(|streamed| streamed.seen == seen);
            let (of_it, others): (Vec<&OrgKey>, Vec<&OrgKey>) = rest.into_iter().partition(is_of_it);
            rest = others;
            let Some(part) = cohort.only(|lease| of_it.contains(&&lease.key)) else { continue };
            for (key, found) in from.tally_since(&part, &seen).await? {
                let tally = known.get(&key).and_then(|streamed| streamed.tally(labels, &found));
                true_still.extend(tally.map(|tally| (key, tally)));
            }
        }
        Ok(true_still)
    }
}

impl Streamed {
    /// The tally, given what was `found` since; `None` if a table had another number of rows: a deleted row leaves no other trace.
    fn tally(&self, labels: &[String], found: &BTreeMap<usize, Since>) -> Option<Tally> {
        let of_table = |(number, label): (usize, &String)| {
            let (rows, hash) = self.tables.get(&number).copied().unwrap_or_default();
            let tally = match found.get(&number) {
                Some(Since::Tallied(tally)) => tally.clone(),
                Some(Since::Unwritten(now)) if *now == rows => TableTally { rows, hash: hash.to_string() },
                None if rows == 0 => TableTally { rows, hash: hash.to_string() },
                _ => return None,
            };
            Some((label.clone(), tally))
        };
        labels.iter().enumerate().map(of_table).collect::<Option<_>>().map(Tally)
    }
}
