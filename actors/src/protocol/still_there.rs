//! Whether the copy of an org is still in the target, before the rows that it left in the source are removed for good: a store may
//! have been restored from a time before the move, and then the source has the only rows.

use std::collections::HashSet;
use std::time::Instant;

use futures_util::try_join;

use crate::domain::ids::Epoch;
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::domain::verified::Tally;
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::compare::{self, Constraints, ROWS_AT_ONCE};
use super::doing::{Doing, shortened};
use super::proofs::What;
use super::round::{Round, grow, keys_of};
use super::route::{Migration, Stores};
use super::standing::{Mode, Standing};
use super::store::{Part, Snapshot};

/// How each refusal ends before its next step.
const NOTHING_DONE: &str = "nothing was removed";
/// A message names this many rows.
const NAMED_MAX: usize = 5;

/// The guard rows of an org that has moved, as they are now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standings {
    /// In the source.
    left: Standing,
    /// In the target.
    pub(super) live: Standing,
}

/// Reads both guard rows without changing or making one. Refused unless the source has the org as moved and the target has a row
/// of it: nothing but a move writes these, so a store without it was restored, or replaced.
pub(super) async fn standings<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    what: &str,
) -> Result<Standings, EngineError> {
    let cohort = Cohort::one(lease);
    let read = async |store| {
        let guard = stores.guard(store)?;
        match guard.exists().await? {
            true => Ok(guard.standings(&cohort).await?.remove(&lease.key)),
            false => Ok::<_, EngineError>(None),
        }
    };
    let (left, live) = try_join!(read(&migration.from), read(&migration.to))?;
    let here = Doing::new(&migration.from, what);
    Standing::must_be(left.as_ref(), Mode::Moved, lease, here)?;
    match (left, live) {
        (Some(left), Some(live)) => Ok(Standings { left, live }),
        _ => Err(gone(migration, lease, what)),
    }
}

impl Standings {
    /// Refuses unless the org lives in the target, which logs its writes, since this move: the commits of a move, a rollback that was
    /// given up included, leave the source no newer epoch than the target.
    pub(super) fn must_capture(&self, migration: &Migration, lease: &Lease, what: &str) -> Result<(), EngineError> {
        Standing::must_be(Some(&self.live), Mode::Capturing, lease, Doing::new(&migration.to, what))?;
        if self.live.epoch >= self.left.epoch {
            return Ok(());
        }
        let Migration { from, to, .. } = migration;
        Err(Doing::new(to, what).refused(format!(
            "it has org {} as of epoch {}, and the org left {from} with epoch {}: {to} was restored from a time before that move, so \
             {NOTHING_DONE}; next: bring {to} to a state after the move, or compare both stores by hand",
            lease.org, self.live.epoch, self.left.epoch
        )))
    }

    /// Refuses unless the target has stopped to log the org's writes, at `epoch` or later.
    pub(super) fn must_be_closed(
        &self,
        migration: &Migration,
        lease: &Lease,
        epoch: Epoch,
        what: &str,
    ) -> Result<(), EngineError> {
        let doing = Doing::new(&migration.to, what);
        Standing::must_be(Some(&self.live), Mode::Settled, lease, doing)?;
        if self.live.epoch < epoch { Err(gone(migration, lease, what)) } else { Ok(()) }
    }
}

/// The error for a target that does not know of the move.
fn gone(migration: &Migration, lease: &Lease, what: &str) -> EngineError {
    let Migration { from, to, .. } = migration;
    Doing::new(to, what).refused(format!(
        "nothing is known there of the move of org {}: {to} was restored from a time before it, or its guard was removed. The rows in \
         {from} may be the only ones, so {NOTHING_DONE}; next: bring {to} to a state after the move",
        lease.org
    ))
}

/// Refuses unless the target holds every row that the source has, with the same contents, but for those whose keys were logged
/// since the switch.
pub(super) async fn must_be_there<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
) -> Result<(), EngineError> {
    let route = stores.live_route(migration, Way::Back, Instant::now()).await?;
    if stores.proofs().of(lease, What::StillThere).is_some_and(|proof| proof.holds(lease, &route.basis)) {
        return Ok(());
    }
    let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
    let cohort = Cohort::one(lease);
    let round = Round { route: &route, cohort: &cohort, from: &*from, to: &*to };
    let mut tallies = compare::tally(round, &stores.proofs().streams, Constraints::LeftOut).await?;
    let (live, left) = tallies.remove(&lease.key).unwrap_or_default();
    if let Some(table) = route.tables.iter().position(|table| live.0.get(&table.label) != left.0.get(&table.label)) {
        return Err(unlike(round, migration, lease, table, (&live, &left)).await?);
    }
    from.release();
    to.release();
    stores.proofs().keep(lease, What::StillThere, &route.basis);
    Ok(())
}

