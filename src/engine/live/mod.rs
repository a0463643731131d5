//! Moving an org while it is written.
//!
//! The triggers of the guard log the keys of what is written (`capture`). The org is copied from a snapshot (`copy`), what
//! was logged is carried over round by round (`round`), and everything is compared (`compare`). At the switch (`block`) its
//! writers wait for some milliseconds: the last keys are carried over, and the org lives in the other store, which then
//! logs what is written for the way back. Both ways are the same code over a plan made for the pair in that order (`plan`).

mod apply;
mod backup;
mod backup_file;
mod block;
mod compare;
mod copy;
mod differences;
mod guard_row;
mod keyed;
mod keys;
mod limits;
mod lock;
mod log;
mod lost;
mod orphans;
mod piece_copy;
mod pieces;
mod plan;
mod progress;
mod prove;
mod purge;
mod range;
mod restore;
mod round;
mod subtree;
mod undo;
mod work;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::try_join;
use mover_actors::domain::ids::{MigrationName, OrgKey, StoreName};
use mover_actors::domain::record::Claim;
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{Tally, Verified};
use mover_actors::failpoint;
use mover_actors::ports::{Access, BackedUp, Blocked, CaughtUp, Copied, EngineError, WriteBlock};

use tokio::sync::OwnedSemaphorePermit;

pub use limits::LiveLimits;
use plan::LivePlan;
pub use progress::RangedCopy;
pub(super) use progress::progress;
use prove::Proven;
use round::Round;

use super::cohort::Cohort;
use super::error::Doing;
use super::plans::{Basis, Kept, Plans};
use super::proofs::{Unchanged, What};
use super::store::Store;
use super::{PgEngine, drain, guard};
use crate::config::Definition;

/// What an engine knows for online moves.
#[derive(Debug, Default)]
pub(super) struct Live {
    limits: LiveLimits,
    backups: PathBuf,
    plans: Plans<(MigrationName, Way), LivePlan>,
}

impl Live {
    /// How many rows ranges are cut for.
    pub(super) fn range_rows(&self) -> i64 {
        self.limits.range_rows
    }

    pub(super) fn with_limits(self, limits: LiveLimits) -> Self {
        Self { limits, ..self }
    }

    pub(super) fn with_backups_in(self, backups: PathBuf) -> Self {
        Self { backups, ..self }
    }

    /// How many connections to a store a copy has at once. Only an org that goes alone is copied in ranges.
    pub(super) fn connections_of_copy(&self, orgs: usize) -> usize {
        if orgs == 1 { 1 + self.limits.ranges_at_once.max(1) } else { 1 }
    }

    pub(super) fn lock_budget(&self) -> Duration {
        self.limits.lock_budget
    }

    /// Both ways are planned anew when they are next needed.
    pub(super) fn forget_plan(&self, migration: &MigrationName) {
        self.plans.doubt(|(planned, _)| planned == migration);
    }
}

/// An org's way from one store to the other.
struct Route<'a> {
    live: Arc<LivePlan>,
    /// What the plan was made from.
    basis: Basis,
    /// The store that the org leaves.
    leaving: &'a Store,
    /// The store that receives it.
    receiving: &'a Store,
}

impl Route<'_> {
    /// Refuses orgs that are known by another text than their rows have: the guard would not see what is written of them.
    async fn must_know(&self, cohort: &Cohort) -> Result<(), EngineError> {
        self.live.plan.keys.must_be_canonical(self.leaving, cohort).await
    }
}

impl PgEngine {
    /// Lets the source log what is written of the orgs, and waits for those who began to write before.
    pub(in crate::engine) async fn live_capture(&self, claims: &[Claim]) -> Result<(), EngineError> {
        let Some((definition, cohort)) = self.with_tables(claims)? else { return Ok(()) };
        let route = self.route(definition, Way::Forward).await?;
        self.reconsider(definition, route.must_know(&cohort).await)?;
        for (store, tables) in [
            (route.leaving, &route.live.plan.source_oids),
            // What is written there after the switch must be there for a rollback.
            (route.receiving, &route.live.plan.target_oids),
        ] {
            guard::must_watch(store, definition, tables).await?;
        }
        let result = undo::capture(route.leaving, &cohort, self.live.limits).await;
        self.reconsider(definition, result)?;
        failpoint::hit("capture.marked");
        try_join!(guard::watch(route.leaving, &cohort), guard::watch(route.receiving, &cohort))?;
        drain::drain(route.leaving, &route.live.plan.source_oids, self.drain_budget).await
    }

