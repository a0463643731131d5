//! The store that receives orgs, and sessions with it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::{Copied, EngineError, Side};
use mover_actors::protocol::store::{
    Batch, Content, Entered, LiveReceiving, Noted, Part, Prove, Receiver, Receiving, ReceivingSession, Replace, Rows,
};
use mover_actors::protocol::{Cohort, Glance, Mode, Piece, RowKeys, Standing};

use super::super::stores::{Fault, Row, TABLES, from_values, hash_of, is_among, migration_of, part_of, tally_of_rows};
use super::super::world::InjectedBug;
use super::leaving::{by_number, count, is_in};
use super::request::request_patiently;
use super::session::Session;
use super::{SESSIONS_MAX, Site};

const WRITING: &str = "writing the org";
const CARRYING: &str = "carrying over what was written";
const COMPARING: &str = "comparing what was written";
const BYTES_PER_ROW: i64 = 8;

/// The side that receives orgs.
pub(super) struct Receives(pub(super) Site);

/// A session with it.
struct To {
    session: Session,
    site: Site,
}

impl Receives {
    fn open(&self) -> To {
        To { session: self.0.session(), site: self.0.clone() }
    }
}

#[async_trait]
impl Receiving for Receives {
    fn store(&self) -> &StoreName {
        &self.0.store
    }

    async fn drain(&self) -> Result<(), EngineError> {
        self.0.drain().await
    }

    async fn receiver(&self) -> Result<Box<dyn Receiver>, EngineError> {
        Ok(Box::new(self.open()))
    }
}

#[async_trait]
impl LiveReceiving for Receives {
    async fn must_watch(&self) -> Result<(), EngineError> {
        self.0.must_watch().await
    }

    async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        self.0.watch(cohort).await
    }

    async fn session(&self) -> Result<Box<dyn ReceivingSession>, EngineError> {
        Ok(Box::new(self.open()))
    }

    async fn purge(&self, lease: &Lease) -> Result<i64, EngineError> {
        let what = "removing the org's rows";
        let rows_at_once = usize::try_from(self.0.limits.purge_rows).unwrap_or(usize::MAX);
        let mut removed = 0;
        for table in TABLES.iter().rev() {
            loop {
                let (side, lease) = (self.0.side, lease.clone());
                let purge = move |scene: &mut super::super::world::WorldGuard<'_>| {
                    scene.purge_some(side, &lease, table, rows_at_once)
                };
                let patience = super::request::LOCK_TIMEOUT;
                let gone = request_patiently(&self.0.process, "purge", self.0.doing(what), patience, purge).await?;
                match gone.ok_or_else(|| Fault::Locked.told(self.0.doing(what)))? {
                    0 => break,
                    gone => removed += count(gone),
                }
            }
        }
        Ok(removed)
    }

    fn sessions_max(&self) -> usize {
        SESSIONS_MAX
    }
}

impl To {
    /// Writes rows as they come; a store with an injected bug spoils those of a copy.
    async fn pour(&self, mut rows: Rows<'_>, is_copy: bool) -> Result<Copied, EngineError> {
        let mut copied = Copied::default();
        while let Some(batch) = rows.next().await {
            let Batch { table, rows, content, .. } = batch?;
            let Content::Values(values) = content else {
                return Err(self
                    .session
                    .doing(WRITING)
                    .refused("the rows come in a format that this store does not take"));
            };
            copied = Copied { rows: copied.rows + rows, bytes: copied.bytes + rows * BYTES_PER_ROW };
            self.session
                .ask("write", WRITING, move |scene, id| {
                    let rows = values.iter().map(|values| from_values(table, values));
                    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
                    if is_copy && scene.facts.has_injected_bug(InjectedBug::LoseARow) {
                        rows.remove(0);
                    }
                    if is_copy && scene.facts.has_injected_bug(InjectedBug::ChangeARow) {
                        rows.iter_mut().take(1).for_each(|(_, row)| row.value = row.value.wrapping_add(1));
                    }
                    scene.insert_rows(id, &rows)
                })
                .await?;
        }
        Ok(copied)
    }

