//! The [`Engine`] over any [`Stores`].

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::try_join;

use crate::domain::flags::Routing;
use crate::domain::ids::{MigrationName, OrgKey};
use crate::domain::record::{Backup, Lease, Place};
use crate::domain::state::{Strategy, Way};
use crate::domain::verified::{Mismatch, Tally};
use crate::ports::{
    Access, BackedUp, BlockOutcome, CaughtUp, Copied, Engine, EngineError, Limits, Listing, Side, WriteBlock,
};

use super::cohort::Cohort;
use super::copy::{First, copy};
use super::held::must_be_free;
use super::round::Round;
use super::route::{Migration, Moves, Stores, pair};
use super::still_there::must_be_of_this_round;
use super::store::Keeps;
use super::switch::block;
use super::{capture, compare, finish, leave, settle};

const GOING_BACK: &str = "looking whether the org can go back";

/// A permanent fault may come from a schema that was changed, or be fixed by changing it: read the schemas again next time.
fn reconsider<T>(
    stores: &(impl Stores + ?Sized),
    migration: &Migration,
    result: Result<T, EngineError>,
) -> Result<T, EngineError> {
    if result.as_ref().is_err_and(|error| !error.transient) {
        stores.doubt(&migration.name);
    }
    result
}

/// The migration and the cohort of these leases, unless it moves no rows: then the stores have nothing to do.
fn moving_rows<'a>(
    stores: &'a (impl Stores + ?Sized),
    leases: &[Lease],
) -> Result<Option<(&'a Migration, Cohort)>, EngineError> {
    let Some(cohort) = Cohort::of(leases.to_vec()) else { return Ok(None) };
    let Some(lease) = leases.first() else { return Ok(None) };
    let migration = stores.migration(&lease.migration)?;
    Ok((migration.moves == Moves::Rows).then_some((migration, cohort)))
}

fn in_order<T: Default>(leases: &[Lease], mut found: HashMap<OrgKey, T>) -> Vec<T> {
    leases.iter().map(|lease| found.remove(&lease.key).unwrap_or_default()).collect()
}

#[async_trait]
impl<S: Stores> Engine for S {
    fn routing(&self, migration: &MigrationName) -> Result<Routing, EngineError> {
        Ok(self.migration(migration)?.routing.clone())
    }

    fn limits(&self, migration: &MigrationName) -> Result<Limits, EngineError> {
        let Migration { strategy, limits, .. } = self.migration(migration)?;
        // A large org goes alone, so that it can be copied in ranges.
        let cohort_rows = match strategy {
            Strategy::Online => limits.cohort_rows.min(self.live_limits().range_rows),
            Strategy::Offline | Strategy::Window => limits.cohort_rows,
        };
        Ok(Limits { cohort_rows, ..*limits })
    }

