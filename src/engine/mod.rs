//! The stores: copying, comparing and fencing an org's rows, Postgres to Postgres.
//!
//! A migration's statements are put together from its definition and the catalogs of both stores (`plan`), and anew when these
//! have changed (`plans`, `fingerprint`); what was proven before counts no more then (`proofs`). An org is
//! then copied in one transaction of the target from one snapshot of the source (`copy`): rows are passed on in the binary
//! form in which they come, so an org of any size takes the same memory. The target's guard table (`guard`) says whose an
//! org's rows are and refuses whoever comes with an older epoch, so every call may be repeated after a crash.

mod catalog;
mod check;
mod check_alike;
mod check_keys;
mod check_online;
mod check_sequences;
mod check_tables;
mod cohort;
mod connection;
mod copy;
mod drain;
mod error;
mod explain;
mod fingerprint;
mod guard;
mod live;
mod name;
mod order;
mod org_keys;
mod orgs;
mod ownership;
mod pipeline;
mod plan;
mod plans;
mod proofs;
mod reach;
mod references;
mod reframe;
mod report;
mod resolve;
mod sequences;
mod settle;
mod shape;
mod sizes;
mod sql_steps;
mod store;
mod survey;
mod tally;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::Stream;
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::{Claim, Place};
use mover_actors::domain::state::{Strategy, Way};
use mover_actors::domain::verified::{Mismatch, Tally};
use mover_actors::failpoint;
use mover_actors::ports::{BackedUp, Blocked, CaughtUp, Copied, Engine, EngineError, Limits, Side};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

pub use guard::{GuardStatus, GuardedOrgs};
pub use live::{LiveLimits, RangedCopy};
pub use name::{ColumnName, NameError, TableName, split_identifiers};
pub use orgs::{Listed, names_no_org};
pub use report::{Finding, Level, Report};
pub use store::{Store, StoreError};
pub use survey::Guarded;

use crate::config::Definition;
use catalog::Catalog;
use cohort::Cohort;
use copy::First;
use error::Doing;
use guard::{Guard, Readiness};
use org_keys::KeyForms;
use plan::Plan;
use plans::{Kept, Pair, Plans};
use proofs::{Proofs, What};

/// How long a move waits for open writers before it gives up.
pub const DRAIN_BUDGET: Duration = Duration::from_secs(30);

/// How old a look at the schemas may be on which a plan rests, where nothing depends on it yet.
const PLAN_AGE: Duration = Duration::from_millis(100);

/// The stores and the migrations between them.
#[derive(Debug)]
pub struct PgEngine {
    stores: HashMap<StoreName, Store>,
    /// The stores whose guard table is known to be there.
    guarded: HashMap<StoreName, OnceCell<()>>,
    definitions: HashMap<MigrationName, Definition>,
    plans: Plans<MigrationName, Plan>,
    plan_age: Duration,
    proofs: Arc<Proofs>,
    drain_budget: Duration,
    live: live::Live,
    /// As many as the smaller pool has connections: whoever wants to work when there are none stands in line.
    turns: Arc<Semaphore>,
    /// For copies in ranges, which take hours: some connections are always left to everybody else.
    long_turns: Arc<Semaphore>,
}

impl PgEngine {
    /// An engine over these stores; nothing is connected or read yet.
    pub fn new(stores: impl IntoIterator<Item = Store>, definitions: impl IntoIterator<Item = Definition>) -> Self {
        let stores: HashMap<StoreName, Store> = stores.into_iter().map(|store| (store.name().clone(), store)).collect();
        let connections = stores.values().map(|store| store.pool_status().max_size).min().unwrap_or(1);
        Self {
            guarded: stores.keys().map(|name| (name.clone(), OnceCell::new())).collect(),
            stores,
            definitions: definitions.into_iter().map(|definition| (definition.name.clone(), definition)).collect(),
            plans: Plans::default(),
            plan_age: PLAN_AGE,
            proofs: Arc::default(),
            drain_budget: DRAIN_BUDGET,
            live: live::Live::default(),
            turns: Arc::new(Semaphore::new(connections)),
            long_turns: Arc::new(Semaphore::new(connections.saturating_sub((connections / 4).max(2)).max(1))),
        }
    }

