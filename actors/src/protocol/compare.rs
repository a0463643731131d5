//! Compares all rows of orgs while they are written: those without a logged key, in one snapshot of the leaving store. Rows
//! with a logged key are compared when they are carried over.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use futures_util::try_join;
use tracing::{debug, info, warn};

use crate::domain::ids::{OrgKey, StoreName};
use crate::domain::record::Lease;
use crate::domain::state::Way;
use crate::domain::verified::{Mismatch, TableTally, Tally, Verified};
use crate::ports::EngineError;

use super::cohort::Cohort;
use super::doing::Doing;
use super::proofs::What;
use super::round::{Round, grow};
use super::route::{LiveRoute, Migration, Stores};
use super::store::{Logged, Part, Prove};
use super::streamed::Streams;
use super::unlogged::{self, Unlogged, unlogged};

/// How many rows are compared one by one, and how many keys are carried over, at once.
pub(super) const ROWS_AT_ONCE: i64 = 50_000;

/// Tallies of each org in the leaving and in the receiving store.
pub(super) type Tallies = HashMap<OrgKey, (Tally, Tally)>;

/// Compares the rows of each org in both stores, without those whose keys are logged. Keeps a proof for each org that is equal.
pub(super) async fn compare(
    stores: &(impl Stores + ?Sized),
    route: &LiveRoute,
    cohort: &Cohort,
) -> Result<Tallies, EngineError> {
    // A table that replaced another has no triggers, and one may have been disabled. The route is of the triggers that there were
    // before: if they change from here on, the switch notices.
    try_join!(route.leaving.must_watch(), route.receiving.must_watch())?;
    let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
    let round = Round { route, cohort, from: &*from, to: &*to };
    if route.way == Way::Back {
        from.refuse_lost(cohort, None).await?;
    }
    let streams = &stores.proofs().streams;
    let mut tallies = tally(round, streams, Constraints::Verified).await?;
    let unlike =
        |tallies: &Tallies| cohort.only(|lease| tallies.get(&lease.key).is_some_and(|(left, right)| left != right));
    if route.way == Way::Back && carry_over_differences(round, &tallies).await? > 0 {
        tallies = tally(round, streams, Constraints::Verified).await?;
    } else if let Some(unlike) = unlike(&tallies) {
        // A hash that was computed during the copy may be wrong, too.
        streams.forget(&unlike);
        tallies = tally(round, streams, Constraints::Verified).await?;
    }
    from.release();
    to.release();
    for lease in cohort.leases() {
        if tallies.get(&lease.key).is_some_and(|(left, right)| Verified::compare(left, right).is_ok()) {
            stores.proofs().keep(lease, What::Compared(route.way), &route.basis);
        }
    }
    Ok(tallies)
}

/// Whether the constraints of the receiving store are verified as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Constraints {
    Verified,
    /// The rows there are not going to be live.
    LeftOut,
}

/// Counts and hashes the rows of each org in both stores, without those whose keys are logged.
pub(super) async fn tally(
    round: Round<'_>,
    streams: &Streams,
    constraints: Constraints,
) -> Result<Tallies, EngineError> {
    let Round { route, cohort, from, to } = round;
    // No other process carries over meanwhile.
    round.hold(None).await?;
    let logged = round.log().await?;
    let there = async {
        let tallies = to.tally(cohort).await?;
        if constraints == Constraints::Verified {
            to.prove(cohort, Prove::All).await?;
        }
        Ok(tallies)
    };
    let here = tally_leaving(round, &logged, streams);
    let (mut here, mut there) = try_join!(here, there)?;
    for (key, mut keys) in logged.by_org {
        let Some(lease) = cohort.lease(key.as_str()) else { continue };
        let alone = Cohort::one(lease);
        grow(round, &mut keys).await?;
        let (left, right) = try_join!(from.tally_of(&alone, &keys), to.tally_of(&alone, &keys))?;
        take_away(route, here.get_mut(&lease.key), &left, route.leaving.store())?;
        take_away(route, there.get_mut(&lease.key), &right, route.receiving.store())?;
    }
    from.end_snapshot().await?;
    to.roll_back().await?;
    let paired = here.into_iter().filter_map(|(key, left)| there.remove(&key).map(|right| (key, (left, right))));
    Ok(paired.collect())
}

