//! Before an offline move makes a copy live: the proof must be of both stores as they are now.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::try_join;
use tracing::warn;

use crate::domain::ids::OrgKey;
use crate::domain::record::Lease;
use crate::domain::state::Strategy;
use crate::domain::verified::{Mismatch, Tally, Verified};
use crate::failpoint;
use crate::ports::{EngineError, Side};

use super::cohort::Cohort;
use super::copy::{First, copy};
use super::proofs::What;
use super::route::{CopyRoute, Migration, Stores};
use super::standing::Mode;
use super::store::Session;

/// Both sides of an offline proof.
const TALLIES: [What; 2] = [What::Tallied(Side::Source), What::Tallied(Side::Target)];

/// Makes copies live.
pub(super) async fn settle<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
) -> Result<(), EngineError> {
    prove(stores, migration, cohort).await?;
    let guard = stores.guard(&migration.to)?;
    // One request is one transaction: nothing is changed before it, everything after it.
    failpoint::hit("settle.before_commit");
    guard.settle(cohort).await?;
    failpoint::hit("settle.committed");
    forget_proofs(stores, cohort);
    Ok(())
}

/// Forgets what was proven of the orgs.
pub(super) fn forget_proofs<S: Stores + ?Sized>(stores: &S, cohort: &Cohort) {
    cohort.leases().iter().for_each(|lease| stores.proofs().forget(lease, &TALLIES));
    stores.proofs().streams.forget(cohort);
}

/// Counts and hashes the orgs' rows in one store.
pub(super) async fn tally(
    route: &CopyRoute,
    cohort: &Cohort,
    side: Side,
) -> Result<HashMap<OrgKey, Tally>, EngineError> {
    let session: Box<dyn Session> = match side {
        Side::Source => route.leaving.reader().await?,
        Side::Target => route.receiving.receiver().await?,
    };
    let tallies = session.tally(cohort).await?;
    session.release();
    Ok(tallies)
}

/// Counts and hashes the orgs' rows in both stores, while there are no writes. Those of the source are read again only if one
/// of them may have been written since they were copied.
pub(super) async fn verify<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    route: &CopyRoute,
    cohort: &Cohort,
) -> Result<HashMap<OrgKey, (Tally, Tally)>, EngineError> {
    let source = async {
        let session = route.leaving.reader().await?;
        let streams = &stores.proofs().streams;
        let mut tallies = streams.still_true(&*session, cohort, &route.basis, &route.labels).await?;
        if let Some(rest) = cohort.only(|lease| !tallies.contains_key(&lease.key)) {
            tallies.extend(session.tally(&rest).await?);
        }
        session.release();
        Ok(tallies)
    };
    let (source, target) = try_join!(source, tally(route, cohort, Side::Target))?;
    let mut tallies = pairs(source, target);
    // A hash that was computed during the copy may be wrong, too.
    if let Some(unlike) = cohort.only(|lease| tallies.get(&lease.key).is_none_or(|(left, right)| left != right)) {
        stores.proofs().streams.forget(&unlike);
        let (source, target) = try_join!(tally(route, &unlike, Side::Source), tally(route, &unlike, Side::Target))?;
        tallies.extend(pairs(source, target));
    }
    if migration.strategy == Strategy::Offline {
        for lease in cohort.leases() {
            TALLIES.into_iter().for_each(|what| stores.proofs().keep(lease, what, &route.basis));
        }
    }
    Ok(tallies)
}

fn pairs(source: HashMap<OrgKey, Tally>, mut target: HashMap<OrgKey, Tally>) -> HashMap<OrgKey, (Tally, Tally)> {
    let pair = |(key, source)| {
        let target = target.remove(&key).unwrap_or_default();
        (key, (source, target))
    };
    source.into_iter().map(pair).collect()
}

/// Refuses unless both stores hold the same rows of each org. They need not be read again if neither store has changed since
/// they were tallied; otherwise they are compared again and, if they differ, copied again: there are no writes, and no way back
/// from this step.
async fn prove<S: Stores + ?Sized>(stores: &S, migration: &Migration, cohort: &Cohort) -> Result<(), EngineError> {
    let route = stores.copy_route(migration, Instant::now()).await;
    let is_proven = |lease: &Lease| {
        let holds = |what, basis| stores.proofs().of(lease, what).is_some_and(|proof| proof.holds(lease, basis));
        route.as_ref().is_ok_and(|route| TALLIES.into_iter().all(|what| holds(what, &route.basis)))
    };
    let Some(unproven) = cohort.only(|lease| !is_proven(lease)) else { return Ok(()) };
    // Others are live already, or the guard says why they must not be.
    let standings = stores.guard(&migration.to)?.standings(&unproven).await?;
    let is_copy = |lease: &Lease| {
        standings.get(&lease.key).is_some_and(|found| found.mode == Mode::Incoming && found.epoch <= lease.epoch)
    };
    let Some(unproven) = unproven.only(is_copy) else { return Ok(()) };
    let route = route?;
    let found = mismatches(&route, &unproven).await?;
    let Some(unlike) = unproven.only(|lease| found.contains_key(&lease.key)) else { return Ok(()) };
    for lease in unlike.leases() {
        let before = stores.proofs().of(lease, What::Tallied(Side::Source));
        let changes = before.and_then(|before| before.basis.changes(&route.basis)).unwrap_or_default();
        warn!(migration = %migration.name, org = %lease.org, %changes, "the copy is not as it was proven and is made anew");
    }
    let kept = (&**stores.proofs(), stores.turns(), &route.basis);
    copy((&*route.leaving, &*route.receiving), &unlike, First::Snapshot, kept).await?;
    let found = mismatches(&route, &unlike).await?;
    match unlike.leases().iter().find_map(|lease| Some((lease, found.get(&lease.key)?))) {
        None => Ok(()),
        Some((lease, mismatch)) => {
            let place = Box::new(stores.explain(lease, mismatch).await?);
            Err(EngineError { transient: false, reason: mismatch.to_string(), place })
        }
    }
}

/// The orgs whose rows differ between the stores.
async fn mismatches(route: &CopyRoute, cohort: &Cohort) -> Result<HashMap<OrgKey, Mismatch>, EngineError> {
    let (source, target) = try_join!(tally(route, cohort, Side::Source), tally(route, cohort, Side::Target))?;
    let compared = pairs(source, target).into_iter().filter_map(|(key, (source, target))| {
        Verified::compare(&source, &target).err().map(|mismatch| (key, mismatch))
    });
    Ok(compared.collect())
}
