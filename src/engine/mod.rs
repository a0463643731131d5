//! The stores: copying, comparing and fencing an org's rows, Postgres to Postgres.
//!
//! A migration's statements are put together once, from its definition and the catalogs of both stores (`plan`). An org is
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
mod connection;
mod copy;
mod drain;
mod error;
mod explain;
mod guard;
mod live;
mod name;
mod order;
mod org_keys;
mod orgs;
mod pipeline;
mod plan;
mod reach;
mod references;
mod reframe;
mod report;
mod sequences;
mod shape;
mod sql_steps;
mod store;
mod survey;
mod tally;
mod tenancy;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::{Claim, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{Mismatch, Tally};
use mover_actors::failpoint;
use mover_actors::ports::{BackedUp, CaughtUp, Copied, Engine, EngineError, Limits, Side, WriteBlock};
use tokio::sync::OnceCell;

pub use guard::{GuardStatus, GuardedOrgs};
pub use live::LiveLimits;
pub use name::{ColumnName, NameError, TableName, split_identifiers};
pub use orgs::{Listed, names_no_org};
pub use report::{Finding, Level, Report};
pub use store::{Store, StoreError};
pub use survey::Guarded;

use crate::config::Definition;
use catalog::Catalog;
use copy::First;
use error::Doing;
use guard::{Guard, Readiness};
use org_keys::KeyForms;
use plan::Plan;

/// How long a move waits for open writers before it gives up.
pub const DRAIN_BUDGET: Duration = Duration::from_secs(30);

type Plans = HashMap<MigrationName, Arc<OnceCell<Arc<Plan>>>>;

/// The stores and the migrations between them.
#[derive(Debug)]
pub struct PgEngine {
    stores: HashMap<StoreName, Store>,
    /// The stores whose guard table is known to be there.
    guarded: HashMap<StoreName, OnceCell<()>>,
    definitions: HashMap<MigrationName, Definition>,
    plans: Mutex<Plans>,
    drain_budget: Duration,
    live: live::Live,
}

impl PgEngine {
    /// An engine over these stores; nothing is connected or read yet.
    pub fn new(stores: impl IntoIterator<Item = Store>, definitions: impl IntoIterator<Item = Definition>) -> Self {
        let stores: HashMap<StoreName, Store> = stores.into_iter().map(|store| (store.name().clone(), store)).collect();
        Self {
            guarded: stores.keys().map(|name| (name.clone(), OnceCell::new())).collect(),
            stores,
            definitions: definitions.into_iter().map(|definition| (definition.name.clone(), definition)).collect(),
            plans: Mutex::default(),
            drain_budget: DRAIN_BUDGET,
            live: live::Live::default(),
        }
    }