/// The rows of the leaving store: read again only for orgs that may have been written since they were copied.
async fn tally_leaving(
    round: Round<'_>,
    logged: &Logged,
    streams: &Streams,
) -> Result<HashMap<OrgKey, Tally>, EngineError> {
    let Round { route, cohort, from, .. } = round;
    let labels: Vec<String> = route.tables.iter().map(|table| table.label.clone()).collect();
    // Only the way forward copies rows.
    let may_stand = |lease: &Lease| route.way == Way::Forward && !logged.by_org.contains_key(&lease.key);
    let mut tallies = match cohort.only(may_stand) {
        Some(unlogged) => streams.still_true(from, &unlogged, &route.basis, &labels).await?,
        None => HashMap::new(),
    };
    if let Some(rest) = cohort.only(|lease| !tallies.contains_key(&lease.key)) {
        tallies.extend(from.tally(&rest).await?);
    }
    Ok(tallies)
}

/// Subtracts tallies: what is left is the tally of the other rows.
fn take_away(
    route: &LiveRoute,
    tally: Option<&mut Tally>,
    parts: &BTreeMap<usize, TableTally>,
    store: &StoreName,
) -> Result<(), EngineError> {
    let Some(tally) = tally else { return Ok(()) };
    for (number, part) in parts {
        let Some(table) = route.tables.get(*number) else { continue };
        let doing = Doing::new(store, "counting and hashing the org").on(&table.label);
        let number = |text: &str| {
            text.parse::<i128>().map_err(|_| doing.refused("the store answered with a sum that is no number"))
        };
        let Some(whole) = tally.0.get_mut(&table.label) else { continue };
        whole.rows -= part.rows;
        whole.hash = (number(&whole.hash)? - number(&part.hash)?).to_string();
    }
    Ok(())
}

/// On the way back the leaving store has the truth, and nothing writes to the stale rows in the other. Rows that differ
/// although nothing was logged were changed by a DDL statement (e.g. a new column with a volatile default): they are carried
/// over like rows that were written. Returns how many there were. Refused, before anything is carried over, if the leaving store
/// lacks rows: it was restored, or never got them.
async fn carry_over_differences(round: Round<'_>, tallies: &Tallies) -> Result<usize, EngineError> {
    let mut carried = 0;
    for lease in round.cohort.leases() {
        let Some((left, right)) = tallies.get(&lease.key).filter(|(left, right)| left != right) else { continue };
        let alone = Cohort::one(lease);
        let round = Round { cohort: &alone, ..round };
        refuse_missing(round, lease, (left, right)).await?;
        for (number, table) in round.route.tables.iter().enumerate() {
            let (here, there) = (left.0.get(&table.label), right.0.get(&table.label));
            if here == there {
                continue;
            }
            let rows = [here, there].into_iter().flatten().map(|tally| tally.rows).max().unwrap_or_default();
            let of = rows / ROWS_AT_ONCE + 1;
            for part in 0..of {
                carried += carry_over_part(round, lease, number, Part { number: part, of }).await?;
            }
        }
    }
    Ok(carried)
}

