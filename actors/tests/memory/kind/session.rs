//! A session with a store, and what it can be asked for on either side: it sees its open snapshot, or else what is committed and what it
//! has written itself.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::{EngineError, Side};
use mover_actors::protocol::store::{Part, Session, SingleRows};
use mover_actors::protocol::{Cohort, Glance, RowKeys};

use super::super::stores::{Row, TABLES, hash_of, is_among, part_of, tally_of_rows};
use super::super::world::InjectedBug;
use super::connection::Connection;
use super::glance;

const COMPARING: &str = "comparing what was written";

/// See the module's documentation.
pub(super) struct SiteSession {
    pub(super) connection: Connection,
    pub(super) side: Side,
}

impl SiteSession {
    /// The rows of the cohort that are wanted.
    pub(super) async fn rows_seen(
        &self,
        method: &'static str,
        cohort: &Cohort,
        wanted: impl Fn(&Row) -> bool + Send + 'static,
    ) -> Result<Vec<(OrgKey, Row)>, EngineError> {
        let cohort = cohort.clone();
        self.connection
            .ask(method, COMPARING, move |scene, id| {
                let of = |lease: &Lease| {
                    let rows = scene.rows_seen(id, &lease.migration, &lease.key).into_iter();
                    rows.map(|row| (lease.key.clone(), row)).collect::<Vec<_>>()
                };
                Ok(cohort.leases().iter().flat_map(of).filter(|(_, row)| wanted(row)).collect())
            })
            .await
    }
}

#[async_trait]
impl Session for SiteSession {
    async fn tally(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Tally>, EngineError> {
        let cohort = cohort.clone();
        self.connection
            .ask("tally", "counting and hashing the org", move |scene, id| {
                let lies = [InjectedBug::LoseARow, InjectedBug::CopyOnTop, InjectedBug::LieInTallies];
                let lies = lies.into_iter().any(|injected_bug| scene.facts.has_injected_bug(injected_bug));
                let of = |lease: &Lease| match lies {
                    true => scene.facts.stores.rows(&lease.migration, Side::Source, &lease.key),
                    false => scene.rows_seen(id, &lease.migration, &lease.key),
                };
                Ok(cohort.leases().iter().map(|lease| (lease.key.clone(), tally_of_rows(&of(lease)))).collect())
            })
            .await
    }

    async fn glance(&self) -> Result<Glance, EngineError> {
        let side = self.side;
        let what = "looking whether the store is as it was";
        self.connection.ask("glance", what, move |scene, _| Ok(glance(scene, side))).await
    }

    fn release(self: Box<Self>) {
        self.connection.release();
    }
}

#[async_trait]
impl SingleRows for SiteSession {
    async fn tally_of(&self, cohort: &Cohort, keys: &RowKeys) -> Result<BTreeMap<usize, TableTally>, EngineError> {
        let asked = keys.clone();
        let rows = self.rows_seen("tally_of", cohort, move |row| is_among(&asked, row)).await?;
        let mut tally = tally_of_rows(rows.iter().map(|(_, row)| row));
        Ok(keys.tables().filter_map(|number| Some((number, tally.0.remove(TABLES[number])?))).collect())
    }

    async fn hashes_of(
        &self,
        cohort: &Cohort,
        keys: &RowKeys,
        table: usize,
    ) -> Result<BTreeMap<String, i64>, EngineError> {
        let asked = keys.clone();
        let wanted = move |row: &Row| row.table_number() == table && is_among(&asked, row);
        let rows = self.rows_seen("hashes_of", cohort, wanted).await?;
        Ok(rows.iter().map(|(_, row)| (row.id.to_string(), hash_of(row))).collect())
    }

    async fn branches_of(&self, _: usize, _: &[Vec<String>]) -> Result<Vec<(usize, Vec<String>)>, EngineError> {
        // No table of a migration is found through another.
        Ok(Vec::new())
    }

    async fn hashes_in(&self, lease: &Lease, table: usize, part: Part) -> Result<HashMap<String, i64>, EngineError> {
        let wanted = move |row: &Row| row.table_number() == table && part_of(row, part);
        let rows = self.rows_seen("hashes_in", &Cohort::one(lease), wanted).await?;
        Ok(rows.iter().map(|(_, row)| (row.id.to_string(), hash_of(row))).collect())
    }
}
