//! The beginning of an online move: writes of the orgs are logged, and the writers that began before have ended.

use futures_util::try_join;

use crate::domain::state::Way;
use crate::failpoint;
use crate::ports::{Copied, EngineError};

use super::cohort::Cohort;
use super::held::must_be_free;
use super::ranges::copy_live;
use super::route::{Migration, Stores};
use super::store::Keeps;

/// Makes the source log writes of the orgs, and waits for the writers that began before.
pub(super) async fn capture<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
) -> Result<(), EngineError> {
    let route = stores.live_route(migration, Way::Forward, stores.a_moment_ago()).await?;
    route.leaving.must_be_movable(cohort).await?;
    must_be_free(&*route.leaving, &*route.receiving, cohort, Way::Forward).await?;
    route.leaving.must_watch().await?;
    // A rollback must carry over everything that is written there after the switch.
    route.receiving.must_watch().await?;
    stores.guard(&migration.from)?.capture(cohort).await?;
    failpoint::hit("capture.marked");
    try_join!(route.leaving.watch(cohort), route.receiving.watch(cohort))?;
    route.leaving.drain().await
}

/// Copies orgs while they are written.
pub(super) async fn copy<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
) -> Result<Copied, EngineError> {
    let route = stores.live_route(migration, Way::Forward, stores.a_moment_ago()).await?;
    route.leaving.must_be_movable(cohort).await?;
    must_be_free(&*route.leaving, &*route.receiving, cohort, Way::Forward).await?;
    stores.guard(&migration.to)?.ensure(Keeps::Changes).await?;
    let kept = (stores.guard(&migration.from)?, &**stores.proofs(), stores.turns());
    let copied = copy_live(&route, kept, cohort, stores.live_limits()).await?;
    route.receiving.watch(cohort).await?;
    // A misrouted client that wrote to the target before the org was `incoming` there may not have committed yet.
    route.receiving.drain().await?;
    Ok(copied)
}
