//! Postgres stores: what the protocol (`mover_actors::protocol`) asks of them, and what operators do.
//!
//! | folder | what is in it |
//! |---|---|
//! | `store` | connections, sessions, what an error of the driver means |
//! | `schema` | what a store is made of: tables, types, names, fingerprints |
//! | `plan` | what two schemas have in common, as statements; which org owns a row, in `ownership` |
//! | `rows` | all rows of orgs: read, written, drained, explained |
//! | `live` | orgs that are written while they move: log, single rows, locks, ranges, backups |
//! | `guard` | what Mover keeps in a store, and the triggers that log or refuse writes |
//! | `orgs` | the directory of orgs, and rows that would not be moved |
//! | `check` | everything that would keep a migration from working |

mod check;
mod continuity;
mod guard;
mod live;
mod orgs;
mod plan;
mod rows;
mod schema;
mod steps;
mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::Stream;
use mover_actors::domain::ids::{Epoch, MigrationName, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::{Lease, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::Mismatch;
#[cfg(doc)]
use mover_actors::ports::Engine;
use mover_actors::ports::{Copied, EngineError, Listing};
pub use mover_actors::protocol::LiveLimits;
use mover_actors::protocol::store::Keeps;
use mover_actors::protocol::{self, CopyRoute, Damage, Holder, LiveRoute, Migration, Moves, Proofs, Stores, Turns};
use tokio::sync::OnceCell;

pub use check::report::{Finding, Level, Report, Statement};
pub use continuity::StoreFound;
pub use guard::{Gap, GuardStatus, GuardedOrgs};
pub use live::{BackupKeys, OpenedBackup, RangedCopy, Restored, Trust};
pub use orgs::survey::Guarded;
pub use orgs::{Listed, names_no_org};
pub use schema::name::{ColumnName, NameError, TableName, split_identifiers};
pub use store::error::show_refused_rows;
pub use store::identity::StoreIdentity;
pub(crate) use store::next_if_changed;
pub use store::{Store, StoreError};

use crate::config::Definition;
use guard::{Guard, Readiness};
use live::{Backups, KeySource, LivePlan, NoKey, OrgGuard};
use plan::org_keys::KeyForms;
use plan::plans::{Kept, Pair, Plans};
use plan::{Plan, ownership};
use rows::side::{Leaves, Receives, RouteEnd, Side, Terms};
use rows::{copy, explain};
use schema::catalog::Catalog;
use schema::fingerprint::Tables;
use store::cohort::Cohort;

/// How long a move waits for open writers before it gives up.
pub const DRAIN_BUDGET: Duration = Duration::from_secs(30);

/// How old the schemas behind a plan may be where nothing depends on the plan yet.
const PLAN_AGE: Duration = Duration::from_millis(100);

/// A migration as it is defined, and what the protocol knows of it.
#[derive(Debug)]
struct Known {
    definition: Arc<Definition>,
    migration: Migration,
}

/// The leaving and the receiving side of a route.
type Pairing<P> = (Arc<Side<P>>, Arc<Side<P>>);

/// The Postgres stores and the migrations between them. As [`Stores`], it is an engine.
#[derive(Debug)]
pub struct PgEngine {
    stores: HashMap<StoreName, Store>,
    guards: HashMap<StoreName, OrgGuard>,
    migrations: HashMap<MigrationName, Known>,
    plans: Plans<MigrationName, Plan>,
    live_plans: Plans<(MigrationName, Way), LivePlan>,
    plan_age: Duration,
    proofs: Arc<Proofs>,
    drain_budget: Duration,
    live_limits: LiveLimits,
    backups: Backups,
    turns: Turns,
}

impl PgEngine {
    /// An engine over these stores; nothing is connected or read yet.
    pub fn new(stores: impl IntoIterator<Item = Store>, definitions: impl IntoIterator<Item = Definition>) -> Self {
        let stores: HashMap<StoreName, Store> = stores.into_iter().map(|store| (store.name().clone(), store)).collect();
        let connections = stores.values().map(|store| store.pool_status().max_size).min().unwrap_or(1);
        let known = |definition: Definition| {
            let migration = migration_of(&definition);
            (definition.name.clone(), Known { definition: Arc::new(definition), migration })
        };
        let live_limits = LiveLimits::default();
        Self {
            guards: guards(&stores, live_limits),
            stores,
            migrations: definitions.into_iter().map(known).collect(),
            plans: Plans::default(),
            live_plans: Plans::default(),
            plan_age: PLAN_AGE,
            proofs: Arc::default(),
            drain_budget: DRAIN_BUDGET,
            live_limits,
            backups: Backups { directory: PathBuf::default(), keys: KeySource(Arc::new(NoKey)) },
            turns: Turns::over(connections),
        }
    }

    /// Sets how long [`Engine::drain`] waits.
    pub fn with_drain_budget(self, drain_budget: Duration) -> Self {
        Self { drain_budget, ..self }
    }

    /// Sets how long the schemas of both stores count as current after they were read.
    pub fn with_plan_age(self, plan_age: Duration) -> Self {
        Self { plan_age, ..self }
    }

    /// Sets the limits of online moves.
    pub fn with_live_limits(self, live_limits: LiveLimits) -> Self {
        Self { guards: guards(&self.stores, live_limits), live_limits, ..self }
    }

    /// Sets where the rows of finalized orgs are written before they are removed.
    pub fn with_backups_in(self, backups: PathBuf) -> Self {
        Self { backups: Backups { directory: backups, ..self.backups }, ..self }
    }

    /// Sets what keeps the key that backups are signed with.
    pub fn with_backup_keys(self, keys: Arc<dyn BackupKeys>) -> Self {
        Self { backups: Backups { keys: KeySource(keys), ..self.backups }, ..self }
    }

    /// Reads a backup to its end; refused unless it is as it was written.
    pub async fn open_backup(&self, file: &Path, trust: Trust) -> Result<OpenedBackup, EngineError> {
        live::restore::open(file, &self.backups.keys, trust).await
    }

    /// Loads the rows of a backup into one of the two stores of its migration, which must not hold any row of the org. All rows
    /// or none.
    pub async fn restore(&self, backup: &OpenedBackup, store: &StoreName) -> Result<Restored, EngineError> {
        let definition = self.definition(backup.migration())?;
        let receiving = self.store_of(definition, store)?;
        let catalog = Catalog::read(receiving, &ownership::tables_named(&definition.tables)).await?;
        live::restore::restore(backup, definition, receiving, &catalog).await
    }

    /// Removes the rows of a restored backup from a store that the org has left; returns how many. Refused unless the store has as many
    /// rows as the backup, and under an older epoch than the store knows.
    pub async fn remove_restored(
        &self,
        backup: &OpenedBackup,
        store: &StoreName,
        epoch: Epoch,
    ) -> Result<i64, EngineError> {
        let definition = self.definition(backup.migration())?;
        let holding = self.store_of(definition, store)?;
        let way = if *store == definition.from { Way::Back } else { Way::Forward };
        let kept = self.live_plan(definition, way, self.a_moment_ago()).await?;
        live::restore::remove(backup, &kept.plan, holding, epoch, self.live_limits.purge_rows).await
    }

    /// Rows of an org that has moved online which differ between the stores although nothing logged that they were written since.
    pub async fn damage(&self, lease: &Lease) -> Result<Option<Damage>, EngineError> {
        let _turn = self.turns.take(1).await?;
        protocol::damage(self, lease).await
    }

    /// The state of the connection pool of each store.
    pub fn pools(&self) -> impl Iterator<Item = (&StoreName, deadpool::Status)> {
        self.stores.iter().map(|(name, store)| (name, store.pool_status()))
    }

    /// Reads both schemas now, and makes the plan again if they have changed.
    pub async fn refresh(&self, migration: &MigrationName) -> Result<(), EngineError> {
        let definition = self.definition(migration)?;
        if !definition.tables.is_empty() {
            self.plan_since(definition, Instant::now()).await?;
        }
        Ok(())
    }

    /// Installs the guard of an online migration in one of its stores where it is missing, outdated or disabled; returns those
    /// tables and partitions.
    pub async fn install_guard(
        &self,
        migration: &MigrationName,
        store: &StoreName,
    ) -> Result<Vec<String>, EngineError> {
        self.triggers(migration, store).await?.install(Readiness::Awake).await
    }

    /// The same ahead of a campaign: as long as no org moves, the triggers are disabled.
    pub async fn install_guard_asleep(
        &self,
        migration: &MigrationName,
        store: &StoreName,
    ) -> Result<Vec<String>, EngineError> {
        self.triggers(migration, store).await?.install(Readiness::Asleep).await
    }

    /// How long the copy of a rolled back org is kept after the switch.
    pub fn copy_kept(&self) -> Duration {
        self.live_limits.copy_kept
    }

    /// The state of the guard of a migration in one of its stores.
    pub async fn guard_status(&self, migration: &MigrationName, store: &StoreName) -> Result<GuardStatus, EngineError> {
        self.triggers(migration, store).await?.status().await
    }

    /// Tables and partitions in a store whose writes are not guarded although an org moves or lives elsewhere.
    pub async fn uncovered(&self, migration: &MigrationName, store: &StoreName) -> Result<Vec<Gap>, EngineError> {
        match guard::is_needed(self.store_of(self.definition(migration)?, store)?, migration).await? {
            true => self.triggers(migration, store).await?.uncovered().await,
            false => Ok(Vec::new()),
        }
    }

    /// The target stops logging the writes of an org that has no way back any more.
    pub async fn stop_logging(&self, lease: &Lease) -> Result<(), EngineError> {
        let guard = self.guard(&self.definition(&lease.migration)?.to)?;
        guard.ensure(Keeps::Changes).await?;
        guard.stop_capture(lease, "ending to log what is written").await
    }

    /// The source refuses writes of these orgs, which have left it for good, if its guard knows nothing of them.
    pub async fn refuse_left(&self, leases: &[Lease]) -> Result<(), EngineError> {
        let (Some(first), Some(cohort)) = (leases.first(), Cohort::of(leases.to_vec())) else { return Ok(()) };
        let definition = self.definition(&first.migration)?;
        guard::mark_left(self.store(&definition.from)?, &cohort).await
    }

    /// Removes the guard of a migration from one of its stores without a trace; returns the tables and partitions that had it.
    /// With `force` also if orgs have moved away from there.
    pub async fn remove_guard(
        &self,
        migration: &MigrationName,
        store: &StoreName,
        force: bool,
    ) -> Result<Vec<String>, EngineError> {
        self.remove_guard_after(migration, store, force, &[]).await
    }

    /// The same when the moves of these orgs have ended, so that what the store says of them is needed no longer.
    pub async fn remove_guard_after(
        &self,
        migration: &MigrationName,
        store: &StoreName,
        force: bool,
        ended: &[&OrgKey],
    ) -> Result<Vec<String>, EngineError> {
        self.triggers(migration, store).await?.remove(force, ended).await
    }

    /// What other migrations that guard some of the same tables in this store have decided about orgs, unless they are settled there.
    pub async fn held_by_others(
        &self,
        migration: &MigrationName,
        store: &StoreName,
        keys: &[String],
    ) -> Result<Vec<Holder>, EngineError> {
        let (definition, store) = (self.definition(migration)?, self.store(store)?);
        let catalog = Catalog::read(store, &ownership::tables_named(&definition.tables)).await?;
        guard::held_by_others(store, migration.as_str(), keys, &plan::oids(definition, &catalog)).await
    }

    /// The triggers of a migration in one of its stores.
    async fn triggers(&self, migration: &MigrationName, store: &StoreName) -> Result<Guard<'_>, EngineError> {
        let definition = self.definition(migration)?;
        let store = self.store_of(definition, store)?;
        let catalog = Catalog::read(store, &ownership::tables_named(&definition.tables)).await?;
        Ok(Guard::of(definition, store, &catalog).patient_for(self.live_limits.lock_budget))
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
                let known = self.migrations.values().map(|known| &*known.definition);
                let others: Vec<&Definition> = known.filter(|other| other.name != definition.name).collect();
                let (source, target) = (self.stores.get(&definition.from), self.stores.get(&definition.to));
                check::check(definition, &others, source, target).await
            }
            Err(error) => Report::of_problem("definition", error.reason, "define it in migrations/"),
        }
    }

    /// The orgs that the source lists. A row that names no org is an error item; the stream goes on after it.
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

    /// The progress of the orgs of an online migration that are copied in ranges, as recorded in the target.
    pub async fn ranged_copies(&self, migration: &MigrationName) -> Result<Vec<RangedCopy>, EngineError> {
        let _turn = self.turns.take(1).await?;
        let target = self.store(&self.definition(migration)?.to)?;
        live::progress(target, migration, self.live_limits.range_rows).await
    }

    /// About how many rows the tables of a migration have in the source; `None` if the source has no statistics yet.
    pub async fn rows_estimated(&self, migration: &MigrationName) -> Result<Option<u64>, EngineError> {
        let _turn = self.turns.take(1).await?;
        let definition = self.definition(migration)?;
        if definition.tables.is_empty() {
            return Ok(None);
        }
        let plan = self.plan_since(definition, self.a_moment_ago()).await?.plan;
        plan::sizes::estimated(&plan, self.store(&definition.from)?).await
    }

    /// How the source's tables write the keys of orgs.
    async fn key_forms(&self, definition: &Definition, source: &Store) -> Result<KeyForms, EngineError> {
        if definition.tables.is_empty() {
            return Ok(KeyForms::default());
        }
        let catalog = Catalog::read(source, &ownership::tables_named(&definition.tables)).await?;
        Ok(KeyForms::of(definition, &catalog))
    }

    fn known(&self, migration: &MigrationName) -> Result<&Known, EngineError> {
        self.migrations.get(migration).ok_or_else(|| permanent(format!("there is no migration {migration}")))
    }

    fn definition(&self, migration: &MigrationName) -> Result<&Definition, EngineError> {
        Ok(&self.known(migration)?.definition)
    }

    fn store(&self, name: &StoreName) -> Result<&Store, EngineError> {
        self.stores.get(name).ok_or_else(|| unknown_store(name))
    }

    /// The plan for schemas that were read no earlier than `not_before`.
    async fn plan_since(&self, definition: &Definition, not_before: Instant) -> Result<Kept<Plan>, EngineError> {
        let make = |source, target| Plan::make(definition, &source, &target);
        self.plans.current(definition.name.clone(), self.both(definition)?, not_before, make).await
    }

    /// The same for an online move.
    async fn live_plan(
        &self,
        definition: &Definition,
        way: Way,
        not_before: Instant,
    ) -> Result<Kept<LivePlan>, EngineError> {
        let make = |source, target| LivePlan::make(definition, source, target, way);
        self.live_plans.current((definition.name.clone(), way), self.both(definition)?, not_before, make).await
    }

    /// A plan for removing a copy from the target. The schema of the source does not matter: a copy that was aborted because
    /// the schemas differ must still be removed.
    async fn plan_to_remove(&self, definition: &Definition) -> Result<Arc<Plan>, EngineError> {
        match self.plan_since(definition, self.a_moment_ago()).await {
            Err(error) if !error.transient => {
                let names = ownership::tables_named(&definition.tables);
                let target = Catalog::read(self.store(&definition.to)?, &names).await?;
                Plan::make(definition, &target, &target).map(Arc::new)
            }
            answer => answer.map(|kept| kept.plan),
        }
    }

    /// Both sides of a route.
    fn sides<P>(&self, definition: &Arc<Definition>, way: Way, kept: &Kept<P>) -> Result<Pairing<P>, EngineError> {
        let terms = Arc::new(Terms {
            plan: kept.plan.clone(),
            definition: definition.clone(),
            limits: self.live_limits,
            drain_budget: self.drain_budget,
            backups: self.backups.clone(),
        });
        let [source, target] = &kept.tables;
        let side = |store, tables: &Tables| -> Result<Arc<Side<P>>, EngineError> {
            Ok(Arc::new(Side { store: self.store(store)?.clone(), tables: tables.clone(), terms: terms.clone() }))
        };
        let (source, target) = (side(&definition.from, source)?, side(&definition.to, target)?);
        Ok(match way {
            Way::Forward => (source, target),
            Way::Back => (target, source),
        })
    }

    fn both<'a>(&'a self, definition: &'a Definition) -> Result<Pair<'a>, EngineError> {
        Ok(Pair { definition, source: self.store(&definition.from)?, target: self.store(&definition.to)? })
    }
}

