//! Copies orgs in one transaction of the receiving store, from one snapshot of the leaving store.

use std::sync::Arc;

use futures_util::try_join;

use crate::failpoint;
use crate::ports::{Copied, EngineError};

use super::cohort::Cohort;
use super::fingerprint::Basis;
use super::proofs::Proofs;
use super::store::{Entered, Leaving, Prove, Reader, Receiver, Receiving, Seen, Snapshotted};
use super::streamed::Counting;
use super::turns::{Pace, Turns};

/// What a copy does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Take the snapshot: faster, if nothing writes to the leaving store.
    Snapshot,
    /// Enter the orgs: everything that another process carried over before is then committed, and the snapshot sees it.
    Entry,
}

/// Copies orgs; returns the total.
pub(super) async fn copy(
    (leaving, receiving): (&dyn Leaving, &dyn Receiving),
    cohort: &Cohort,
    first: First,
    (proofs, turns, basis): (&Proofs, &Turns, &Arc<Basis>),
) -> Result<Copied, EngineError> {
    let (from, to) = try_join!(leaving.reader(), receiving.receiver())?;
    proofs.streams.forget(cohort);
    let counting = Counting::default();
    let (copied, seen) = copy_between((&*from, &*to), cohort, first, (&counting, turns.pace())).await?;
    proofs.streams.keep(cohort, &counting, &seen, basis);
    from.release();
    to.release();
    Ok(copied)
}

/// Also returns what the snapshot saw.
async fn copy_between(
    (from, to): (&dyn Reader, &dyn Receiver),
    cohort: &Cohort,
    first: First,
    (counting, pace): (&Counting, Pace),
) -> Result<(Copied, Seen), EngineError> {
    if first == First::Entry {
        enter(to, cohort).await?;
    }
    // The leaving store gets all its requests at once, and works while the other prepares.
    let Snapshotted { rows, seen } = from.rows(cohort).await?;
    if first == First::Snapshot {
        enter(to, cohort).await?;
    }
    failpoint::hit("copy.cleared");
    let seen = seen.await?;
    let copied = to.write(counting.over(rows, pace)).await?;
    // Orgs that are written are verified when they are compared, with everything that was written meanwhile.
    let prove = if first == First::Entry { Prove::OnlyContents } else { Prove::All };
    to.prove(cohort, prove).await?;
    failpoint::hit("copy.before_commit");
    to.commit().await?;
    failpoint::hit("copy.committed");
    Ok((copied, seen))
}

/// Enters the orgs, and leaves no row of theirs there.
async fn enter(to: &dyn Receiver, cohort: &Cohort) -> Result<(), EngineError> {
    let entered = to.enter(cohort).await?;
    make_room(to, cohort, &entered).await
}

/// Removes rows of an earlier try; rows that Mover did not write are not replaced (P6).
pub(super) async fn make_room(to: &dyn Receiver, cohort: &Cohort, entered: &Entered) -> Result<(), EngineError> {
    if !entered.has_rows {
        return Ok(());
    }
    if let Some(tried_before) = cohort.only(|lease| entered.again.contains(&lease.key)) {
        to.clear(&tried_before).await?;
    }
    match cohort.only(|lease| !entered.again.contains(&lease.key)) {
        Some(untried) => to.refuse_foreign(&untried).await,
        None => Ok(()),
    }
}