    /// Copies the orgs while they are written.
    pub(in crate::engine) async fn live_copy(&self, claims: &[Claim]) -> Result<Copied, EngineError> {
        let Some((definition, cohort)) = self.with_tables(claims)? else { return Ok(Copied::default()) };
        let route = self.route(definition, Way::Forward).await?;
        self.reconsider(definition, route.must_know(&cohort).await)?;
        self.ensure_tables(route.receiving).await?;
        let stores = (route.leaving, route.receiving);
        let copied = copy::copy_live(&route.live, stores, &cohort, self.live.limits).await;
        let copied = self.reconsider(definition, copied)?;
        guard::watch(route.receiving, &cohort).await?;
        // Who went astray and wrote to the target before the org was coming there may not have committed yet.
        drain::drain(route.receiving, &route.live.plan.target_oids, self.drain_budget).await?;
        Ok(copied)
    }

    /// One round of catching up.
    pub(in crate::engine) async fn live_catch_up(&self, claims: &[Claim], way: Way) -> Result<CaughtUp, EngineError> {
        let Some((definition, cohort)) = self.with_tables(claims)? else { return Ok(CaughtUp::default()) };
        let route = self.route(definition, way).await?;
        self.reconsider(definition, route.must_know(&cohort).await)?;
        let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
        let round = Round { live: &route.live, cohort: &cohort, from: &from, to: &to };
        let caught_up = self.reconsider(definition, round.run().await)?;
        from.release();
        to.release();
        Ok(caught_up)
    }

    /// Tallies of the leaving and of the receiving store, without rows whose keys are logged.
    pub(in crate::engine) async fn live_compare(
        &self,
        claims: &[Claim],
        way: Way,
    ) -> Result<Vec<(Tally, Tally)>, EngineError> {
        let Some((definition, cohort)) = self.with_tables(claims)? else {
            return Ok(vec![(Tally::default(), Tally::default()); claims.len()]);
        };
        let route = self.route(definition, way).await?;
        let mut tallies = self.compare_on(&route, definition, &cohort, way).await?;
        Ok(claims.iter().map(|claim| tallies.remove(&claim.key).unwrap_or_default()).collect())
    }

    async fn compare_on(
        &self,
        route: &Route<'_>,
        definition: &Definition,
        cohort: &Cohort,
        way: Way,
    ) -> Result<HashMap<OrgKey, (Tally, Tally)>, EngineError> {
        let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
        let round = Round { live: &route.live, cohort, from: &from, to: &to };
        if way == Way::Back {
            self.reconsider(definition, lost::refuse_orgs(&route.live, &from, cohort).await)?;
        }
        let mut tallies = self.reconsider(definition, compare::compare(round).await)?;
        if way == Way::Back {
            let mut carried = 0;
            for claim in cohort.claims() {
                let Some(unlike) = tallies.get(&claim.key).filter(|(left, right)| left != right) else { continue };
                let alone = Cohort::one(claim);
                let round = Round { cohort: &alone, ..round };
                carried += self.reconsider(definition, differences::carry_over(round, claim, unlike).await)?;
            }
            if carried > 0 {
                tallies = self.reconsider(definition, compare::compare(round).await)?;
            }
        }
        from.release();
        to.release();
        for claim in cohort.claims() {
            if tallies.get(&claim.key).is_some_and(|(left, right)| Verified::compare(left, right).is_ok()) {
                self.proofs.keep(claim, What::Compared(way), &route.basis);
            }
        }
        Ok(tallies)
    }

    /// Lets writers wait.
    pub(in crate::engine) async fn live_block(
        &self,
        claims: &[Claim],
        way: Way,
        turn: OwnedSemaphorePermit,
    ) -> Result<Blocked, EngineError> {
        let Some((definition, cohort)) = self.with_tables(claims)? else {
            return Ok(Blocked { orgs: vec![Access::Held; claims.len()], block: Some(Box::new(NoTables)) });
        };
        let (leaving, receiving) = self.pair(definition, way)?;
        self.ensure_tables(leaving).await?;
        let moved = undo::moved(leaving, &cohort, self.live.limits).await?;
        // Whoever has moved is to go on at once, and waits for nobody's switch.
        let block = match moved.is_empty().then_some(cohort) {
            Some(unmoved) => {
                let route = self.proven_route(definition, &unmoved, way).await?;
                let proof = Proven {
                    unchanged: Unchanged::since(&route.basis, way),
                    proofs: self.proofs.clone(),
                    what: What::Compared(way),
                };
                let bound = Duration::from_millis(definition.limits.max_block_ms);
                let stores = (leaving, receiving);
                let block = block::block(route.live, stores, unmoved, proof, turn, (bound, self.live.limits)).await;
                self.reconsider(definition, block)?
            }
            None => None,
        };
        let access = |claim: &Claim| match &block {
            _ if moved.contains(claim.key.as_str()) => Access::Moved,
            Some(block) if block.holds(claim) => Access::Held,
            _ => Access::Busy,
        };
        let orgs = claims.iter().map(access).collect();
        Ok(Blocked { orgs, block: block.map(|block| Box::new(block) as Box<dyn WriteBlock>) })
    }

