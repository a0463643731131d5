//! The store that orgs leave, and sessions with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::ready;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::{BackedUp, EngineError, Side};
use mover_actors::protocol::store::{
    Batch, Capture, Content, Gate, Hold, Leaving, LeavingSession, LiveLeaving, Logged, Part, Ranges, Reader, Rows,
    Seen, Snapshot, Snapshotted, Tallied,
};
use mover_actors::protocol::{Cohort, Glance, Mode, Piece, RowKeys};

use super::super::stores::{Fault, Row, TABLES, hash_of, is_among, part_of, tally_of_rows, to_values};
use super::request::request;
use super::session::Session;
use super::{SESSIONS_MAX, Site};

const READING: &str = "reading the org";

/// The side that orgs leave.
pub(super) struct Leaves(pub(super) Site);

/// A session with it.
struct From {
    session: Session,
    site: Site,
}

impl Leaves {
    fn open(&self) -> From {
        From { session: self.0.session(), site: self.0.clone() }
    }
}

#[async_trait]
impl Leaving for Leaves {
    fn store(&self) -> &StoreName {
        &self.0.store
    }

    async fn must_know(&self, _: &Cohort) -> Result<(), EngineError> {
        Ok(())
    }

    async fn sizes(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, i64>, EngineError> {
        let (side, cohort) = (self.0.side, cohort.clone());
        request(&self.0.process, "sizes", self.0.doing("asking how big the orgs are"), move |scene| {
            let rows = |lease: &Lease| scene.facts.stores.rows(&lease.migration, side, &lease.key).len();
            Ok(cohort.leases().iter().map(|lease| (lease.key.clone(), count(rows(lease)))).collect())
        })
        .await
    }

    async fn drain(&self) -> Result<(), EngineError> {
        self.0.drain().await
    }

    async fn reader(&self) -> Result<Box<dyn Reader>, EngineError> {
        Ok(Box::new(self.open()))
    }
}

#[async_trait]
impl LiveLeaving for Leaves {
    async fn must_watch(&self) -> Result<(), EngineError> {
        self.0.must_watch().await
    }

    async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        self.0.watch(cohort).await
    }

    async fn session(&self) -> Result<Box<dyn LeavingSession>, EngineError> {
        Ok(Box::new(self.open()))
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        let (side, lease) = (self.0.side, lease.clone());
        request(&self.0.process, "back_up", self.0.doing("backing up the org"), move |scene| {
            let found = scene.facts.stores.standing(&lease.migration, side, &lease.key);
            if found.is_none_or(|found| found.mode != Mode::Moved || found.epoch > lease.epoch) {
                return Err(Fault::stands(found, &lease));
            }
            let rows = scene.facts.stores.rows(&lease.migration, side, &lease.key);
            let written = BackedUp { path: PathBuf::from(lease.key.as_str()), rows: count(rows.len()) };
            scene.facts.stores.keep_backup(&lease.migration, &lease.key, rows);
            Ok(written)
        })
        .await
    }

    fn sessions_max(&self) -> usize {
        SESSIONS_MAX
    }
}

impl From {
    /// Rows that were asked for: the first with the answer, more of them later, when the connection may be gone.
    fn on_their_way(&self, cohort: &Cohort, rows: Vec<(OrgKey, Row)>) -> Rows<'_> {
        let mut batches = Vec::new();
        for (table, label) in TABLES.iter().enumerate() {
            let of_table = || rows.iter().filter(|(_, row)| row.table == *label);
            let values: Vec<_> = of_table().map(|(key, row)| to_values(key, row)).collect();
            if !values.is_empty() {
                let (rows, tallied) = (count(values.len()), tallied(cohort, of_table()));
                batches.push(Batch { table, rows, content: Content::Values(values), tallied });
            }
        }
        Box::pin(stream::iter(batches.into_iter().enumerate()).then(move |(number, batch)| async move {
            if number > 0 {
                self.session.ask("more_rows", READING, |_, _| Ok(())).await?;
            }
            Ok(batch)
        }))
    }

    /// All rows of the cohort in the open snapshot that are wanted.
    async fn rows_in_snapshot(
        &self,
        method: &'static str,
        cohort: &Cohort,
        wanted: impl Fn(&Row) -> bool + Send + 'static,
    ) -> Result<Vec<(OrgKey, Row)>, EngineError> {
        let cohort = cohort.clone();
        self.session
            .ask(method, READING, move |scene, id| {
                let snapshot = scene.snapshot(id)?;
                let of =
                    |lease: &Lease| (lease.key.clone(), snapshot.rows.get(&lease.key).cloned().unwrap_or_default());
                let each = |(key, rows): (OrgKey, Vec<Row>)| rows.into_iter().map(move |row| (key.clone(), row));
                Ok(cohort.leases().iter().map(of).flat_map(each).filter(|(_, row)| wanted(row)).collect())
            })
            .await
    }
}

