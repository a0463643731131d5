//! The beginning of an online move: what is written of the orgs is logged, and nobody is left who began to write before.

use futures_util::try_join;

use crate::domain::state::Way;
use crate::failpoint;
use crate::ports::{Copied, EngineError};

use super::cohort::Cohort;
use super::ranges::copy_live;
use super::route::{Migration, Stores};
use super::store::Keeps;

/// Has the source log what is written of the orgs, and waits for the writers that began before.
pub(super) async fn capture<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
) -> Result<(), EngineError> {
    let route = stores.live_route(migration, Way::Forward, stores.a_moment_ago()).await?;
    route.leaving.must_be_canonical(cohort).await?;
    route.leaving.must_watch().await?;
    // What is written there after the switch must be there for a rollback.
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
    route.leaving.must_be_canonical(cohort).await?;
    stores.guard(&migration.to)?.ensure(Keeps::Changes).await?;
    let kept = (stores.guard(&migration.from)?, &**stores.proofs());
    let copied = copy_live(&route, kept, cohort, stores.live_limits()).await?;
    route.receiving.watch(cohort).await?;
    // A client that went astray and wrote to the target before the org was coming there may not have committed yet.
    route.receiving.drain().await?;
    Ok(copied)
}