    /// Whether the org has left; older claims are refused from now on by both stores. The receiving store comes first: what
    /// the other one says then stays true.
    pub(in crate::engine) async fn live_has_moved(&self, claim: &Claim, way: Way) -> Result<bool, EngineError> {
        let Some(definition) = self.moving_rows(claim)? else { return Ok(false) };
        let (leaving, receiving) = self.pair(definition, way)?;
        self.ensure_tables(leaving).await?;
        // Where there are none, nothing was ever sent.
        if guard::has_tables(receiving).await? {
            undo::refuse_older(receiving, claim, self.live.limits).await?;
        }
        undo::has_moved(leaving, claim, self.live.limits).await
    }

    /// Makes the orgs live in the receiving store, after they have left the other.
    pub(in crate::engine) async fn live_complete(&self, claims: &[Claim], way: Way) -> Result<(), EngineError> {
        let Some((definition, cohort)) = self.with_tables(claims)? else { return Ok(()) };
        undo::complete(self.pair(definition, way)?, &cohort, way, self.live.limits).await
    }

    /// Undoes [`PgEngine::live_capture`]; refused if the org has moved.
    pub(in crate::engine) async fn live_release_source(&self, claim: &Claim) -> Result<(), EngineError> {
        let Some(definition) = self.moving_rows(claim)? else { return Ok(()) };
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
            self.back_up_what_changed(definition, claim).await?;
        }
        self.remove_from(claim, Way::Back).await
    }

    /// Removes the org's rows from the store that would receive it on this way.
    async fn remove_from(&self, claim: &Claim, way: Way) -> Result<i64, EngineError> {
        let Some(definition) = self.moving_rows(claim)? else { return Ok(0) };
        let route = self.route(definition, way).await?;
        let removed = purge::purge(&route.live, route.receiving, claim, self.live.limits.purge_rows).await;
        guard::watch(route.receiving, &Cohort::one(claim)).await?;
        self.reconsider(definition, removed)
    }

    /// Writes the org's rows in the source to a file.
    pub(in crate::engine) async fn live_back_up(&self, claim: &Claim) -> Result<BackedUp, EngineError> {
        let definition = self.definition(&claim.migration)?;
        let route = self.route_since(definition, Way::Forward, Instant::now()).await?;
        self.reconsider(definition, route.must_know(&Cohort::one(claim)).await)?;
        let written = backup::back_up(&route.live, route.leaving, claim, &self.live.backups).await;
        let written = self.reconsider(definition, written)?;
        self.proofs.keep(claim, What::BackedUp, &route.basis);
        Ok(written)
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
        let Some(definition) = self.moving_rows(claim)? else { return Ok(()) };
        let target = self.store(&definition.to)?;
        let doing = Doing::new(target.name(), "ending to log what is written");
        undo::settle(target, claim, self.live.limits, doing).await
    }

    /// The definition, unless its orgs move by their flags alone: then there is nothing to do in the stores.
    fn moving_rows(&self, claim: &Claim) -> Result<Option<&Definition>, EngineError> {
        let definition = self.definition(&claim.migration)?;
        Ok((!definition.tables.is_empty()).then_some(definition))
    }

    async fn route<'a>(&'a self, definition: &'a Definition, way: Way) -> Result<Route<'a>, EngineError> {
        self.route_since(definition, way, self.a_moment_ago()).await
    }

    /// The way between stores whose schemas were looked at no earlier than `not_before`.
    async fn route_since<'a>(
        &'a self,
        definition: &'a Definition,
        way: Way,
        not_before: Instant,
    ) -> Result<Route<'a>, EngineError> {
        let make = |source, target| LivePlan::make(definition, source, target, way);
        let key = (definition.name.clone(), way);
        let Kept { plan: live, basis } = self.live.plans.current(key, self.both(definition)?, not_before, make).await?;
        let (leaving, receiving) = self.pair(definition, way)?;
        Ok(Route { live, basis, leaving, receiving })
    }

    /// The store that orgs leave, and the one that receives them.
    fn pair(&self, definition: &Definition, way: Way) -> Result<(&Store, &Store), EngineError> {
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        Ok(match way {
            Way::Forward => (source, target),
            Way::Back => (target, source),
        })
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