/// What the protocol knows of a definition.
fn migration_of(definition: &Definition) -> Migration {
    Migration {
        name: definition.name.clone(),
        strategy: definition.strategy,
        routing: definition.routing.clone(),
        limits: definition.limits,
        from: definition.from.clone(),
        to: definition.to.clone(),
        moves: match (definition.tables.is_empty(), definition.steps.is_empty()) {
            (false, _) => Moves::Rows,
            (true, false) => Moves::Steps,
            (true, true) => Moves::Flags,
        },
    }
}

fn guards(stores: &HashMap<StoreName, Store>, limits: LiveLimits) -> HashMap<StoreName, OrgGuard> {
    let guard = |store: &Store| OrgGuard { store: store.clone(), limits, has_fence: OnceCell::new() };
    stores.iter().map(|(name, store)| (name.clone(), guard(store))).collect()
}

#[async_trait]
impl Stores for PgEngine {
    fn migration(&self, name: &MigrationName) -> Result<&Migration, EngineError> {
        Ok(&self.known(name)?.migration)
    }

    fn live_limits(&self) -> LiveLimits {
        self.live_limits
    }

    fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    fn turns(&self) -> &Turns {
        &self.turns
    }

    fn guard(&self, store: &StoreName) -> Result<&dyn mover_actors::protocol::store::Guard, EngineError> {
        let guard = self.guards.get(store).ok_or_else(|| unknown_store(store))?;
        Ok(guard)
    }

