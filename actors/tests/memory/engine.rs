//! [`Engine`] over the stores in memory.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::record::{Lease, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{Mismatch, TableTally, Tally};
use mover_actors::ports::{BackedUp, BlockOutcome, CaughtUp, Copied, Engine, EngineError, Limits, Side};
use tokio::time::{Instant, sleep};

use super::fate::{Call, Port};
use super::process::{Process, Trouble};
use super::stores::{Row, StoreRefusal};
use super::world::{InjectedBug, World, WorldGuard};

/// The tables of every migration.
pub const TABLES: [&str; 2] = ["containers", "groups"];

const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// One process's connections to the stores.
pub struct MemoryEngine {
    process: Process,
    migrations: Arc<BTreeMap<MigrationName, Routing>>,
}

impl MemoryEngine {
    /// The connections of this process, which knows these migrations.
    pub fn new(process: &Process, migrations: Arc<BTreeMap<MigrationName, Routing>>) -> Self {
        Self { process: process.clone(), migrations }
    }

    async fn ask<T: Send + 'static>(
        &self,
        method: &'static str,
        ask: impl FnOnce(&mut WorldGuard<'_>) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let answer = self.process.call(Call { port: Port::Engine, method }, ask).await;
        answer.map_err(|trouble| match trouble {
            Trouble::Unreachable => failed(true, format!("{method}: the connection was lost")),
            Trouble::Refused => failed(false, format!("{method}: permission denied for table containers")),
        })
    }

    /// Asks until the guard row is free.
    async fn ask_for_guard<T: Send + 'static>(
        &self,
        method: &'static str,
        ask: impl Fn(&mut WorldGuard<'_>) -> Result<T, StoreRefusal> + Clone + Send + 'static,
    ) -> Result<T, EngineError> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match self.ask(method, ask.clone()).await? {
                Err(StoreRefusal::Locked) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
                answer => return answer.map_err(EngineError::from),
            }
        }
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    fn routing(&self, migration: &MigrationName) -> Result<Routing, EngineError> {
        let routing = self.migrations.get(migration);
        routing.cloned().ok_or_else(|| failed(false, format!("there is no migration {migration}")))
    }

    fn limits(&self, _: &MigrationName) -> Result<Limits, EngineError> {
        let cohort_orgs = self.process.world().look(|facts| facts.cohort_orgs.max(1));
        Ok(Limits { max_block_ms: 500, max_change_backlog: 1_000, cohort_orgs, cohort_rows: 1_000 })
    }

    async fn sizes(&self, leases: &[Lease]) -> Result<Vec<i64>, EngineError> {
        let leases = leases.to_vec();
        self.ask("sizes", move |scene| {
            let rows = |lease: &Lease| scene.facts.stores.rows(&lease.migration, Side::Source, &lease.key).len();
            leases.iter().map(|lease| i64::try_from(rows(lease)).unwrap()).collect()
        })
        .await
    }

    async fn drain(&self, leases: &[Lease]) -> Result<(), EngineError> {
        match leases.first() {
            Some(lease) => self.drain_migration(lease).await,
            None => Ok(()),
        }
    }

    async fn copy(&self, leases: &[Lease]) -> Result<Copied, EngineError> {
        let mut copied = Copied::default();
        for lease in leases {
            let one = self.copy_one(lease).await?;
            copied = Copied { rows: copied.rows + one.rows, bytes: copied.bytes + one.bytes };
        }
        Ok(copied)
    }

    async fn tally(&self, leases: &[Lease], side: Side) -> Result<Vec<Tally>, EngineError> {
        let mut tallies = Vec::new();
        for lease in leases {
            tallies.push(self.tally_one(lease, side).await?);
        }
        Ok(tallies)
    }

    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError> {
        let (lease, table) = (lease.clone(), mismatch.table.clone());
        self.ask("explain", move |scene| {
            let of = |side| scene.facts.stores.rows(&lease.migration, side, &lease.key);
            let (source, target) = (of(Side::Source), of(Side::Target));
            let only = |in_one: &[Row], other: &[Row]| in_one.iter().find(|row| !other.contains(row)).copied();
            let row = only(&source, &target).or_else(|| only(&target, &source)).map(|row| row.id.to_string());
            Place { store: Some("new".into()), table: Some(table), columns: vec!["value".into()], row }
        })
        .await
    }

    async fn settle(&self, leases: &[Lease]) -> Result<(), EngineError> {
        for lease in leases {
            let lease = lease.clone();
            self.ask_for_guard("settle", move |scene| scene.settle(&lease)).await?;
        }
        Ok(())
    }

    async fn discard(&self, lease: &Lease) -> Result<(), EngineError> {
        let lease = lease.clone();
        self.ask_for_guard("discard", move |scene| scene.discard(&lease)).await
    }

    async fn capture(&self, leases: &[Lease]) -> Result<(), EngineError> {
        Err(not_online(leases))
    }

    async fn copy_live(&self, leases: &[Lease]) -> Result<Copied, EngineError> {
        Err(not_online(leases))
    }

    async fn catch_up(&self, leases: &[Lease], _: Way) -> Result<CaughtUp, EngineError> {
        Err(not_online(leases))
    }

    async fn compare(&self, leases: &[Lease], _: Way) -> Result<Vec<(Tally, Tally)>, EngineError> {
        Err(not_online(leases))
    }

    async fn has_moved(&self, lease: &Lease, _: Way) -> Result<bool, EngineError> {
        Err(not_online(std::slice::from_ref(lease)))
    }

    async fn block(&self, leases: &[Lease], _: Way) -> Result<BlockOutcome, EngineError> {
        Err(not_online(leases))
    }

    async fn complete(&self, leases: &[Lease], _: Way) -> Result<(), EngineError> {
        Err(not_online(leases))
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        Err(not_online(std::slice::from_ref(lease)))
    }

    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError> {
        Err(not_online(std::slice::from_ref(lease)))
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        Err(not_online(std::slice::from_ref(lease)))
    }

    async fn close(&self, lease: &Lease) -> Result<(), EngineError> {
        Err(not_online(std::slice::from_ref(lease)))
    }

    async fn purge(&self, lease: &Lease) -> Result<i64, EngineError> {
        Err(not_online(std::slice::from_ref(lease)))
    }
}