#[async_trait]
impl Reader for From {
    fn tallies_rows(&self) -> bool {
        true
    }

    async fn rows<'a>(&'a self, cohort: &'a Cohort) -> Result<Snapshotted<'a>, EngineError> {
        let (side, asked) = (self.site.side, cohort.clone());
        let rows = self.session.ask("rows", READING, move |scene, _| {
            let snapshot = scene.snapshot_now(side, &asked);
            let seen = snapshot.seen();
            let of = |(key, rows): (OrgKey, Vec<Row>)| rows.into_iter().map(move |row| (key.clone(), row));
            let mut rows: Vec<(OrgKey, Row)> = snapshot.rows.into_iter().flat_map(of).collect();
            rows.sort_unstable();
            Ok((rows, seen))
        });
        let (rows, seen) = rows.await?;
        Ok(Snapshotted { rows: self.on_their_way(cohort, rows), seen: Box::pin(ready(Ok(seen))) })
    }

    async fn unwritten_since(
        &self,
        cohort: &Cohort,
        seen: &Seen,
    ) -> Result<HashMap<OrgKey, BTreeMap<usize, i64>>, EngineError> {
        let (asked, seen) = (cohort.clone(), seen.clone());
        let what = "looking for rows that were written since they were copied";
        let unwritten = self.session.ask("unwritten_since", what, move |scene, id| {
            Ok(scene.snapshot_or_now(id, &asked)?.unwritten_since(&seen))
        });
        let mut unwritten = unwritten.await?;
        unwritten.retain(|key, _| cohort.lease(key.as_str()).is_some());
        Ok(unwritten)
    }

    async fn tally(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Tally>, EngineError> {
        let cohort = cohort.clone();
        self.session
            .ask("tally", "counting and hashing the org", move |scene, id| {
                let snapshot = scene.snapshot_or_now(id, &cohort)?;
                Ok(snapshot.rows.iter().map(|(key, rows)| (key.clone(), tally_of_rows(rows))).collect())
            })
            .await
    }

    async fn glance(&self) -> Result<Glance, EngineError> {
        self.site.glance(&self.session).await
    }

    fn release(self: Box<Self>) {
        self.session.release();
    }
}

#[async_trait]
impl Capture for From {
    async fn log(&self, cohort: &Cohort, _: Snapshot) -> Result<Logged, EngineError> {
        let cohort = cohort.clone();
        self.session.ask("log", "reading what was written", move |scene, id| scene.take_snapshot(id, &cohort)).await
    }

    async fn end_snapshot(&self) -> Result<(), EngineError> {
        self.session.end("end_snapshot", READING, |scene, id| scene.end_snapshot(id)).await
    }

