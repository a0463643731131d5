//! Whether the copy of an org is still in the target, before the rows that it left in the source are removed for good: a store may
//! have been restored from a time before the move, and then the source has the only rows.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::try_join;

use crate::domain::ids::{Epoch, OrgKey};
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::domain::verified::Tally;
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::compare::{self, Constraints};
use super::doing::Doing;
use super::proofs::What;
use super::round::Round;
use super::route::{Migration, Stores};
use super::standing::{Mode, Standing};
use super::store::Kept;
use super::unlogged::{self, Unlogged, listed, unlogged};

/// What an operator does who looks whether the stores differ.
const VERIFYING: &str = "verifying an org that has moved";

/// How each refusal ends before its next step.
const NOTHING_DONE: &str = "nothing was removed";

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
    let (mut left, mut live) = known(stores, migration, &Cohort::one(lease)).await?;
    let (left, live) = (left.remove(&lease.key), live.remove(&lease.key));
    let here = Doing::new(&migration.from, what);
    Standing::must_be(left.as_ref(), Mode::Moved, lease, here)?;
    match (left, live) {
        (Some(left), Some(live)) => Ok(Standings { left, live }),
        _ => Err(gone(migration, lease, what)),
    }
}

/// What the guard rows of a cohort in the source and in the target say.
type Known = HashMap<OrgKey, Standing>;

async fn known<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
) -> Result<(Known, Known), EngineError> {
    let read = async |store| {
        let guard = stores.guard(store)?;
        match guard.exists().await? {
            true => guard.standings(cohort).await,
            false => Ok::<_, EngineError>(HashMap::new()),
        }
    };
    try_join!(read(&migration.from), read(&migration.to))
}

/// Refuses to take orgs back out of a target that was restored from an earlier round of their moves. After this, older epochs are
/// refused there: the guard of the source never gets ahead of that of the target, so that a later look can tell.
pub(super) async fn must_be_of_this_round<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
    what: &str,
) -> Result<(), EngineError> {
    let (left, live) = known(stores, migration, cohort).await?;
    for lease in cohort.leases() {
        if let (Some(left), Some(live)) = (left.get(&lease.key), live.get(&lease.key)) {
            Standings { left: *left, live: *live }.must_not_be_behind(migration, lease, what)?;
        }
    }
    let older = |lease: &Lease| live.get(&lease.key).is_some_and(|live| live.epoch < lease.epoch);
    match cohort.only(older) {
        Some(older) => stores.guard(&migration.to)?.fence(&older).await.map(drop),
        None => Ok(()),
    }
}

/// Whether the target does not know of the org's move, or only of an earlier one: then it was restored.
pub(super) async fn is_of_earlier<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
) -> Result<bool, EngineError> {
    let (left, live) = known(stores, migration, &Cohort::one(lease)).await?;
    Ok(match (left.get(&lease.key), live.get(&lease.key)) {
        (_, None) => true,
        (Some(left), Some(live)) => Standings { left: *left, live: *live }.is_behind(),
        (None, Some(_)) => false,
    })
}

impl Standings {
    /// Refuses unless the org lives in the target, which logs its writes, since this move: the commits of a move, a rollback that was
    /// given up included, leave the source no newer epoch than the target.
    pub(super) fn must_capture(&self, migration: &Migration, lease: &Lease, what: &str) -> Result<(), EngineError> {
        Standing::must_be(Some(&self.live), Mode::Capturing, lease, Doing::new(&migration.to, what))?;
        self.must_not_be_behind(migration, lease, what)
    }

    /// Whether the target logs the writes of an earlier move than the one with which the org left.
    fn is_behind(&self) -> bool {
        (self.left.mode, self.live.mode) == (Mode::Moved, Mode::Capturing) && self.live.epoch < self.left.epoch
    }

