//! Rows that differ between the stores of an org that has moved, although nothing logged that they were written.

use std::collections::HashSet;

use futures_util::try_join;

use crate::domain::record::Lease;
use crate::ports::EngineError;

use super::compare::ROWS_AT_ONCE;
use super::doing::{Doing, shortened};
use super::round::{Round, grow, keys_of};
use super::store::{Part, Snapshot};

/// A message names this many rows.
const NAMED_MAX: usize = 5;

/// Keys of some rows of one table, as texts; none of them is logged.
#[derive(Debug, Default)]
pub(super) struct Unlogged {
    /// Rows that the store that the org left has, and the one that it lives in does not.
    pub(super) missing: Vec<String>,
    /// Rows with other contents.
    pub(super) other: Vec<String>,
}

/// Looks for such rows. `rows` is about how many the table has. The round is on the way back.
pub(super) async fn unlogged(
    round: Round<'_>,
    lease: &Lease,
    table: usize,
    rows: i64,
) -> Result<Unlogged, EngineError> {
    let Round { route, cohort, from, to } = round;
    let mut keys = keys_of(route, from.log(cohort, Snapshot::Short).await?);
    grow(round, &mut keys).await?;
    let (logged_here, logged_there) =
        try_join!(from.hashes_of(cohort, &keys, table), to.hashes_of(cohort, &keys, table))?;
    // The hash is over the whole row, its key included.
    let logged_here: HashSet<i64> = logged_here.into_values().collect();
    let logged_there: HashSet<i64> = logged_there.into_values().collect();
    let mut found = Unlogged::default();
    let of = rows / ROWS_AT_ONCE + 1;
    for number in 0..of {
        let part = Part { number, of };
        let (here, there) = try_join!(from.hashes_in(lease, table, part), to.hashes_in(lease, table, part))?;
        for (key, hash) in there.into_iter().filter(|(_, hash)| !logged_there.contains(hash)) {
            match here.get(&key) {
                None => found.missing.push(key),
                Some(other) if *other != hash && !logged_here.contains(other) => found.other.push(key),
                Some(_) => {}
            }
        }
        for keys in [&mut found.missing, &mut found.other] {
            keys.sort();
            keys.truncate(NAMED_MAX);
        }
        if found.missing.len() >= NAMED_MAX {
            break;
        }
    }
    from.end_snapshot().await?;
    Ok(found)
}

/// Rows by their keys, for a message.
pub(super) fn listed(round: Round<'_>, table: usize, keys: &[String]) -> String {
    let columns = round.route.tables.get(table).map(|outline| outline.key.join(", ")).unwrap_or_default();
    shortened(&format!("({columns})={}", keys.join(", ")))
}

/// The error for rows that the org's store does not have: those that it left may be the only ones. `counts` says how many rows there
/// are.
pub(super) fn gone(round: Round<'_>, lease: &Lease, table: usize, missing: &[String], counts: &str) -> EngineError {
    let (left, live) = (round.route.receiving.store(), round.route.leaving.store());
    let doing = Doing::new(live, "looking whether the copy is still there");
    let doing = round.route.tables.get(table).map_or(doing, |outline| doing.on(&outline.label));
    let rows = listed(round, table, missing);
    let mut error = doing.refused(format!(
        "rows of org {} are gone there, although nothing logged that they were removed: {rows}; {counts}. {live} may have been restored, \
         or the table was added to the definition after the org had moved, so nothing was removed; next: bring the rows back there, or \
         take a table that was added out of the definition. If they were meant to go, as with a partition that was dropped, remove them \
         in {left}, too, with SET session_replication_role = replica",
        lease.org
    ));
    error.place.row = Some(rows);
    error
}
