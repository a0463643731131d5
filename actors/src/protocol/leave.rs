//! Finds out whether an org has left a store, completes or undoes that, and removes the rows that it left behind.

use std::collections::HashSet;
use std::time::Duration;

use crate::domain::ids::OrgKey;
use crate::domain::record::{Backup, Lease};
use crate::domain::state::Way;
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::doing::Doing;
use super::route::{Migration, Stores, pair};
use super::standing::Mode;
use super::still_there::is_of_earlier;
use super::store::{Guard, Keeps};

/// The orgs that have moved away; older epochs are refused from now on.
pub(super) async fn moved(guard: &dyn Guard, cohort: &Cohort) -> Result<HashSet<OrgKey>, EngineError> {
    let modes = guard.fence(cohort).await?;
    Ok(modes.into_iter().filter(|(_, mode)| *mode == Mode::Moved).map(|(key, _)| key).collect())
}

/// Whether the org has left; both stores refuse older epochs from now on. The receiving store comes first: the answer of the
/// other store then stays true.
pub(super) async fn has_moved<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    way: Way,
) -> Result<bool, EngineError> {
    let (leaving, receiving) = pair(migration, way);
    let (leaving, receiving) = (stores.guard(leaving)?, stores.guard(receiving)?);
    leaving.ensure(Keeps::Changes).await?;
    if way == Way::Back {
        // A row that is made up or raised in a store that was restored would hide that.
        if is_of_earlier(stores, migration, lease).await? {
            return Ok(false);
        }
        // The guard of the source must never get ahead of that of the target: so a restored target is told from another.
        leaving.fence(&Cohort::one(lease)).await?;
    }
    // Without a guard nothing was ever sent.
    if receiving.exists().await? {
        receiving.refuse_older(lease).await?;
    }
    Ok(!moved(leaving, &Cohort::one(lease)).await?.is_empty())
}

/// Makes the orgs live in the receiving store, after they have left the other.
pub(super) async fn complete<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
    way: Way,
) -> Result<(), EngineError> {
    let (leaving, receiving) = pair(migration, way);
    let gone = moved(stores.guard(leaving)?, cohort).await?;
    if let Some(lease) = cohort.first_missing(&gone) {
        let doing = Doing::new(receiving, "making the org live here");
        return Err(doing.refused(format!("org {} has not left {leaving} yet", lease.org)));
    }
    stores.guard(receiving)?.arrive(cohort, way).await
}

/// Makes the org live in the store and stops the log there; refused if it has moved away.
pub(super) async fn stop_capture(guard: &dyn Guard, lease: &Lease) -> Result<(), EngineError> {
    let what = "ending to log what is written";
    guard.ensure(Keeps::Changes).await?;
    if !moved(guard, &Cohort::one(lease)).await?.is_empty() {
        let doing = Doing::new(guard.store(), what);
        return Err(doing.refused("the org has moved away: what is done now must lead forward"));
    }
    guard.stop_capture(lease, what).await
}

/// How much longer the target keeps the copy of an org that was rolled back. A client whose flags are a moment old still goes there: it
/// must find the rows, so that its statements are refused. Statements that find no row are not.
pub(super) async fn copy_kept_for<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
) -> Result<Duration, EngineError> {
    let kept = stores.live_limits().copy_kept;
    if kept.is_zero() {
        return Ok(kept);
    }
    let left_ago = stores.guard(&migration.to)?.left_ago(lease).await?;
    Ok(left_ago.map_or(Duration::ZERO, |ago| kept.saturating_sub(ago)))
}

/// Removes the copy of an org that was rolled back from the target, but not too early.
pub(super) async fn discard_rolled_back<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
) -> Result<(), EngineError> {
    let longer = copy_kept_for(stores, migration, lease).await?;
    if !longer.is_zero() {
        let doing = Doing::new(&migration.to, "removing the copy of a rolled back org");
        return Err(doing.not_now(format!("it is kept for {} s more", longer.as_secs_f64().ceil())));
    }
    remove(stores, migration, lease, Way::Forward, None).await.map(drop)
}

/// Removes the org's rows from the receiving store of this direction, of a backup if one is given; returns how many.
pub(super) async fn remove<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    way: Way,
    backup: Option<&Backup>,
) -> Result<i64, EngineError> {
    // The guard may be of an earlier version, under which the org came to the other store.
    stores.guard(pair(migration, way).1)?.ensure(Keeps::Changes).await?;
    let route = stores.live_route(migration, way, stores.a_moment_ago()).await?;
    let removed = route.receiving.purge(lease, backup).await;
    route.receiving.watch(&Cohort::one(lease)).await?;
    removed
}