    /// Sets how long [`Engine::drain`] waits.
    pub fn with_drain_budget(self, drain_budget: Duration) -> Self {
        Self { drain_budget, ..self }
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

    /// Reads both catalogs anew, e.g. at the start of a campaign.
    pub async fn refresh(&self, migration: &MigrationName) -> Result<(), EngineError> {
        self.forget_plan(migration);
        let definition = self.definition(migration)?;
        if !definition.tables.is_empty() {
            self.plan(definition).await?;
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
        let catalog = Catalog::read(store, &tenancy::tables_named(&definition.tables)).await?;
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

    /// How the source's tables write the keys of orgs.
    async fn key_forms(&self, definition: &Definition, source: &Store) -> Result<KeyForms, EngineError> {
        if definition.tables.is_empty() {
            return Ok(KeyForms::default());
        }
        let catalog = Catalog::read(source, &tenancy::tables_named(&definition.tables)).await?;
        Ok(KeyForms::of(definition, &catalog))
    }

    fn definition(&self, migration: &MigrationName) -> Result<&Definition, EngineError> {
        let unknown = || permanent(format!("there is no migration {migration}"));
        self.definitions.get(migration).ok_or_else(unknown)
    }

    fn store(&self, name: &StoreName) -> Result<&Store, EngineError> {
        self.stores.get(name).ok_or_else(|| permanent(format!("there is no store {name} in the configuration")))
    }

    async fn plan(&self, definition: &Definition) -> Result<Arc<Plan>, EngineError> {
        let cell = {
            let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
            plans.entry(definition.name.clone()).or_default().clone()
        };
        let make = || async {
            let names = tenancy::tables_named(&definition.tables);
            let (from, to) = (self.store(&definition.from)?, self.store(&definition.to)?);
            let (source, target) = futures_util::try_join!(Catalog::read(from, &names), Catalog::read(to, &names))?;
            Plan::make(definition, &source, &target).map(Arc::new)
        };
        cell.get_or_try_init(make).await.cloned()
    }

    fn forget_plan(&self, migration: &MigrationName) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).remove(migration);
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

    async fn drain(&self, claim: &Claim) -> Result<(), EngineError> {
        let definition = self.definition(&claim.migration)?;
        if definition.tables.is_empty() {
            return Ok(());
        }
        let plan = self.plan(definition).await?;
        drain::drain(self.store(&definition.from)?, &plan.source_oids, self.drain_budget).await
    }

    async fn copy(&self, claim: &Claim) -> Result<Copied, EngineError> {
        let definition = self.definition(&claim.migration)?;
        if !definition.steps.is_empty() {
            self.guard_target(definition).await?;
            return sql_steps::carry_out(self.store(&definition.to)?, claim, &definition.steps).await;
        }
        if definition.tables.is_empty() {
            return Ok(Copied::default());
        }
        self.guard_target(definition).await?;
        let plan = self.plan(definition).await?;
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        self.reconsider(definition, plan.keys.must_be_canonical(source, claim).await)?;
        self.reconsider(definition, copy::copy(&plan, source, target, claim, First::Snapshot).await)
    }

    async fn tally(&self, claim: &Claim, side: Side) -> Result<Tally, EngineError> {
        let definition = self.definition(&claim.migration)?;
        if definition.tables.is_empty() {
            return Ok(Tally::default());
        }
        let plan = self.plan(definition).await?;
        let (store, sql) = match side {
            Side::Source => (&definition.from, &plan.tally_on_source),
            Side::Target => (&definition.to, &plan.tally_on_target),
        };
        self.reconsider(definition, tally::tally(&plan, self.store(store)?, sql, &claim.key).await)
    }

    async fn explain(&self, claim: &Claim, mismatch: &Mismatch) -> Result<Place, EngineError> {
        let definition = self.definition(&claim.migration)?;
        let plan = self.plan(definition).await?;
        let unknown = || permanent(format!("migration {} moves no table {}", definition.name, mismatch.table));
        let table = plan.table(&mismatch.table).ok_or_else(unknown)?;
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        explain::explain(&plan, table, source, target, &claim.key).await
    }

    async fn settle(&self, claim: &Claim) -> Result<(), EngineError> {
        let definition = self.definition(&claim.migration)?;
        if definition.tables.is_empty() {
            return Ok(());
        }
        let target = self.store(&definition.to)?;
        let session = target.session().await?;
        // One statement is one transaction: before it nothing is changed, after it everything is.
        failpoint::hit("settle.before_commit");
        guard::settle(&session, claim, Doing::new(target.name(), "declaring the org live")).await?;
        failpoint::hit("settle.committed");
        session.release();
        Ok(())
    }

    async fn discard(&self, claim: &Claim) -> Result<(), EngineError> {
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
        let discarded = copy::discard(target, claim, || self.plan(definition)).await;
        self.reconsider(definition, discarded)
    }

    fn limits(&self, migration: &MigrationName) -> Result<Limits, EngineError> {
        Ok(self.definition(migration)?.limits)
    }

    async fn capture(&self, claim: &Claim) -> Result<(), EngineError> {
        self.live_capture(claim).await
    }

    async fn copy_live(&self, claim: &Claim) -> Result<Copied, EngineError> {
        self.live_copy(claim).await
    }

    async fn catch_up(&self, claim: &Claim, way: Way) -> Result<CaughtUp, EngineError> {
        self.live_catch_up(claim, way).await
    }

    async fn compare(&self, claim: &Claim, way: Way) -> Result<(Tally, Tally), EngineError> {
        self.live_compare(claim, way).await
    }

    async fn has_moved(&self, claim: &Claim, way: Way) -> Result<bool, EngineError> {
        self.live_has_moved(claim, way).await
    }

    async fn block(&self, claim: &Claim, way: Way) -> Result<Option<Box<dyn WriteBlock>>, EngineError> {
        let bound = Duration::from_millis(self.limits(&claim.migration)?.max_block_ms);
        self.live_block(claim, way, bound).await
    }

    async fn complete(&self, claim: &Claim, way: Way) -> Result<(), EngineError> {
        self.live_complete(claim, way).await
    }

    async fn release(&self, claim: &Claim) -> Result<(), EngineError> {
        self.live_release_source(claim).await
    }

    async fn discard_rolled_back(&self, claim: &Claim) -> Result<(), EngineError> {
        self.live_discard_target(claim).await
    }

    async fn back_up(&self, claim: &Claim) -> Result<BackedUp, EngineError> {
        self.live_back_up(claim).await
    }

    async fn close(&self, claim: &Claim) -> Result<(), EngineError> {
        self.live_close(claim).await
    }

    async fn purge(&self, claim: &Claim) -> Result<i64, EngineError> {
        self.live_purge(claim).await
    }
}

fn permanent(reason: String) -> EngineError {
    EngineError { transient: false, reason, place: Box::default() }
}
