//! Moving an org while it is written.
//!
//! The triggers of the guard log the keys of what is written (`capture`). The org is copied from a snapshot (`copy`), what
//! was logged is carried over round by round (`round`), and everything is compared (`compare`). At the switch (`block`) its
//! writers wait for some milliseconds: the last keys are carried over, and the org lives in the other store, which then
//! logs what is written for the way back. Both ways are the same code over a plan made for the pair in that order (`plan`).

mod apply;
mod backup;
mod backup_file;
mod belonging;
mod block;
mod compare;
mod copy;
mod guard_row;
mod keyed;
mod keys;
mod limits;
mod lock;
mod log;
mod orphans;
mod piece_copy;
mod pieces;
mod plan;
mod purge;
mod range;
mod restore;
mod round;
mod subtree;
mod undo;
mod work;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::try_join;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::record::Claim;
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::Tally;
use mover_actors::failpoint;
use mover_actors::ports::{BackedUp, CaughtUp, Copied, EngineError, WriteBlock};
use tokio::sync::OnceCell;

pub use limits::LiveLimits;
use plan::LivePlan;
use round::Round;

use super::catalog::Catalog;
use super::error::Doing;
use super::store::Store;
use super::{PgEngine, drain, guard, tenancy};
use crate::config::Definition;

type Plans = HashMap<(MigrationName, Way), Arc<OnceCell<Arc<LivePlan>>>>;

/// What an engine knows for online moves.
#[derive(Debug, Default)]
pub(super) struct Live {
    limits: LiveLimits,
    backups: PathBuf,
    plans: Mutex<Plans>,
}

impl Live {
    pub(super) fn with_limits(self, limits: LiveLimits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn with_backups_in(self, backups: PathBuf) -> Self {
        Self { backups, ..self }
    }

    pub(super) fn lock_budget(&self) -> Duration {
        self.limits.lock_budget
    }

    /// Both ways are planned anew when they are next needed.
    pub(super) fn forget_plan(&self, migration: &MigrationName) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|(planned, _), _| planned != migration);
    }
}

/// An org's way from one store to the other.
struct Route<'a> {
    live: Arc<LivePlan>,
    /// The store that the org leaves.
    leaving: &'a Store,
    /// The store that receives it.
    receiving: &'a Store,
}

impl Route<'_> {
    /// Refuses an org that is known by another text than its rows have: the guard would not see what is written of it.
    async fn must_know(&self, claim: &Claim) -> Result<(), EngineError> {
        self.live.plan.keys.must_be_canonical(self.leaving, claim).await
    }
}

