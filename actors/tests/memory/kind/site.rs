//! One store of a migration, as a process sees it; orgs leave it or come to it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::ids::{MigrationName, OrgKey, StoreName};
use mover_actors::domain::record::{Backup, Lease};
use mover_actors::ports::{BackedUp, EngineError, Side};
use mover_actors::protocol::store::{
    Kept, Leaving, LeavingSession, LiveLeaving, LiveReceiving, Reader, Receiver, Receiving, ReceivingSession,
    StoreSide, Watching,
};
use mover_actors::protocol::{Cohort, Doing, Holder, LiveLimits, Mode};
use tokio::time::{Instant, sleep};

use super::super::process::Process;
use super::super::stores::{BackupFile, Fault, TABLES, tally_of_rows};
use super::super::world::{Facts, InjectedBug, WorldGuard};
use super::connection::Connection;
use super::request::{LOCK_TIMEOUT, request, request_patiently};
use super::session::SiteSession;
use super::{count, name_of};

/// How many sessions of one store there can be at once for an org that is written.
const SESSIONS_MAX: usize = 4;
/// How long writers that began before are waited for.
const DRAIN_BUDGET: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct Site {
    process: Process,
    migration: MigrationName,
    store: StoreName,
    pub(super) side: Side,
    limits: LiveLimits,
}

impl Site {
    pub(super) fn new(process: &Process, migration: &MigrationName, side: Side, limits: LiveLimits) -> Self {
        Self { process: process.clone(), migration: migration.clone(), store: name_of(side), side, limits }
    }

    pub(super) fn connect(&self) -> Connection {
        Connection::open(&self.process, &self.store, self.side)
    }

    fn open(&self) -> Box<SiteSession> {
        Box::new(SiteSession { connection: self.connect(), side: self.side })
    }

    fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(&self.store, what)
    }
}

#[async_trait]
impl StoreSide for Site {
    fn store(&self) -> &StoreName {
        &self.store
    }