    async fn sizes(&self, leases: &[Lease]) -> Result<Vec<i64>, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else { return Ok(vec![0; leases.len()]) };
        let sizes = async {
            let route = self.copy_route(migration, self.a_moment_ago()).await?;
            route.leaving.sizes(&cohort).await
        };
        Ok(in_order(leases, reconsider(self, migration, sizes.await)?))
    }

    async fn listings(&self, leases: &[Lease], side: Side) -> Result<Vec<Listing>, EngineError> {
        let _turn = self.turns().take(1).await?;
        match leases.first() {
            Some(lease) => Stores::listings(self, self.migration(&lease.migration)?, leases, side).await,
            None => Ok(Vec::new()),
        }
    }

    async fn drain(&self, leases: &[Lease]) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, _)) = moving_rows(self, leases)? else { return Ok(()) };
        self.copy_route(migration, self.a_moment_ago()).await?.leaving.drain().await
    }

    async fn copy(&self, leases: &[Lease]) -> Result<Copied, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else {
            return carry_out_steps(self, leases).await;
        };
        let copied = async {
            self.guard(&migration.to)?.ensure(Keeps::Standings).await?;
            let route = self.copy_route(migration, self.a_moment_ago()).await?;
            route.leaving.must_be_movable(&cohort).await?;
            must_be_free(&*route.leaving, &*route.receiving, &cohort, Way::Forward).await?;
            let kept = (&**self.proofs(), self.turns(), &route.basis);
            copy((&*route.leaving, &*route.receiving), &cohort, First::Snapshot, kept).await
        };
        reconsider(self, migration, copied.await)
    }

    async fn tally(&self, leases: &[Lease], side: Side) -> Result<Vec<Tally>, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else {
            return Ok(vec![Tally::default(); leases.len()]);
        };
        let route = self.copy_route(migration, self.a_moment_ago()).await?;
        Ok(in_order(leases, reconsider(self, migration, settle::tally(&route, &cohort, side).await)?))
    }

    async fn verify(&self, leases: &[Lease]) -> Result<Vec<(Tally, Tally)>, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else {
            return Ok(vec![(Tally::default(), Tally::default()); leases.len()]);
        };
        let route = self.copy_route(migration, self.a_moment_ago()).await?;
        Ok(in_order(leases, reconsider(self, migration, settle::verify(self, migration, &route, &cohort).await)?))
    }

    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError> {
        Stores::explain(self, lease, mismatch).await
    }

    async fn doubt_proofs(&self, leases: &[Lease]) -> Result<(), EngineError> {
        if let Some((_, cohort)) = moving_rows(self, leases)? {
            settle::forget_proofs(self, &cohort);
        }
        Ok(())
    }

    async fn settle(&self, leases: &[Lease]) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else { return Ok(()) };
        reconsider(self, migration, settle::settle(self, migration, &cohort).await)
    }

    async fn discard(&self, lease: &Lease) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        let migration = self.migration(&lease.migration)?;
        match migration.moves {
            Moves::Flags => Ok(()),
            Moves::Steps => self.take_back_steps(lease).await,
            Moves::Rows => reconsider(self, migration, Stores::discard(self, migration, &Cohort::one(lease)).await),
        }
    }

    async fn capture(&self, leases: &[Lease]) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else { return Ok(()) };
        reconsider(self, migration, capture::capture(self, migration, &cohort).await)
    }

    async fn copy_live(&self, leases: &[Lease]) -> Result<Copied, EngineError> {
        // Only an org without a cohort is copied in ranges.
        let connections = if leases.len() == 1 { 1 + self.live_limits().ranges_at_once.max(1) } else { 1 };
        let _turn = self.turns().take_for_long(connections).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else { return Ok(Copied::default()) };
        reconsider(self, migration, capture::copy(self, migration, &cohort).await)
    }

    async fn catch_up(&self, leases: &[Lease], way: Way) -> Result<CaughtUp, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else { return Ok(CaughtUp::default()) };
        let caught_up = async {
            if way == Way::Back {
                must_be_of_this_round(self, migration, &cohort, GOING_BACK).await?;
            }
            let route = self.live_route(migration, way, self.a_moment_ago()).await?;
            route.leaving.must_be_movable(&cohort).await?;
            if way == Way::Back {
                must_be_free(&*route.leaving, &*route.receiving, &cohort, way).await?;
            }
            let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
            let caught_up = Round { route: &route, cohort: &cohort, from: &*from, to: &*to }.run().await?;
            from.release();
            to.release();
            Ok(caught_up)
        };
        reconsider(self, migration, caught_up.await)
    }

    async fn compare(&self, leases: &[Lease], way: Way) -> Result<Vec<(Tally, Tally)>, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else {
            return Ok(vec![(Tally::default(), Tally::default()); leases.len()]);
        };
        let tallies = async {
            if way == Way::Back {
                must_be_of_this_round(self, migration, &cohort, GOING_BACK).await?;
            }
            let route = self.live_route(migration, way, self.a_moment_ago()).await?;
            compare::compare(self, &route, &cohort).await
        };
        Ok(in_order(leases, reconsider(self, migration, tallies.await)?))
    }

    async fn has_moved(&self, lease: &Lease, way: Way) -> Result<bool, EngineError> {
        let _turn = self.turns().take(1).await?;
        match moving_rows(self, std::slice::from_ref(lease))? {
            Some((migration, _)) => leave::has_moved(self, migration, lease, way).await,
            None => Ok(false),
        }
    }

    async fn block(&self, leases: &[Lease], way: Way) -> Result<BlockOutcome, EngineError> {
        let turn = self.turns().take(1).await?;
        let Some((migration, cohort)) = moving_rows(self, leases)? else {
            return Ok(BlockOutcome { orgs: vec![Access::Held; leases.len()], block: Some(Box::new(NoRows)) });
        };
        let guard = self.guard(pair(migration, way).0)?;
        guard.ensure(Keeps::Changes).await?;
        if way == Way::Back {
            must_be_of_this_round(self, migration, &cohort, GOING_BACK).await?;
        }
        let moved = leave::moved(guard, &cohort).await?;
        // An org that has moved continues at once, and waits for no other org's switch.
        let block = match moved.is_empty().then_some(cohort) {
            Some(unmoved) => {
                let block = async {
                    let route = compare::proven_route(self, migration, &unmoved, way).await?;
                    let bound = Duration::from_millis(migration.limits.max_block_ms);
                    block(route, unmoved, self.proofs().clone(), (self.turns(), turn), (bound, self.live_limits()))
                        .await
                };
                reconsider(self, migration, block.await)?
            }
            None => None,
        };
        let access = |lease: &Lease| match &block {
            _ if moved.contains(&lease.key) => Access::Moved,
            Some(block) if block.holds(lease) => Access::Held,
            _ => Access::Busy,
        };
        let orgs = leases.iter().map(access).collect();
        Ok(BlockOutcome { orgs, block: block.map(|block| Box::new(block) as Box<dyn WriteBlock>) })
    }

    async fn complete(&self, leases: &[Lease], way: Way) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        match moving_rows(self, leases)? {
            Some((migration, cohort)) => leave::complete(self, migration, &cohort, way).await,
            None => Ok(()),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        match moving_rows(self, std::slice::from_ref(lease))? {
            Some((migration, _)) => leave::stop_capture(self.guard(&migration.from)?, lease).await,
            None => Ok(()),
        }
    }

    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, _)) = moving_rows(self, std::slice::from_ref(lease))? else { return Ok(()) };
        reconsider(self, migration, leave::discard_rolled_back(self, migration, lease).await)
    }

    async fn copy_kept_for(&self, lease: &Lease) -> Result<Duration, EngineError> {
        let _turn = self.turns().take(1).await?;
        match moving_rows(self, std::slice::from_ref(lease))? {
            Some((migration, _)) => leave::copy_kept_for(self, migration, lease).await,
            None => Ok(Duration::ZERO),
        }
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        let _turn = self.turns().take(1).await?;
        let migration = self.migration(&lease.migration)?;
        reconsider(self, migration, finish::back_up(self, migration, lease).await)
    }

    async fn close(&self, lease: &Lease, backup: &Backup) -> Result<(), EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, _)) = moving_rows(self, std::slice::from_ref(lease))? else { return Ok(()) };
        reconsider(self, migration, finish::close(self, migration, lease, backup).await)
    }

    async fn purge(&self, lease: &Lease, backup: &Backup) -> Result<i64, EngineError> {
        let _turn = self.turns().take(1).await?;
        let Some((migration, _)) = moving_rows(self, std::slice::from_ref(lease))? else { return Ok(0) };
        reconsider(self, migration, finish::purge(self, migration, lease, backup).await)
    }
}

/// The copy step of a migration without tables.
async fn carry_out_steps(stores: &(impl Stores + ?Sized), leases: &[Lease]) -> Result<Copied, EngineError> {
    let mut copied = Copied::default();
    for lease in leases {
        let migration = stores.migration(&lease.migration)?;
        if migration.moves == Moves::Steps {
            stores.guard(&migration.to)?.ensure(Keeps::Standings).await?;
            copied.rows += stores.carry_out_steps(lease).await?.rows;
        }
    }
    Ok(copied)
}

/// An org that moves by its flags alone has no writers to wait for.
struct NoRows;

#[async_trait]
impl WriteBlock for NoRows {
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