    async fn rows_of<'a>(&'a self, cohort: &'a Cohort, keys: &'a RowKeys) -> Result<Rows<'a>, EngineError> {
        let asked = keys.clone();
        let rows = self.rows_in_snapshot("rows_of", cohort, move |row| is_among(&asked, row)).await?;
        Ok(self.on_their_way(cohort, rows))
    }

    async fn tally_of(&self, cohort: &Cohort, keys: &RowKeys) -> Result<BTreeMap<usize, TableTally>, EngineError> {
        let asked = keys.clone();
        let rows = self.rows_in_snapshot("tally_of", cohort, move |row| is_among(&asked, row)).await?;
        Ok(by_number(keys, &rows))
    }

    async fn hashes_of(
        &self,
        cohort: &Cohort,
        keys: &RowKeys,
        table: usize,
    ) -> Result<BTreeMap<String, i64>, EngineError> {
        let asked = keys.clone();
        let wanted = move |row: &Row| row.table_number() == table && is_among(&asked, row);
        let rows = self.rows_in_snapshot("hashes_of", cohort, wanted).await?;
        Ok(rows.iter().map(|(_, row)| (row.id.to_string(), hash_of(row))).collect())
    }

    async fn branches_of(&self, _: usize, _: &[Vec<String>]) -> Result<Vec<(usize, Vec<String>)>, EngineError> {
        Ok(Vec::new())
    }

    async fn hashes_in(&self, lease: &Lease, table: usize, part: Part) -> Result<HashMap<String, i64>, EngineError> {
        let cohort = Cohort::one(lease);
        self.session
            .ask("hashes_in", "looking for rows that differ", move |scene, id| {
                let snapshot = scene.snapshot_or_now(id, &cohort)?;
                let rows = snapshot.rows.values().flatten();
                let wanted = rows.filter(|row| row.table_number() == table && part_of(row, part));
                Ok(wanted.map(|row| (row.id.to_string(), hash_of(row))).collect())
            })
            .await
    }

    async fn note(&self, lease: &Lease, table: usize, keys: &[String]) -> Result<(), EngineError> {
        let (side, lease) = (self.site.side, lease.clone());
        let ids: Vec<u64> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        self.session
            .ask("note", "looking for rows that differ", move |scene, _| {
                scene.note_keys(side, &lease, table, &ids);
                Ok(())
            })
            .await
    }

    async fn refuse_lost(&self, _: &Cohort, _: Option<&RowKeys>) -> Result<(), EngineError> {
        Ok(())
    }

    async fn forget(&self, cohort: &Cohort, seen: &Seen) -> Result<i64, EngineError> {
        let (side, cohort, seen) = (self.site.side, cohort.clone(), seen.clone());
        let what = "forgetting what was carried over";
        self.session.ask("forget", what, move |scene, _| Ok(scene.forget_seen(side, &cohort, &seen))).await
    }
}

#[async_trait]
impl Gate for From {
    async fn rehearse(&self, _: &Cohort, wait: Duration) -> Result<(), EngineError> {
        self.session.ask("rehearse", "making ready for the switch", |_, _| Ok(())).await?;
        self.session.wait_at_most(wait);
        Ok(())
    }

    async fn try_lock(&self, lease: &Lease, hold: Hold) -> Result<bool, EngineError> {
        let lease = lease.clone();
        let locked = self.session.ask_within("try_lock", "keeping writers out", hold.wait, move |scene, id| {
            scene.end_when_idle(id, Some(hold.idle))?;
            scene.lock_alone(id, &lease.migration, &lease.key)
        });
        let is_locked = locked.await?.is_some();
        if !is_locked {
            self.session.stop_waiting();
        }
        Ok(is_locked)
    }

    async fn lock_free(&self, cohort: &Cohort, hold: Hold) -> Result<HashSet<OrgKey>, EngineError> {
        let cohort = cohort.clone();
        self.session
            .ask("lock_free", "keeping writers out", move |scene, id| {
                scene.end_when_idle(id, Some(hold.idle))?;
                let mut ours = HashSet::new();
                for lease in cohort.leases() {
                    if scene.lock_if_free(id, &lease.migration, &lease.key)? {
                        ours.insert(lease.key.clone());
                    }
                }
                Ok(ours)
            })
            .await
    }

    async fn in_the_way(&self, _: &Lease, waited: Duration) -> Result<EngineError, EngineError> {
        let what = "keeping writers out";
        self.session.ask("in_the_way", what, |_, _| Ok(())).await?;
        Ok(self.session.doing(what).refused(format!("not had within {waited:?}: a writer has not ended")))
    }

    async fn move_away(&self, cohort: &Cohort, seen: &Seen, has_snapshot: bool) -> Result<(), EngineError> {
        if has_snapshot {
            self.end_snapshot().await?;
        }
        let (cohort, seen) = (cohort.clone(), seen.clone());
        let what = "moving the org away";
        self.session.ask("move_away", what, move |scene, id| scene.move_away(id, &cohort, &seen)).await
    }

    async fn unlock(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        self.session
            .ask("unlock", "letting writers go on", move |scene, id| {
                cohort.leases().iter().try_for_each(|lease| scene.unlock(id, &lease.migration, &lease.key))
            })
            .await
    }

    async fn rest(&self) -> Result<(), EngineError> {
        self.session.ask("rest", "letting writers go on", |scene, id| scene.end_when_idle(id, None)).await?;
        self.session.wait_as_usual();
        Ok(())
    }
}