    fn must_not_be_behind(&self, migration: &Migration, lease: &Lease, what: &str) -> Result<(), EngineError> {
        if !self.is_behind() {
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

/// Rows of an org in the target that are not as they were at the switch, although nothing logged that they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The table.
    pub table: String,
    /// Some of the rows, by their keys.
    pub rows: String,
    /// Whether they are gone, or have other contents.
    pub are_gone: bool,
}

/// Looks for such rows of an org that has moved online, whose target logs its writes; `None`: both stores differ by logged writes at
/// most. Reads only, and proves nothing to a later step.
pub async fn damage<S: Stores + ?Sized>(stores: &S, lease: &Lease) -> Result<Option<Damage>, EngineError> {
    let migration = stores.migration(&lease.migration)?;
    standings(stores, migration, lease, VERIFYING).await?.must_capture(migration, lease, VERIFYING)?;
    let route = stores.live_route(migration, Way::Back, Instant::now()).await?;
    let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
    let cohort = Cohort::one(lease);
    let round = Round { route: &route, cohort: &cohort, from: &*from, to: &*to };
    let mut tallies = compare::tally(round, &stores.proofs().streams, Constraints::LeftOut).await?;
    let (live, left) = tallies.remove(&lease.key).unwrap_or_default();
    let mut tables = route.tables.iter().enumerate();
    let unlike = tables.find(|(_, outline)| live.0.get(&outline.label) != left.0.get(&outline.label));
    let found = match unlike {
        None => None,
        Some((number, outline)) => {
            let count = |tally: &Tally| tally.0.get(&outline.label).map_or(0, |tally| tally.rows);
            let Unlogged { missing, other } = unlogged(round, lease, number, count(&live).max(count(&left))).await?;
            let are_gone = !missing.is_empty();
            let keys = if are_gone { missing } else { other };
            if keys.is_empty() {
                let doing = Doing::new(&migration.to, VERIFYING).on(&outline.label);
                return Err(doing.not_now(format!("rows of org {} changed while they were compared", lease.org)));
            }
            Some(Damage { table: outline.label.clone(), rows: listed(round, number, &keys), are_gone })
        }
    };
    from.release();
    to.release();
    Ok(found)
}

/// What the target has of an org that lives there.
pub(super) async fn live_rows<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
) -> Result<Tally, EngineError> {
    let route = stores.live_route(migration, Way::Back, stores.a_moment_ago()).await?;
    let session = route.leaving.session().await?;
    let live = session.tally(&Cohort::one(lease)).await?.remove(&lease.key).unwrap_or_default();
    session.release();
    Ok(live)
}

/// Refuses a target without any row of an org that was backed up with some, or without any row of a table of which it had some
/// then, and the source has some still.
pub(super) async fn must_have_rows<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    file: &std::path::Path,
    (kept, left): (&Kept, &Tally),
) -> Result<(), EngineError> {
    if kept.rows.values().all(|rows| *rows == 0) {
        return Ok(());
    }
    let live = live_rows(stores, migration, lease).await?;
    let Migration { from, to, .. } = migration;
    let (file, doing) = (file.display(), Doing::new(to, "looking whether the rows are still there"));
    if live.rows() == 0 {
        return Err(doing.refused(format!(
            "it holds no row of org {}, whose rows in {from} may be the only ones, so {NOTHING_DONE}; next: load them there, as they \
             were at the switch: mover restore {file} --to {to}",
            lease.org
        )));
    }
    let is_gone = |table: &String| live.0.get(table).is_none_or(|tally| tally.rows == 0);
    // The org may have removed all rows of a table before the backup.
    let mut bare = left.0.iter().filter(|(table, tally)| tally.rows > 0 && kept.live.contains(*table));
    match bare.find(|(table, _)| is_gone(table)) {
        Some((table, tally)) => Err(doing.on(table).refused(format!(
            "it holds no row of org {} there, and {from} has {}, which may be the only ones, so {NOTHING_DONE}; next: bring the rows back \
             in {to} from {from} or from {file}. If the org itself has removed all of them since, remove them in {from}, too, with SET \
             session_replication_role = replica",
            lease.org, tally.rows
        ))),
        None => Ok(()),
    }
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
    let Unlogged { missing, other } = unlogged(round, lease, table, live.max(left)).await?;
    let doing = Doing::new(to, "looking whether the copy is still there").on(&outline.label);
    let rows = format!("of the rows without a logged write {from} has {left} and {to} {live}");
    if !missing.is_empty() {
        return Ok(unlogged::gone(round, lease, table, &missing, &rows));
    }
    if other.is_empty() {
        return Ok(doing.not_now(format!(
            "{rows}, which no row explains: {to} may have rows that nothing logged, written there without the guard. If they are right, \
             next: write them there once, so that they are logged: UPDATE {} SET {key} = {key} WHERE …; else remove them",
            outline.label,
            key = outline.key.first().map_or("id", String::as_str)
        )));
    }
    let (listed, key) = (listed(round, table, &other), outline.key.first().map_or("id", String::as_str));
    let mut error = doing.refused(format!(
        "rows of org {} are not as they were at the switch, although nothing logged that they were written: {listed}; {rows}, so \
         {NOTHING_DONE}; next: if those in {to} are right, as after ADD COLUMN with a default that differs from row to row, write them \
         there once, so that they are logged: UPDATE {} SET {key} = {key} WHERE …",
        lease.org, outline.label
    ));
    error.place.row = Some(listed);
    Ok(error)
}