    /// Sets how long [`Engine::drain`] waits.
    pub fn with_drain_budget(self, drain_budget: Duration) -> Self {
        Self { drain_budget, ..self }
    }

    /// Sets for how long the schemas of both stores need not be looked at again.
    pub fn with_plan_age(self, plan_age: Duration) -> Self {
        Self { plan_age, ..self }
    }

    /// Sets the bounds of online moves.
    pub fn with_live_limits(self, limits: LiveLimits) -> Self {
        Self { live: self.live.with_limits(limits), ..self }
    }

    /// Sets where the rows of finalized orgs are written before they are removed.
    pub fn with_backups_in(self, directory: PathBuf) -> Self {
        Self { live: self.live.with_backups_in(directory), ..self }
    }

    /// How the connections to each store are used.
    pub fn pools(&self) -> impl Iterator<Item = (&StoreName, deadpool::Status)> {
        self.stores.iter().map(|(name, store)| (name, store.pool_status()))
    }

    /// Looks at both schemas now, and makes the plan anew if they have changed.
    pub async fn refresh(&self, migration: &MigrationName) -> Result<(), EngineError> {
        let definition = self.definition(migration)?;
        if !definition.tables.is_empty() {
            self.plan_since(definition, Instant::now()).await?;
        }
        Ok(())
    }

    /// Installs the guard of an online migration in one of its stores, where it is missing, outdated or asleep; answers in
    /// which tables and partitions that was.
    pub async fn install_guard(
        &self,
        migration: &MigrationName,
        store: &StoreName,
    ) -> Result<Vec<String>, EngineError> {
        self.guard(migration, store).await?.install(Readiness::Awake).await
    }

    /// Does the same ahead of a campaign: as long as no org moves, the triggers are switched off.
    pub async fn install_guard_asleep(
        &self,
        migration: &MigrationName,
        store: &StoreName,
    ) -> Result<Vec<String>, EngineError> {
        self.guard(migration, store).await?.install(Readiness::Asleep).await
    }

    /// What the guard of a migration looks like in one of its stores.
    pub async fn guard_status(&self, migration: &MigrationName, store: &StoreName) -> Result<GuardStatus, EngineError> {
        self.guard(migration, store).await?.status().await
    }

    /// Removes the guard of a migration from one of its stores without a trace; answers from which tables and partitions. With
    /// `force` also while orgs have moved away from there.
    pub async fn remove_guard(
        &self,
        migration: &MigrationName,
        store: &StoreName,
        force: bool,
    ) -> Result<Vec<String>, EngineError> {
        self.guard(migration, store).await?.remove(force).await
    }