    async fn drain(&self) -> Result<(), EngineError> {
        let doing = self.doing("waiting for open writers");
        let (migration, side) = (self.migration.clone(), self.side);
        let writing = request(&self.process, "drain", doing, move |scene| {
            let skips = scene.facts.has_injected_bug(InjectedBug::SkipDrain);
            Ok(if skips { Vec::new() } else { scene.writers(&migration, side) })
        });
        let writing = writing.await?;
        let deadline = Instant::now() + DRAIN_BUDGET;
        loop {
            self.process.if_alive().await;
            let open = |facts: &Facts| writing.iter().filter(|id| facts.stores.is_writing(**id)).count();
            match self.process.world().look(open) {
                0 => return Ok(()),
                open if Instant::now() >= deadline => {
                    return Err(doing.not_now(format!("{open} still open after {DRAIN_BUDGET:?}")));
                }
                _ => sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn held_by_others(&self, _: &Cohort) -> Result<Vec<Holder>, EngineError> {
        // No table has two migrations.
        Ok(Vec::new())
    }
}

#[async_trait]
impl Leaving for Site {
    async fn must_be_movable(&self, _: &Cohort) -> Result<(), EngineError> {
        // There is one way to write a key.
        Ok(())
    }

    async fn sizes(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, i64>, EngineError> {
        let (side, cohort) = (self.side, cohort.clone());
        request(&self.process, "sizes", self.doing("asking how big the orgs are"), move |scene| {
            let rows = |lease: &Lease| scene.facts.stores.rows(&lease.migration, side, &lease.key).len();
            Ok(cohort.leases().iter().map(|lease| (lease.key.clone(), count(rows(lease)))).collect())
        })
        .await
    }

    async fn reader(&self) -> Result<Box<dyn Reader>, EngineError> {
        Ok(self.open())
    }
}

#[async_trait]
impl Receiving for Site {
    async fn receiver(&self) -> Result<Box<dyn Receiver>, EngineError> {
        Ok(self.open())
    }
}

#[async_trait]
impl Watching for Site {
    async fn must_watch(&self) -> Result<(), EngineError> {
        request(&self.process, "must_watch", self.doing("looking at the triggers"), |_| Ok(())).await
    }

    async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let (side, cohort) = (self.side, cohort.clone());
        request(&self.process, "watch", self.doing("letting the triggers look at the orgs"), move |scene| {
            cohort.leases().iter().for_each(|lease| scene.watch_org(&lease.migration, side, &lease.key));
            Ok(())
        })
        .await
    }

    fn sessions_max(&self) -> usize {
        SESSIONS_MAX
    }
}

#[async_trait]
impl LiveLeaving for Site {
    async fn session(&self) -> Result<Box<dyn LeavingSession>, EngineError> {
        Ok(self.open())
    }

    async fn back_up(
        &self,
        lease: &Lease,
        live: &BTreeSet<String>,
        instead_of: Option<&Backup>,
    ) -> Result<BackedUp, EngineError> {
        let (side, lease, live, instead_of) = (self.side, lease.clone(), live.clone(), instead_of.cloned());
        request(&self.process, "back_up", self.doing("backing up the org"), move |scene| {
            let found = scene.facts.stores.standing(&lease.migration, side, &lease.key);
            if found.is_none_or(|found| found.mode != Mode::Moved || found.epoch > lease.epoch) {
                return Err(Fault::stands(found, &lease));
            }
            let rows = scene.facts.stores.rows(&lease.migration, side, &lease.key);
            let path = instead_of.as_ref().map_or_else(|| file_of(&lease), |backup| backup.path.clone());
            let before = instead_of.as_ref().and_then(|backup| scene.facts.stores.backup_at(&backup.path));
            let epoch = before.map_or(lease.epoch, |before| before.epoch);
            // A file that takes the place of another counts as it.
            let sum = instead_of.and_then(|backup| backup.sum).unwrap_or_else(|| format!("{epoch}"));
            let file = Backup { path: path.clone(), sum: Some(sum.clone()) };
            let written = BackedUp { file, rows: count(rows.len()) };
            scene
                .facts
                .stores
                .keep_backup(path, BackupFile { of: (lease.migration, lease.key), epoch, sum, rows, live });
            Ok(written)
        })
        .await
    }

    async fn read_backup(&self, _: &Lease, backup: &Backup) -> Result<Kept, EngineError> {
        let (doing, backup) = (self.doing("reading the backup"), backup.clone());
        request(&self.process, "read_backup", doing, move |scene| {
            let found =
                scene.facts.stores.backup_at(&backup.path).filter(|found| Some(&found.sum) == backup.sum.as_ref());
            let found = found.ok_or(Fault::refused("the backup is missing or another one"))?;
            let tally = tally_of_rows(&found.rows);
            let rows = tally.0.iter().map(|(table, tally)| (table.clone(), tally.rows)).collect();
            Ok(Kept { epoch: found.epoch, rows, tally: Some(tally), live: found.live, lacks: None })
        })
        .await
    }
}

#[async_trait]
impl LiveReceiving for Site {
    async fn session(&self) -> Result<Box<dyn ReceivingSession>, EngineError> {
        Ok(self.open())
    }

    async fn purge(&self, lease: &Lease, _: Option<&Backup>) -> Result<i64, EngineError> {
        let doing = self.doing("removing the org's rows");
        let rows_at_once = usize::try_from(self.limits.purge_rows).unwrap_or(usize::MAX);
        let mut removed = 0;
        for table in TABLES.iter().rev() {
            loop {
                let (side, lease) = (self.side, lease.clone());
                let purge = move |scene: &mut WorldGuard<'_>| scene.purge_some(side, &lease, table, rows_at_once);
                let gone = request_patiently(&self.process, "purge", doing, LOCK_TIMEOUT, purge).await?;
                match gone.ok_or_else(|| Fault::Locked.told(doing))? {
                    0 => break,
                    gone => removed += count(gone),
                }
            }
        }
        Ok(removed)
    }
}

/// The file of an org's backup.
fn file_of(lease: &Lease) -> PathBuf {
    PathBuf::from(format!("{}.{}.{}.backup", lease.migration, lease.key, lease.epoch))
}