    async fn copy_route(&self, migration: &Migration, not_before: Instant) -> Result<CopyRoute, EngineError> {
        let definition = &self.known(&migration.name)?.definition;
        let kept = self.plan_since(definition, not_before).await?;
        let (leaving, receiving) = self.sides(definition, Way::Forward, &kept)?;
        Ok(CopyRoute {
            leaving: Arc::new(RouteEnd::<_, Leaves>::of(leaving)),
            receiving: Arc::new(RouteEnd::<_, Receives>::of(receiving)),
            labels: kept.plan.tables.iter().map(|table| table.label.clone()).collect(),
            basis: kept.basis,
        })
    }

    async fn live_route(&self, migration: &Migration, way: Way, not_before: Instant) -> Result<LiveRoute, EngineError> {
        let definition = &self.known(&migration.name)?.definition;
        let kept = self.live_plan(definition, way, not_before).await?;
        let (leaving, receiving) = self.sides(definition, way, &kept)?;
        Ok(LiveRoute {
            way,
            leaving: Arc::new(RouteEnd::<_, Leaves>::of(leaving)),
            receiving: Arc::new(RouteEnd::<_, Receives>::of(receiving)),
            tables: kept.plan.outline.clone(),
            basis: kept.basis,
        })
    }

    fn doubt(&self, migration: &MigrationName) {
        self.plans.doubt(|planned| planned == migration);
        self.live_plans.doubt(|(planned, _)| planned == migration);
    }