/// Refuses a target without any row of an org that left some behind.
pub(super) async fn must_have_rows<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    what: &str,
    file: &std::path::Path,
) -> Result<(), EngineError> {
    let route = stores.live_route(migration, Way::Back, stores.a_moment_ago()).await?;
    let sizes = route.leaving.sizes(&Cohort::one(lease)).await?;
    if sizes.get(&lease.key).is_some_and(|rows| *rows > 0) {
        return Ok(());
    }
    let Migration { from, to, .. } = migration;
    Err(Doing::new(to, what).refused(format!(
        "it holds no row of org {}, whose rows in {from} may be the only ones, so {NOTHING_DONE}; next: load them there, as they were \
         at the switch: mover restore {} --to {to}",
        lease.org,
        file.display()
    )))
}

/// The error for a table in which the target does not have what the source has; names rows.
async fn unlike(
    round: Round<'_>,
    migration: &Migration,
    lease: &Lease,
    table: usize,
    (live, left): (&Tally, &Tally),
) -> Result<EngineError, EngineError> {
    let Migration { from, to, .. } = migration;
    let Some(outline) = round.route.tables.get(table) else { return Ok(gone(migration, lease, "comparing the org")) };
    let count = |tally: &Tally| tally.0.get(&outline.label).map_or(0, |tally| tally.rows);
    let (live, left) = (count(live), count(left));
    let (missing, other) = differing(round, lease, table, live.max(left)).await?;
    let listed = |rows: &[String]| shortened(&format!("({})={}", outline.key.join(", "), rows.join(", ")));
    let doing = Doing::new(to, "looking whether the copy is still there").on(&outline.label);
    let rows = format!("of the rows without a logged write {from} has {left} and {to} {live}");
    let (mut error, rows) = match (missing.is_empty(), other.is_empty()) {
        (false, _) => (
            doing.refused(format!(
                "rows of org {} are gone there, although nothing logged that they were removed: {}; {rows}. {to} may have been \
                 restored, so {NOTHING_DONE}; next: bring the rows back there, or roll the org back",
                lease.org,
                listed(&missing)
            )),
            Some(listed(&missing)),
        ),
        (true, false) => (
            doing.refused(format!(
                "rows of org {} are not as they were at the switch, although nothing logged that they were written: {}; {rows}, so \
                 {NOTHING_DONE}; next: if those in {to} are right, as after ADD COLUMN with a default that differs from row to row, \
                 write them there once, so that they are logged: UPDATE {} SET {} = {} WHERE …",
                lease.org,
                listed(&other),
                outline.label,
                outline.key.first().map_or("id", String::as_str),
                outline.key.first().map_or("id", String::as_str),
            )),
            Some(listed(&other)),
        ),
        (true, true) => (doing.not_now(format!("{rows}, which no row explains")), None),
    };
    error.place.row = rows;
    Ok(error)
}

/// Some rows that only the source has, and some that are different in the target, without those whose keys are logged.
async fn differing(
    round: Round<'_>,
    lease: &Lease,
    table: usize,
    rows: i64,
) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let Round { route, cohort, from, to } = round;
    let mut keys = keys_of(route, from.log(cohort, Snapshot::Short).await?);
    grow(round, &mut keys).await?;
    let (logged_here, logged_there) =
        try_join!(from.hashes_of(cohort, &keys, table), to.hashes_of(cohort, &keys, table))?;
    // The hash is over the whole row, its key included.
    let logged_here: HashSet<i64> = logged_here.into_values().collect();
    let logged_there: HashSet<i64> = logged_there.into_values().collect();
    let (mut missing, mut other) = (Vec::new(), Vec::new());
    let of = rows / ROWS_AT_ONCE + 1;
    for number in 0..of {
        let part = Part { number, of };
        let (here, there) = try_join!(from.hashes_in(lease, table, part), to.hashes_in(lease, table, part))?;
        for (key, hash) in there.into_iter().filter(|(_, hash)| !logged_there.contains(hash)) {
            match here.get(&key) {
                None => missing.push(key),
                Some(found) if *found != hash && !logged_here.contains(found) => other.push(key),
                Some(_) => {}
            }
        }
        if missing.len() >= NAMED_MAX {
            break;
        }
    }
    from.end_snapshot().await?;
    for rows in [&mut missing, &mut other] {
        rows.sort();
        rows.truncate(NAMED_MAX);
    }
    Ok((missing, other))
}
