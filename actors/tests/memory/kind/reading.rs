//! Reading rows of orgs, and what was written of them.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::{
    Batch, Capture, Content, Logged, Reader, Rows, Seen, Since, Snapshot, Snapshotted, Tallied,
};
use mover_actors::protocol::{Cohort, RowKeys};

use super::super::stores::{Row, TABLES, hash_of, is_among, to_values};
use super::count;
use super::session::SiteSession;

const READING: &str = "reading the org";

impl SiteSession {
    /// Rows that were asked for: the first with the answer, more of them later, when the connection may be gone.
    pub(super) fn on_their_way(&self, cohort: &Cohort, rows: Vec<(OrgKey, Row)>) -> Rows<'_> {
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
                self.connection.ask("more_rows", READING, |_, _| Ok(())).await?;
            }
            Ok(batch)
        }))
    }

    /// All rows of the cohort in the open snapshot that are wanted.
    pub(super) async fn rows_in_snapshot(
        &self,
        method: &'static str,
        cohort: &Cohort,
        wanted: impl Fn(&Row) -> bool + Send + 'static,
    ) -> Result<Vec<(OrgKey, Row)>, EngineError> {
        let cohort = cohort.clone();
        self.connection
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
impl Reader for SiteSession {
    async fn rows<'a>(&'a self, cohort: &'a Cohort) -> Result<Snapshotted<'a>, EngineError> {
        let (side, asked) = (self.side, cohort.clone());
        let rows = self.connection.ask("rows", READING, move |scene, _| {
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

    async fn tally_since(
        &self,
        cohort: &Cohort,
        seen: &Seen,
    ) -> Result<HashMap<OrgKey, BTreeMap<usize, Since>>, EngineError> {
        let (asked, seen) = (cohort.clone(), seen.clone());
        let what = "looking for rows that were written since they were copied";
        let unwritten = self
            .connection
            .ask("tally_since", what, move |scene, id| Ok(scene.snapshot_or_now(id, &asked)?.tally_since(&seen)));
        let mut unwritten = unwritten.await?;
        unwritten.retain(|key, _| cohort.lease(key.as_str()).is_some());
        Ok(unwritten)
    }
}

#[async_trait]
impl Capture for SiteSession {
    async fn log(&self, cohort: &Cohort, _: Snapshot) -> Result<Logged, EngineError> {
        let cohort = cohort.clone();
        self.connection.ask("log", "reading what was written", move |scene, id| scene.take_snapshot(id, &cohort)).await
    }

    async fn end_snapshot(&self) -> Result<(), EngineError> {
        self.connection.end("end_snapshot", READING, |scene, id| scene.end_snapshot(id)).await
    }

    async fn rows_of<'a>(&'a self, cohort: &'a Cohort, keys: &'a RowKeys) -> Result<Rows<'a>, EngineError> {
        let asked = keys.clone();
        let rows = self.rows_in_snapshot("rows_of", cohort, move |row| is_among(&asked, row)).await?;
        Ok(self.on_their_way(cohort, rows))
    }

    async fn note(&self, lease: &Lease, table: usize, keys: &[String]) -> Result<(), EngineError> {
        let (side, lease) = (self.side, lease.clone());
        let ids: Vec<u64> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        self.connection
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
        let (side, cohort, seen) = (self.side, cohort.clone(), seen.clone());
        let what = "forgetting what was carried over";
        self.connection.ask("forget", what, move |scene, _| Ok(scene.forget_seen(side, &cohort, &seen))).await
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