    fn a_moment_ago(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.plan_age).unwrap_or(now)
    }

    async fn listings(
        &self,
        migration: &Migration,
        leases: &[Lease],
        side: mover_actors::ports::Side,
    ) -> Result<Vec<Listing>, EngineError> {
        let definition = &self.known(&migration.name)?.definition;
        let source = self.store(&definition.from)?;
        let forms = self.key_forms(definition, source);
        // A directory that moves with its orgs is kept up to date where they live.
        let moves = definition.tables.iter().any(|rule| rule.name == definition.org.table);
        let store =
            if side == mover_actors::ports::Side::Target && moves { self.store(&definition.to)? } else { source };
        orgs::listing::listings(definition, store, forms, leases).await
    }

    async fn discard(&self, migration: &Migration, cohort: &Cohort) -> Result<(), EngineError> {
        let target = self.store(&migration.to)?;
        if !guard::ensure(target).await? {
            // Without a guard table nothing was ever copied.
            return Ok(());
        }
        let definition = &self.known(&migration.name)?.definition;
        copy::discard(target, cohort, || self.plan_to_remove(definition)).await
    }

    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError> {
        let definition = self.definition(&lease.migration)?;
        let plan = self.plan_since(definition, self.a_moment_ago()).await?.plan;
        let unknown = || permanent(format!("migration {} moves no table {}", definition.name, mismatch.table));
        let table = plan.table(&mismatch.table).ok_or_else(unknown)?;
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        explain::explain(&plan, table, source, target, &lease.key).await
    }

    async fn carry_out_steps(&self, lease: &Lease) -> Result<Copied, EngineError> {
        let definition = self.definition(&lease.migration)?;
        steps::carry_out(self.store(&definition.to)?, lease, &definition.steps).await
    }

    async fn take_back_steps(&self, lease: &Lease) -> Result<(), EngineError> {
        let definition = self.definition(&lease.migration)?;
        let target = self.store(&definition.to)?;
        // Without a guard table no statement was ever carried out.
        match guard::ensure(target).await? {
            true => steps::take_back(target, lease, &definition.steps).await,
            false => Ok(()),
        }
    }
}

fn unknown_store(name: &StoreName) -> EngineError {
    permanent(format!("there is no store {name} in the configuration"))
}

fn permanent(reason: String) -> EngineError {
    EngineError { transient: false, reason, place: Box::default() }
}