impl MemoryEngine {
    async fn drain_migration(&self, lease: &Lease) -> Result<(), EngineError> {
        let migration = lease.migration.clone();
        let writing = self.ask("drain", move |scene| {
            if scene.facts.has_injected_bug(InjectedBug::SkipDrain) {
                return Vec::new();
            }
            let open = scene.facts.stores.open_writes.iter();
            open.filter(|(_, place)| **place == (migration.clone(), Side::Source)).map(|(id, _)| *id).collect()
        });
        let writing = writing.await?;
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        loop {
            self.process.if_alive().await;
            let open = |id: &&u64| self.process.world().look(|facts| facts.stores.open_writes.contains_key(id));
            match writing.iter().find(open) {
                None => return Ok(()),
                Some(id) if Instant::now() >= deadline => {
                    return Err(failed(true, format!("transaction {id} has been writing for too long")));
                }
                Some(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn copy_one(&self, lease: &Lease) -> Result<Copied, EngineError> {
        let (process, asked) = (self.process.clone(), lease.clone());
        let begin = move |scene: &mut WorldGuard<'_>| {
            let id = scene.begin_copy(&asked, process.id())?;
            Ok(Transaction { world: process.world().clone(), lease: asked.clone(), id, over: false })
        };
        let transaction = self.ask_for_guard("copy.begin", begin).await?;
        let asked = lease.clone();
        let read =
            move |scene: &mut WorldGuard<'_>| scene.facts.stores.rows(&asked.migration, Side::Source, &asked.key);
        let rows = self.ask("copy.read", read).await?;
        let copied = i64::try_from(rows.len()).unwrap();
        self.ask("copy.commit", move |scene| transaction.commit(scene, &rows)).await??;
        Ok(Copied { rows: copied, bytes: copied * 8 })
    }

    async fn tally_one(&self, lease: &Lease, side: Side) -> Result<Tally, EngineError> {
        let lease = lease.clone();
        self.ask("tally", move |scene| {
            let lying = scene.facts.has_injected_bug(InjectedBug::LoseARow)
                || scene.facts.has_injected_bug(InjectedBug::CopyOnTop);
            let side = if lying { Side::Source } else { side };
            tally(&scene.facts.stores.rows(&lease.migration, side, &lease.key))
        })
        .await
    }
}

/// A copy that was begun: rolled back when it is dropped before it is committed, so also when the answer is lost after it was
/// begun.
struct Transaction {
    world: World,
    lease: Lease,
    id: u64,
    over: bool,
}

impl Transaction {
    fn commit(mut self, scene: &mut WorldGuard<'_>, rows: &[Row]) -> Result<(), StoreRefusal> {
        // The world is locked while this runs: the drop must not ask for it.
        self.over = true;
        scene.commit_copy(&self.lease, self.id, rows)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.over {
            self.world.act(|scene| scene.facts.stores.unlock(&self.lease, self.id));
        }
    }
}

fn tally(rows: &[Row]) -> Tally {
    let mut tables: BTreeMap<String, TableTally> =
        TABLES.iter().map(|table| ((*table).into(), TableTally { rows: 0, hash: "0".into() })).collect();
    for row in rows {
        let table = tables.get_mut(row.table).unwrap();
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        let sum = table.hash.parse::<u128>().unwrap() + u128::from(hasher.finish());
        (table.rows, table.hash) = (table.rows + 1, sum.to_string());
    }
    Tally(tables)
}

fn not_online(leases: &[Lease]) -> EngineError {
    let migration = leases.first().map_or("", |lease| lease.migration.as_str());
    failed(false, format!("{migration}: not online"))
}

fn failed(transient: bool, reason: String) -> EngineError {
    let place = Place { store: Some("new".into()), ..Place::default() };
    EngineError { transient, reason, place: Box::new(place) }
}

impl From<StoreRefusal> for EngineError {
    fn from(refusal: StoreRefusal) -> Self {
        match refusal {
            StoreRefusal::Locked => failed(true, "lock timeout on mover.org_guard".into()),
            StoreRefusal::RolledBack => failed(true, "the transaction was rolled back".into()),
            StoreRefusal::Overtaken(epoch) => failed(false, format!("a newer lease, {epoch}, was here")),
            StoreRefusal::Settled => failed(false, "the org's rows in the target are live".into()),
            StoreRefusal::NothingThere => failed(false, "nothing was copied".into()),
            StoreRefusal::Foreign(rows) => failed(false, format!("{rows} foreign rows in table containers")),
        }
    }
}