    async fn guard(&self, migration: &MigrationName, store: &StoreName) -> Result<Guard<'_>, EngineError> {
        let definition = self.definition(migration)?;
        let store = self.store_of(definition, store)?;
        let catalog = Catalog::read(store, &ownership::tables_named(&definition.tables)).await?;
        Ok(Guard::of(definition, store, &catalog).patient_for(self.live.lock_budget()))
    }

    /// One of the two stores of a migration.
    fn store_of(&self, definition: &Definition, store: &StoreName) -> Result<&Store, EngineError> {
        let Definition { name, from, to, .. } = definition;
        match [from, to].contains(&store) {
            true => self.store(store),
            false => Err(permanent(format!("migration {name} knows the stores {from} and {to} only, not {store}"))),
        }
    }

    /// Looks for everything that would keep the migration from working, without changing anything.
    pub async fn check(&self, migration: &MigrationName) -> Report {
        match self.definition(migration) {
            Ok(definition) => {
                check::check(definition, self.stores.get(&definition.from), self.stores.get(&definition.to)).await
            }
            Err(error) => Report::of_problem("definition", error.reason, "define it in migrations/"),
        }
    }

    /// The orgs that the source lists. A row that names no org is an error of its own, after which the stream goes on.
    pub async fn orgs(
        &self,
        migration: &MigrationName,
    ) -> Result<impl Stream<Item = Result<Listed, EngineError>> + Send, EngineError> {
        let definition = self.definition(migration)?;
        let source = self.store(&definition.from)?;
        orgs::orgs(definition, source, self.key_forms(definition, source).await?).await
    }

    /// The key of the org with this name, if the source lists it.
    pub async fn find_org(&self, migration: &MigrationName, name: &OrgName) -> Result<Option<OrgKey>, EngineError> {
        let definition = self.definition(migration)?;
        let source = self.store(&definition.from)?;
        orgs::find(definition, source, self.key_forms(definition, source).await?, name).await
    }

    /// How far the orgs of an online migration are that are copied in ranges, as the target has noted it.
    pub async fn ranged_copies(&self, migration: &MigrationName) -> Result<Vec<RangedCopy>, EngineError> {
        let _turn = self.turn(1).await?;
        let target = self.store(&self.definition(migration)?.to)?;
        live::progress(target, migration, self.live.range_rows()).await
    }

    /// About how many rows the tables of a migration have in the source; nothing if the source has never counted them.
    pub async fn rows_estimated(&self, migration: &MigrationName) -> Result<Option<u64>, EngineError> {
        let _turn = self.turn(1).await?;
        let definition = self.definition(migration)?;
        if definition.tables.is_empty() {
            return Ok(None);
        }
        let plan = self.plan(definition).await?;
        sizes::estimated(&plan, self.store(&definition.from)?).await
    }

    /// How the source's tables write the keys of orgs.
    async fn key_forms(&self, definition: &Definition, source: &Store) -> Result<KeyForms, EngineError> {
        if definition.tables.is_empty() {
            return Ok(KeyForms::default());
        }
        let catalog = Catalog::read(source, &ownership::tables_named(&definition.tables)).await?;
        Ok(KeyForms::of(definition, &catalog))
    }

    fn definition(&self, migration: &MigrationName) -> Result<&Definition, EngineError> {
        let unknown = || permanent(format!("there is no migration {migration}"));
        self.definitions.get(migration).ok_or_else(unknown)
    }

    /// Waits until there are so many connections to each store, or all that there ever are. Who has a turn never waits for
    /// another, so nobody waits for ever.
    async fn turn(&self, connections: usize) -> Result<OwnedSemaphorePermit, EngineError> {
        let most = self.stores.values().map(|store| store.pool_status().max_size).min().unwrap_or(1);
        let wanted = u32::try_from(connections.min(most)).unwrap_or(u32::MAX);
        self.turns.clone().acquire_many_owned(wanted).await.map_err(|error| permanent(error.to_string()))
    }

    /// The turn of a copy of so many orgs.
    async fn turn_to_copy(&self, orgs: usize) -> Result<[OwnedSemaphorePermit; 2], EngineError> {
        let connections = self.live.connections_of_copy(orgs);
        let most = self.stores.values().map(|store| store.pool_status().max_size).min().unwrap_or(1);
        let long = connections.min(most.saturating_sub((most / 4).max(2)).max(1));
        let wanted = u32::try_from(long).unwrap_or(u32::MAX);
        let long = self.long_turns.clone().acquire_many_owned(wanted).await;
        Ok([long.map_err(|error| permanent(error.to_string()))?, self.turn(connections).await?])
    }

    /// The definition of these orgs' migration, unless it moves no rows: then there is nothing to do in the stores.
    fn with_tables(&self, claims: &[Claim]) -> Result<Option<(&Definition, Cohort)>, EngineError> {
        let Some(cohort) = Cohort::of(claims.to_vec()) else { return Ok(None) };
        let definition = self.definition(&cohort.claims()[0].migration)?;
        Ok((!definition.tables.is_empty()).then_some((definition, cohort)))
    }

    /// What a migration without tables does instead of copying rows.
    async fn carry_out_steps(&self, claims: &[Claim]) -> Result<Copied, EngineError> {
        let mut copied = Copied::default();
        for claim in claims {
            let definition = self.definition(&claim.migration)?;
            if definition.steps.is_empty() {
                continue;
            }
            self.guard_target(definition).await?;
            let touched = sql_steps::carry_out(self.store(&definition.to)?, claim, &definition.steps).await?;
            copied.rows += touched.rows;
        }
        Ok(copied)
    }

    fn store(&self, name: &StoreName) -> Result<&Store, EngineError> {
        self.stores.get(name).ok_or_else(|| permanent(format!("there is no store {name} in the configuration")))
    }

    /// The plan for the schemas as they were a moment ago.
    async fn plan(&self, definition: &Definition) -> Result<Arc<Plan>, EngineError> {
        Ok(self.plan_since(definition, self.a_moment_ago()).await?.plan)
    }

    /// The plan for schemas that were looked at no earlier than `not_before`.
    async fn plan_since(&self, definition: &Definition, not_before: Instant) -> Result<Kept<Plan>, EngineError> {
        let make = |source, target| Plan::make(definition, &source, &target);
        self.plans.current(definition.name.clone(), self.both(definition)?, not_before, make).await
    }

    fn a_moment_ago(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.plan_age).unwrap_or(now)
    }

    fn both<'a>(&'a self, definition: &'a Definition) -> Result<Pair<'a>, EngineError> {
        Ok(Pair { definition, source: self.store(&definition.from)?, target: self.store(&definition.to)? })
    }

    fn forget_plan(&self, migration: &MigrationName) {
        self.plans.doubt(|planned| planned == migration);
        self.live.forget_plan(migration);
    }

    /// A fault that stays may come from a schema that was changed, or be mended by changing it: look at it anew next time.
    fn reconsider<T>(&self, definition: &Definition, result: Result<T, EngineError>) -> Result<T, EngineError> {
        if result.as_ref().is_err_and(|error| !error.transient) {
            self.forget_plan(&definition.name);
        }
        result
    }

    /// Makes sure that the target has its guard table.
    async fn guard_target(&self, definition: &Definition) -> Result<(), EngineError> {
        let target = self.store(&definition.to)?;
        let ensure = || async {
            if guard::ensure(target).await? {
                return Ok(());
            }
            Err(Doing::new(target.name(), "creating the guard table").refused(guard::MISSING_RIGHT))
        };
        match self.guarded.get(&definition.to) {
            Some(cell) => cell.get_or_try_init(ensure).await.copied(),
            None => ensure().await,
        }
    }
}

