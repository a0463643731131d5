//! Removes the rows that an org left in the source for good: once they are in a file, and the copy in the target is still there.

use std::time::Instant;

use tracing::warn;

use crate::domain::record::{Backup, Lease};
use crate::domain::state::Way;
use crate::domain::verified::Tally;
use crate::ports::{BackedUp, EngineError};

use super::cohort::Cohort;
use super::doing::Doing;
use super::leave::{remove, stop_capture};
use super::proofs::What;
use super::route::{LiveRoute, Migration, Stores};
use super::standing::Mode;
use super::still_there::{live_rows, must_be_there, must_have_rows, standings};
use super::store::{Keeps, Kept};

const BACKING_UP: &str = "backing up the org";
const CLOSING: &str = "ending to log what is written";
const PURGING: &str = "asking whether the way back is closed";

/// Writes the org's rows in the source to a file.
pub(super) async fn back_up<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
) -> Result<BackedUp, EngineError> {
    let route = stores.live_route(migration, Way::Forward, Instant::now()).await?;
    route.leaving.must_be_movable(&Cohort::one(lease)).await?;
    standings(stores, migration, lease, BACKING_UP).await?.must_capture(migration, lease, BACKING_UP)?;
    // The guards may be of an earlier version, under which the org came to the target.
    for store in [&migration.from, &migration.to] {
        stores.guard(store)?.ensure(Keeps::Changes).await?;
    }
    must_be_there(stores, migration, lease).await?;
    let rows = live_rows(stores, migration, lease).await?.0;
    let live = rows.into_iter().filter(|(_, tally)| tally.rows > 0).map(|(table, _)| table).collect();
    route.leaving.back_up(lease, &live, None).await
}

/// Lets the target stop to log writes of the org: from now on there is no way back.
pub(super) async fn close<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    backup: &Backup,
) -> Result<(), EngineError> {
    let found = standings(stores, migration, lease, CLOSING).await?;
    let route = stores.live_route(migration, Way::Forward, stores.a_moment_ago()).await?;
    let kept = route.leaving.read_backup(lease, backup).await?;
    match found.live.mode {
        // An earlier try has closed it.
        Mode::Settled => found.must_be_closed(migration, lease, kept.epoch, CLOSING)?,
        _ => {
            found.must_capture(migration, lease, CLOSING)?;
            must_be_there(stores, migration, lease).await?;
        }
    }
    stop_capture(stores.guard(&migration.to)?, lease).await?;
    stores.proofs().forget(lease, &[What::StillThere]);
    Ok(())
}

/// Removes the org's rows from the source; returns how many. The way back must have been closed, and the backup must have every
/// row that is removed.
pub(super) async fn purge<S: Stores + ?Sized>(
    stores: &S,
    migration: &Migration,
    lease: &Lease,
    backup: &Backup,
) -> Result<i64, EngineError> {
    let found = standings(stores, migration, lease, PURGING).await?;
    let route = stores.live_route(migration, Way::Forward, Instant::now()).await?;
    let kept = route.leaving.read_backup(lease, backup).await?;
    found.must_be_closed(migration, lease, kept.epoch, PURGING)?;
    must_have_same_tables(&route, lease, &kept)?;
    let session = route.leaving.session().await?;
    let left = session.tally(&Cohort::one(lease)).await?.remove(&lease.key).unwrap_or_default();
    session.release();
    must_have_rows(stores, migration, lease, &backup.path, (&kept, &left)).await?;
    if must_be_written_again(&route, lease, &kept, &left)? {
        route.leaving.back_up(lease, &kept.live, Some(backup)).await?;
    }
    remove(stores, migration, lease, Way::Back, Some(backup)).await
}

/// Refuses if tables were added to the definition since the backup, whose rows may never have moved, or taken out of it: written again,
/// the backup would lack their rows.
fn must_have_same_tables(route: &LiveRoute, lease: &Lease, kept: &Kept) -> Result<(), EngineError> {
    let from = route.leaving.store();
    let doing = Doing::new(from, "holding the org's tables against their backup");
    if let Some(added) = route.tables.iter().find(|table| !kept.rows.contains_key(&table.label)) {
        return Err(doing.on(&added.label).refused(format!(
            "it was added to the definition after org {} was backed up: its rows may never have moved to {}, so nothing is removed; next: \
             take the table out of the definition until the org is finalized, and look whether {} has its rows",
            lease.org,
            route.receiving.store(),
            route.receiving.store()
        )));
    }
    let is_moved = |label: &String| route.tables.iter().any(|table| table.label == *label);
    match kept.rows.keys().find(|label| !is_moved(label)) {
        Some(dropped) => Err(doing.on(dropped).refused(format!(
            "the backup of org {} has it, and the definition does not any more: its rows would stay in {from} alone or be lost, so nothing \
             is removed; next: add the table to the definition again until the org is finalized",
            lease.org
        ))),
        None => Ok(()),
    }
}

/// Whether the backup lacks something that would be removed, as after a change of the schema. It is not written again once some
/// rows are gone: then the file has more than the store.
fn must_be_written_again(route: &LiveRoute, lease: &Lease, kept: &Kept, left: &Tally) -> Result<bool, EngineError> {
    let backed_up = |table: &str| kept.rows.get(table).copied().unwrap_or_default();
    let surplus = left.0.iter().find(|(table, tally)| tally.rows > backed_up(table));
    let some_are_gone = kept.rows.iter().any(|(table, rows)| left.0.get(table).is_some_and(|left| left.rows < *rows));
    let is_unlike = !some_are_gone && kept.tally.as_ref().is_some_and(|tally| tally != left);
    let why = match (&kept.lacks, surplus) {
        (_, Some((table, tally))) => {
            let doing = Doing::new(route.leaving.store(), "holding the org's rows against their backup").on(table);
            let rows = backed_up(table);
            return Err(doing.refused(format!(
                "it has {} rows, and the backup {rows}: these came after the org had left, and nothing more is removed; next: write the \
                 rows that are in no backup to {} and remove them here; the purge goes on by itself then",
                tally.rows,
                route.receiving.store()
            )));
        }
        (Some(column), None) if some_are_gone => {
            // It was added after the org had left: the rows have nothing in it but its default.
            warn!(org = %lease.org, %column, "the backup lacks a column that was added while the rows were removed");
            return Ok(false);
        }
        (Some(column), None) => format!("column {column} was added"),
        (None, None) if is_unlike => "rows or columns have changed".into(),
        (None, None) => return Ok(false),
    };
    warn!(org = %lease.org, %why, "the backup is written again before the rows are removed");
    Ok(true)
}