impl PgEngine {
    /// Lets the source log what is written of the org, and waits for those who began to write before.
    pub(in crate::engine) async fn live_capture(&self, claim: &Claim) -> Result<(), EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(()) };
        let route = self.route(definition, Way::Forward).await?;
        self.reconsider(definition, route.must_know(claim).await)?;
        for (store, tables) in [
            (route.leaving, &route.live.plan.source_oids),
            // What is written there after the switch must be there for a rollback.
            (route.receiving, &route.live.plan.target_oids),
        ] {
            guard::must_watch(store, definition, tables).await?;
        }
        let result = undo::capture(route.leaving, claim, self.live.limits).await;
        self.reconsider(definition, result)?;
        failpoint::hit("capture.marked");
        try_join!(guard::watch(route.leaving, claim), guard::watch(route.receiving, claim))?;
        drain::drain(route.leaving, &route.live.plan.source_oids, self.drain_budget).await
    }

    /// Copies the org while it is written.
    pub(in crate::engine) async fn live_copy(&self, claim: &Claim) -> Result<Copied, EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(Copied::default()) };
        let route = self.route(definition, Way::Forward).await?;
        self.reconsider(definition, route.must_know(claim).await)?;
        self.ensure_tables(route.receiving).await?;
        let stores = (route.leaving, route.receiving);
        let copied = copy::copy_live(&route.live, stores, claim, self.live.limits).await;
        let copied = self.reconsider(definition, copied)?;
        guard::watch(route.receiving, claim).await?;
        // Who went astray and wrote to the target before the org was coming there may not have committed yet.
        drain::drain(route.receiving, &route.live.plan.target_oids, self.drain_budget).await?;
        Ok(copied)
    }

    /// One round of catching up.
    pub(in crate::engine) async fn live_catch_up(&self, claim: &Claim, way: Way) -> Result<CaughtUp, EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(CaughtUp::default()) };
        let route = self.route(definition, way).await?;
        self.reconsider(definition, route.must_know(claim).await)?;
        let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
        let round = Round { live: &route.live, claim, from: &from, to: &to };
        let caught_up = self.reconsider(definition, round.run().await)?;
        from.release();
        to.release();
        Ok(caught_up)
    }

    /// Tallies of the leaving and of the receiving store, without rows whose keys are logged.
    pub(in crate::engine) async fn live_compare(&self, claim: &Claim, way: Way) -> Result<(Tally, Tally), EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok((Tally::default(), Tally::default())) };
        let route = self.route(definition, way).await?;
        let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
        let round = Round { live: &route.live, claim, from: &from, to: &to };
        let tallies = self.reconsider(definition, compare::compare(round).await)?;
        from.release();
        to.release();
        Ok(tallies)
    }

    /// Lets writers wait; `None` if the org has moved already.
    pub(in crate::engine) async fn live_block(
        &self,
        claim: &Claim,
        way: Way,
        bound: Duration,
    ) -> Result<Option<Box<dyn WriteBlock>>, EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(Some(Box::new(NoTables))) };
        if self.live_has_moved(claim, way).await? {
            return Ok(None);
        }
        let route = self.route(definition, way).await?;
        let stores = (route.leaving, route.receiving);
        let block = block::block(route.live.clone(), stores, claim, bound, self.live.limits).await;
        let block: Box<dyn WriteBlock> = Box::new(self.reconsider(definition, block)?);
        Ok(Some(block))
    }

    /// Whether the org has left; older claims are refused from now on.
    pub(in crate::engine) async fn live_has_moved(&self, claim: &Claim, way: Way) -> Result<bool, EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(false) };
        let (leaving, _) = self.pair(definition, way)?;
        self.ensure_tables(leaving).await?;
        undo::has_moved(leaving, claim, self.live.limits).await
    }

    /// Makes the org live in the receiving store, after it has left the other.
    pub(in crate::engine) async fn live_complete(&self, claim: &Claim, way: Way) -> Result<(), EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(()) };
        undo::complete(self.pair(definition, way)?, claim, way, self.live.limits).await
    }

    /// Undoes [`PgEngine::live_capture`]; refused if the org has moved.
    pub(in crate::engine) async fn live_release_source(&self, claim: &Claim) -> Result<(), EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(()) };
        let source = self.store(&definition.from)?;
        self.ensure_tables(source).await?;
        let doing = Doing::new(source.name(), "ending to log what is written");
        undo::settle(source, claim, self.live.limits, doing).await
    }

    /// Removes from the target what was rolled back.
    pub(in crate::engine) async fn live_discard_target(&self, claim: &Claim) -> Result<(), EngineError> {
        self.remove_from(claim, Way::Forward).await.map(drop)
    }

    /// Removes the org's rows from the source; answers how many. The way back must have been closed.
    pub(in crate::engine) async fn live_purge(&self, claim: &Claim) -> Result<i64, EngineError> {
        let definition = self.definition(&claim.migration)?;
        if !definition.tables.is_empty() {
            undo::must_be_settled(self.store(&definition.to)?, claim).await?;
        }
        self.remove_from(claim, Way::Back).await
    }

    /// Removes the org's rows from the store that would receive it on this way.
    async fn remove_from(&self, claim: &Claim, way: Way) -> Result<i64, EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(0) };
        let route = self.route(definition, way).await?;
        let removed = purge::purge(&route.live, route.receiving, claim, self.live.limits.purge_rows).await;
        guard::watch(route.receiving, claim).await?;
        self.reconsider(definition, removed)
    }

    /// Writes the org's rows in the source to a file.
    pub(in crate::engine) async fn live_back_up(&self, claim: &Claim) -> Result<BackedUp, EngineError> {
        let definition = self.definition(&claim.migration)?;
        let route = self.route(definition, Way::Forward).await?;
        self.reconsider(definition, route.must_know(claim).await)?;
        let written = backup::back_up(&route.live, route.leaving, claim, &self.live.backups).await;
        self.reconsider(definition, written)
    }

    /// Loads the rows of a backup into one of the two stores of its migration, which must not hold any row of the org.
    /// All of them or none; answers how many.
    pub async fn restore(&self, file: &Path, store: &StoreName) -> Result<i64, EngineError> {
        let header = backup_file::check(file).await?;
        let definition = self.definition(&header.migration)?;
        self.store_of(definition, store)?;
        let way = if *store == definition.from { Way::Back } else { Way::Forward };
        let route = self.route(definition, way).await?;
        restore::restore(&route.live, route.receiving, file, &header).await
    }

    /// Ends the way back: the target logs no more.
    pub(in crate::engine) async fn live_close(&self, claim: &Claim) -> Result<(), EngineError> {
        let Some(definition) = self.with_tables(claim)? else { return Ok(()) };
        let target = self.store(&definition.to)?;
        let doing = Doing::new(target.name(), "ending to log what is written");
        undo::settle(target, claim, self.live.limits, doing).await
    }

    /// The definition, unless its orgs move by their flags alone: then there is nothing to do in the stores.
    fn with_tables(&self, claim: &Claim) -> Result<Option<&Definition>, EngineError> {
        let definition = self.definition(&claim.migration)?;
        Ok((!definition.tables.is_empty()).then_some(definition))
    }

    async fn route<'a>(&'a self, definition: &'a Definition, way: Way) -> Result<Route<'a>, EngineError> {
        let live = self.live_plan(definition, way).await?;
        let (leaving, receiving) = self.pair(definition, way)?;
        Ok(Route { live, leaving, receiving })
    }

    /// The store that orgs leave, and the one that receives them.
    fn pair(&self, definition: &Definition, way: Way) -> Result<(&Store, &Store), EngineError> {
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        Ok(match way {
            Way::Forward => (source, target),
            Way::Back => (target, source),
        })
    }

    async fn live_plan(&self, definition: &Definition, way: Way) -> Result<Arc<LivePlan>, EngineError> {
        let cell = {
            let mut plans = self.live.plans.lock().unwrap_or_else(PoisonError::into_inner);
            plans.entry((definition.name.clone(), way)).or_default().clone()
        };
        let make = || async {
            let names = tenancy::tables_named(&definition.tables);
            let (from, to) = (self.store(&definition.from)?, self.store(&definition.to)?);
            let (source, target) = try_join!(Catalog::read(from, &names), Catalog::read(to, &names))?;
            LivePlan::make(definition, source, target, way).map(Arc::new)
        };
        cell.get_or_try_init(make).await.cloned()
    }

    async fn ensure_tables(&self, store: &Store) -> Result<(), EngineError> {
        if guard::ensure_tables(store).await? {
            return Ok(());
        }
        Err(Doing::new(store.name(), "creating the guard's tables").refused(guard::MISSING_RIGHT))
    }
}

/// An org that moves by its flags alone has no writers to wait for.
struct NoTables;

#[async_trait::async_trait]
impl WriteBlock for NoTables {
    async fn leave(&mut self) -> Result<CaughtUp, EngineError> {
        Ok(CaughtUp::default())
    }

    async fn arrive(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    fn since(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn release(self: Box<Self>) -> Result<SystemTime, EngineError> {
        Ok(SystemTime::now())
    }
}