#[async_trait]
impl Engine for PgEngine {
    fn routing(&self, migration: &MigrationName) -> Result<Routing, EngineError> {
        Ok(self.definition(migration)?.routing.clone())
    }

    async fn sizes(&self, claims: &[Claim]) -> Result<Vec<i64>, EngineError> {
        let _turn = self.turn(1).await?;
        let Some((definition, cohort)) = self.with_tables(claims)? else { return Ok(vec![0; claims.len()]) };
        let plan = self.plan(definition).await?;
        let sizes = sizes::sizes(&plan, self.store(&definition.from)?, &cohort).await;
        let sizes = self.reconsider(definition, sizes)?;
        Ok(claims.iter().map(|claim| sizes.get(&claim.key).copied().unwrap_or_default()).collect())
    }

    async fn drain(&self, claims: &[Claim]) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        let Some((definition, _)) = self.with_tables(claims)? else { return Ok(()) };
        let plan = self.plan(definition).await?;
        drain::drain(self.store(&definition.from)?, &plan.source_oids, self.drain_budget).await
    }

    async fn copy(&self, claims: &[Claim]) -> Result<Copied, EngineError> {
        let _turn = self.turn(1).await?;
        let Some((definition, cohort)) = self.with_tables(claims)? else { return self.carry_out_steps(claims).await };
        self.guard_target(definition).await?;
        let plan = self.plan(definition).await?;
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        self.reconsider(definition, plan.keys.must_be_canonical(source, &cohort).await)?;
        self.reconsider(definition, copy::copy(&plan, source, target, &cohort, First::Snapshot).await)
    }

    async fn tally(&self, claims: &[Claim], side: Side) -> Result<Vec<Tally>, EngineError> {
        let _turn = self.turn(1).await?;
        let Some((definition, cohort)) = self.with_tables(claims)? else {
            return Ok(vec![Tally::default(); claims.len()]);
        };
        let kept = self.plan_since(definition, self.a_moment_ago()).await?;
        let mut tallies = self.tally_by(&kept.plan, definition, &cohort, side).await?;
        if definition.strategy == Strategy::Offline {
            claims.iter().for_each(|claim| self.proofs.keep(claim, What::Tallied(side), &kept.basis));
        }
        Ok(claims.iter().map(|claim| tallies.remove(&claim.key).unwrap_or_default()).collect())
    }

    async fn explain(&self, claim: &Claim, mismatch: &Mismatch) -> Result<Place, EngineError> {
        let definition = self.definition(&claim.migration)?;
        let plan = self.plan(definition).await?;
        let unknown = || permanent(format!("migration {} moves no table {}", definition.name, mismatch.table));
        let table = plan.table(&mismatch.table).ok_or_else(unknown)?;
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        explain::explain(&plan, table, source, target, &claim.key).await
    }

    async fn settle(&self, claims: &[Claim]) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        let Some((definition, cohort)) = self.with_tables(claims)? else { return Ok(()) };
        self.prove_settling(definition, &cohort).await?;
        let target = self.store(&definition.to)?;
        let session = target.session().await?;
        // One statement is one transaction: before it nothing is changed, after it everything is.
        failpoint::hit("settle.before_commit");
        guard::settle(&session, &cohort, Doing::new(target.name(), "declaring the org live")).await?;
        failpoint::hit("settle.committed");
        session.release();
        claims.iter().for_each(|claim| self.proofs.forget(claim, &settle::TALLIES));
        Ok(())
    }

    async fn discard(&self, claim: &Claim) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        let definition = self.definition(&claim.migration)?;
        if definition.tables.is_empty() && definition.steps.is_empty() {
            return Ok(());
        }
        let target = self.store(&definition.to)?;
        if !guard::ensure(target).await? {
            // Without a guard table nothing was ever copied.
            return Ok(());
        }
        if !definition.steps.is_empty() {
            return sql_steps::take_back(target, claim, &definition.steps).await;
        }
        let discarded = copy::discard(target, claim, || self.plan_to_remove(definition)).await;
        self.reconsider(definition, discarded)
    }

    fn limits(&self, migration: &MigrationName) -> Result<Limits, EngineError> {
        Ok(self.definition(migration)?.limits)
    }

    async fn capture(&self, claims: &[Claim]) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        self.live_capture(claims).await
    }

    async fn copy_live(&self, claims: &[Claim]) -> Result<Copied, EngineError> {
        let _turn = self.turn_to_copy(claims.len()).await?;
        self.live_copy(claims).await
    }

    async fn catch_up(&self, claims: &[Claim], way: Way) -> Result<CaughtUp, EngineError> {
        let _turn = self.turn(1).await?;
        self.live_catch_up(claims, way).await
    }

    async fn compare(&self, claims: &[Claim], way: Way) -> Result<Vec<(Tally, Tally)>, EngineError> {
        let _turn = self.turn(1).await?;
        self.live_compare(claims, way).await
    }

    async fn has_moved(&self, claim: &Claim, way: Way) -> Result<bool, EngineError> {
        let _turn = self.turn(1).await?;
        self.live_has_moved(claim, way).await
    }

    async fn block(&self, claims: &[Claim], way: Way) -> Result<Blocked, EngineError> {
        let turn = self.turn(1).await?;
        self.live_block(claims, way, turn).await
    }

    async fn complete(&self, claims: &[Claim], way: Way) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        self.live_complete(claims, way).await
    }

    async fn release(&self, claim: &Claim) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        self.live_release_source(claim).await
    }

    async fn discard_rolled_back(&self, claim: &Claim) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        self.live_discard_target(claim).await
    }

    async fn back_up(&self, claim: &Claim) -> Result<BackedUp, EngineError> {
        let _turn = self.turn(1).await?;
        self.live_back_up(claim).await
    }

    async fn close(&self, claim: &Claim) -> Result<(), EngineError> {
        let _turn = self.turn(1).await?;
        self.live_close(claim).await
    }

    async fn purge(&self, claim: &Claim) -> Result<i64, EngineError> {
        let _turn = self.turn(1).await?;
        self.live_purge(claim).await
    }
}

fn permanent(reason: String) -> EngineError {
    EngineError { transient: false, reason, place: Box::default() }
}