#[async_trait]
impl Ranges for From {
    async fn is_large(&self, cohort: &Cohort, rows: i64) -> Result<bool, EngineError> {
        let (side, cohort) = (self.site.side, cohort.clone());
        self.session
            .ask("is_large", "looking how big the org is", move |scene, _| {
                let snapshot = scene.snapshot_now(side, &cohort);
                let of = |rows: &Vec<Row>, table: &str| count(rows.iter().filter(|row| row.table == table).count());
                let is_large = |found: &Vec<Row>| TABLES.iter().any(|table| of(found, table) > rows);
                Ok(snapshot.rows.values().any(is_large))
            })
            .await
    }

    async fn export(&self) -> Result<String, EngineError> {
        self.session.ask("export", READING, |scene, id| scene.export_snapshot(id)).await
    }

    async fn cut(&self, lease: &Lease, rows: i64) -> Result<Vec<Piece>, EngineError> {
        let found = self.rows_in_snapshot("cut", &Cohort::one(lease), |_| true).await?;
        let rows_in_each = usize::try_from(rows.max(1)).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        for (table, label) in TABLES.iter().enumerate() {
            let mut ids: Vec<u64> =
                found.iter().filter(|(_, row)| row.table == *label).map(|(_, row)| row.id).collect();
            ids.sort_unstable();
            let last_of_each = ids.chunks(rows_in_each).filter_map(|chunk| chunk.last());
            let mut ends: Vec<Option<Vec<String>>> = last_of_each.map(|id| Some(vec![id.to_string()])).collect();
            // The last one is open: rows that come later belong to it.
            ends.pop();
            ends.push(None);
            let mut above = None;
            for (number, upto) in (0..).zip(ends) {
                let next = upto.clone();
                pieces.push(Piece { table, number, above, upto, is_done: false });
                above = next;
            }
        }
        Ok(pieces)
    }

    async fn join_snapshot(&self, name: &str) -> Result<(), EngineError> {
        let name = name.to_owned();
        self.session.ask("join_snapshot", READING, move |scene, id| scene.join_snapshot(id, &name)).await
    }

    async fn rows_in<'a>(&'a self, lease: &'a Lease, piece: &'a Piece) -> Result<Rows<'a>, EngineError> {
        let asked = piece.clone();
        let cohort = Cohort::one(lease);
        let rows = self.rows_in_snapshot("rows_in", &cohort, move |row| is_in(&asked, row)).await?;
        Ok(self.on_their_way(&cohort, rows))
    }
}

impl Site {
    pub(super) async fn must_watch(&self) -> Result<(), EngineError> {
        request(&self.process, "must_watch", self.doing("looking at the triggers"), |_| Ok(())).await
    }

    pub(super) async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let (side, cohort): (Side, Cohort) = (self.side, cohort.clone());
        request(&self.process, "watch", self.doing("letting the triggers look at the orgs"), move |scene| {
            cohort.leases().iter().for_each(|lease| scene.watch_org(&lease.migration, side, &lease.key));
            Ok(())
        })
        .await
    }
}

/// What rows of one table hold, org by org.
fn tallied<'a>(cohort: &Cohort, rows: impl Iterator<Item = &'a (OrgKey, Row)>) -> Vec<Tallied> {
    let mut by_org: BTreeMap<&OrgKey, (i64, i128)> = BTreeMap::new();
    for (key, row) in rows {
        let (count, sum) = by_org.entry(key).or_default();
        (*count, *sum) = (*count + 1, *sum + i128::from(hash_of(row)));
    }
    let of_org = |(org, lease): (usize, &Lease)| {
        let (rows, hash) = *by_org.get(&lease.key)?;
        Some(Tallied { org, rows, hash })
    };
    cohort.leases().iter().enumerate().filter_map(of_org).collect()
}

/// Whether a row is in a piece.
pub(super) fn is_in(piece: &Piece, row: &Row) -> bool {
    let end = |key: &Option<Vec<String>>| key.as_ref().and_then(|key| key.first()?.parse::<u64>().ok());
    row.table_number() == piece.table
        && end(&piece.above).is_none_or(|above| row.id > above)
        && end(&piece.upto).is_none_or(|upto| row.id <= upto)
}

/// The tallies of those tables of which there are keys.
pub(super) fn by_number(keys: &RowKeys, rows: &[(OrgKey, Row)]) -> BTreeMap<usize, TableTally> {
    let mut tally = tally_of_rows(rows.iter().map(|(_, row)| row));
    keys.tables().filter_map(|number| Some((number, tally.0.remove(TABLES[number])?))).collect()
}

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