/// Refuses an org that has rows without a logged write in the receiving store alone.
async fn refuse_missing(round: Round<'_>, lease: &Lease, (live, left): (&Tally, &Tally)) -> Result<(), EngineError> {
    // What another process carried over meanwhile would look like rows that are gone.
    round.hold(None).await?;
    for (number, table) in round.route.tables.iter().enumerate() {
        let (here, there) = (live.0.get(&table.label), left.0.get(&table.label));
        if here == there {
            continue;
        }
        let [here, there] = [here, there].map(|tally| tally.map_or(0, |tally| tally.rows));
        let Unlogged { missing, .. } = unlogged(round, lease, number, here.max(there)).await?;
        if !missing.is_empty() {
            let (source, target) = (round.route.receiving.store(), round.route.leaving.store());
            let counts = format!("of the rows without a logged write {source} has {there} and {target} {here}");
            return Err(unlogged::gone(round, lease, number, &missing, &counts));
        }
    }
    round.to.roll_back().await
}

async fn carry_over_part(round: Round<'_>, lease: &Lease, table: usize, part: Part) -> Result<usize, EngineError> {
    let (here, there) = try_join!(round.from.hashes_in(lease, table, part), round.to.hashes_in(lease, table, part))?;
    // A row that only the receiving store has is either logged or not removed at all.
    let unlike = |(key, hash)| (there.get(&key) != Some(&hash)).then_some(key);
    let differing: Vec<String> = here.into_iter().filter_map(unlike).collect();
    if differing.is_empty() {
        return Ok(0);
    }
    let label = round.route.tables.get(table).map(|table| table.label.as_str());
    warn!(org = %lease.org, table = label, rows = differing.len(), "rows that were not logged differ and are carried over");
    round.from.note(lease, table, &differing).await?;
    round.run().await?;
    Ok(differing.len())
}

/// The route for orgs that are equal in both stores; if there is no proof of that any more, or it is of other schemas or of an
/// earlier life of a store, the orgs are compared again.
pub(super) async fn proven_route<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    cohort: &Cohort,
    way: Way,
) -> Result<LiveRoute, EngineError> {
    let proof_of = |lease: &Lease| stores.proofs().of(lease, What::Compared(way));
    let is_broken = |lease: &Lease| proof_of(lease).is_some_and(|proof| proof.is_broken);
    let not_before = if cohort.leases().iter().any(is_broken) { Instant::now() } else { stores.a_moment_ago() };
    let route = stores.live_route(migration, way, not_before).await?;
    let holds = |lease: &Lease| proof_of(lease).is_some_and(|proof| proof.holds(lease, &route.basis));
    if let Some(unproven) = cohort.only(|lease| !holds(lease)) {
        prove_again(stores, &route, &unproven).await?;
    }
    Ok(route)
}

async fn prove_again<S: Stores + ?Sized>(stores: &S, route: &LiveRoute, cohort: &Cohort) -> Result<(), EngineError> {
    let way = route.way;
    let before = |lease: &Lease| stores.proofs().of(lease, What::Compared(way));
    let changes = cohort.leases().iter().find_map(|lease| before(lease)?.basis.changes(&route.basis));
    let (migration, orgs, first) = (cohort.migration(), cohort.leases().len(), &cohort.leases()[0].org);
    match &changes {
        Some(changes) => info!(migration, orgs, %first, changes, "orgs are compared again: a store has changed"),
        // Every org that is taken over from another process: proofs are kept in memory.
        None => debug!(migration, orgs, %first, "orgs are compared again: this process has no proof of them"),
    }
    let tallies = compare(stores, route, cohort).await?;
    let mismatch = cohort.leases().iter().find_map(|lease| Some((lease, mismatch(way, tallies.get(&lease.key)?)?)));
    let Some((lease, mismatch)) = mismatch else { return Ok(()) };
    let place = Box::new(stores.explain(lease, &mismatch).await?);
    let reason = match changes {
        Some(changes) => format!("{mismatch}; since the org was compared {changes}"),
        None => mismatch.to_string(),
    };
    Err(EngineError { transient: false, reason, place })
}

fn mismatch(way: Way, (leaving, receiving): &(Tally, Tally)) -> Option<Mismatch> {
    match way {
        Way::Forward => Verified::compare(leaving, receiving),
        Way::Back => Verified::compare(receiving, leaving),
    }
    .err()
}