    /// The rows of the cohort that are wanted, as the session sees them.
    async fn rows_seen(
        &self,
        method: &'static str,
        cohort: &Cohort,
        wanted: impl Fn(&Row) -> bool + Send + 'static,
    ) -> Result<Vec<(OrgKey, Row)>, EngineError> {
        let cohort = cohort.clone();
        self.session
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
impl Receiver for To {
    async fn enter(&self, cohort: &Cohort) -> Result<Entered, EngineError> {
        let cohort = cohort.clone();
        self.session.ask("enter", WRITING, move |scene, id| scene.enter(id, &cohort, Mode::Incoming)).await
    }

    async fn clear(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        self.session
            .ask("clear", WRITING, move |scene, id| match scene.facts.has_injected_bug(InjectedBug::CopyOnTop) {
                true => Ok(()),
                false => scene.remove_rows(id, &cohort, |_| true),
            })
            .await
    }

    async fn refuse_foreign(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let rows = self.rows_seen("refuse_foreign", cohort, |_| true).await?;
        match rows.first() {
            None => Ok(()),
            Some((_, row)) => {
                let problem = format!("{} foreign rows in table {}", rows.len(), row.table);
                Err(self.session.doing(WRITING).on(row.table).refused(problem))
            }
        }
    }

    async fn write(&self, rows: Rows<'_>) -> Result<Copied, EngineError> {
        self.pour(rows, true).await
    }

    async fn prove(&self, _: &Cohort, _: Prove) -> Result<(), EngineError> {
        self.session.ask("prove", WRITING, |_, _| Ok(())).await
    }

    async fn tally(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Tally>, EngineError> {
        let cohort = cohort.clone();
        self.session
            .ask("tally", "counting and hashing the org", move |scene, id| {
                let lies = [InjectedBug::LoseARow, InjectedBug::CopyOnTop];
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
        self.site.glance(&self.session).await
    }

    async fn commit(&self) -> Result<(), EngineError> {
        self.session.commit(WRITING).await
    }

    async fn roll_back(&self) -> Result<(), EngineError> {
        self.session.end("roll_back", WRITING, |scene, id| scene.roll_back(id)).await
    }

    fn release(self: Box<Self>) {
        self.session.release();
    }
}

#[async_trait]
impl Replace for To {
    async fn hold(&self, cohort: &Cohort, idle: Option<Duration>) -> Result<HashMap<OrgKey, Standing>, EngineError> {
        let cohort = cohort.clone();
        self.session.ask("hold", CARRYING, move |scene, id| scene.hold(id, &cohort, idle)).await
    }

    async fn replace(&self, cohort: &Cohort, keys: &RowKeys, rows: Rows<'_>) -> Result<(), EngineError> {
        let (asked, asked_keys) = (cohort.clone(), keys.clone());
        let remove = self
            .session
            .ask("remove", CARRYING, move |scene, id| scene.remove_rows(id, &asked, |row| is_among(&asked_keys, row)));
        remove.await?;
        self.pour(rows, false).await.map(drop)
    }

    async fn tally_of(&self, cohort: &Cohort, keys: &RowKeys) -> Result<BTreeMap<usize, TableTally>, EngineError> {
        let asked = keys.clone();
        let rows = self.rows_seen("tally_of", cohort, move |row| is_among(&asked, row)).await?;
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
        let rows = self.rows_seen("hashes_of", cohort, wanted).await?;
        Ok(rows.iter().map(|(_, row)| (row.id.to_string(), hash_of(row))).collect())
    }

    async fn branches_of(&self, _: usize, _: &[Vec<String>]) -> Result<Vec<(usize, Vec<String>)>, EngineError> {
        Ok(Vec::new())
    }

    async fn hashes_in(&self, lease: &Lease, table: usize, part: Part) -> Result<HashMap<String, i64>, EngineError> {
        let wanted = move |row: &Row| row.table_number() == table && part_of(row, part);
        let rows = self.rows_seen("hashes_in", &Cohort::one(lease), wanted).await?;
        Ok(rows.iter().map(|(_, row)| (row.id.to_string(), hash_of(row))).collect())
    }

    async fn prove_rows(&self, _: &Cohort, _: &RowKeys, _: Prove) -> Result<(), EngineError> {
        self.session.ask("prove_rows", COMPARING, |_, _| Ok(())).await
    }

    async fn raise(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        self.session.ask("raise", CARRYING, move |scene, id| scene.raise(id, &cohort)).await
    }

    async fn receive(&self, cohort: &Cohort, way: Way, is_open: bool) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        let what = "making the org live here";
        self.session.ask("receive", what, move |scene, id| scene.receive(id, &cohort, way, is_open)).await
    }

    async fn rehearse(&self, _: &Cohort, wait: Duration) -> Result<(), EngineError> {
        self.session.ask("rehearse", "making ready for the switch", |_, _| Ok(())).await?;
        self.session.wait_at_most(wait);
        Ok(())
    }

    async fn rest(&self) -> Result<(), EngineError> {
        self.session.ask("rest", "leaving the switch", |_, _| Ok(())).await?;
        self.session.wait_as_usual();
        Ok(())
    }
}

#[async_trait]
impl Noted for To {
    async fn pieces(&self, cohort: &Cohort) -> Result<Vec<Piece>, EngineError> {
        let (side, cohort) = (self.site.side, cohort.clone());
        self.session
            .ask("pieces", WRITING, move |scene, _| {
                let of = |lease: &Lease| scene.pieces(&lease.migration, side, &lease.key);
                Ok(cohort.leases().iter().flat_map(of).map(|(piece, _)| piece).collect())
            })
            .await
    }

    async fn plan_pieces(&self, lease: &Lease, pieces: &[Piece]) -> Result<(), EngineError> {
        let (lease, pieces) = (lease.clone(), pieces.to_vec());
        self.session.ask("plan_pieces", WRITING, move |scene, id| scene.plan_pieces(id, &lease, &pieces)).await
    }

    async fn begin_piece(&self, lease: &Lease) -> Result<(), EngineError> {
        let lease = lease.clone();
        self.session.ask("begin_piece", WRITING, move |scene, id| scene.share_row(id, &lease, Mode::Incoming)).await
    }

    async fn clear_piece(&self, lease: &Lease, piece: &Piece) -> Result<(), EngineError> {
        let (cohort, piece) = (Cohort::one(lease), piece.clone());
        self.session
            .ask("clear_piece", WRITING, move |scene, id| scene.remove_rows(id, &cohort, |row| is_in(&piece, row)))
            .await
    }

    async fn piece_done(&self, lease: &Lease, piece: &Piece, copied: Copied) -> Result<(), EngineError> {
        let (lease, piece) = (lease.clone(), piece.clone());
        self.session.ask("piece_done", WRITING, move |scene, id| scene.piece_done(id, &lease, &piece, copied)).await
    }

    async fn copied(&self, lease: &Lease) -> Result<Copied, EngineError> {
        let (side, lease) = (self.site.side, lease.clone());
        self.session
            .ask("copied", WRITING, move |scene, _| {
                let pieces = scene.pieces(&lease.migration, side, &lease.key).into_iter();
                let copied = pieces.filter_map(|(_, copied)| copied);
                Ok(copied.fold(Copied::default(), |sum, one| Copied {
                    rows: sum.rows + one.rows,
                    bytes: sum.bytes + one.bytes,
                }))
            })
            .await
    }

    async fn forget_pieces(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let (side, cohort) = (self.site.side, cohort.clone());
        self.session
            .ask("forget_pieces", WRITING, move |scene, _| {
                let migration = migration_of(&cohort);
                cohort.leases().iter().for_each(|lease| scene.forget_pieces(migration, side, &lease.key));
                Ok(())
            })
            .await
    }
}
