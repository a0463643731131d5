//! Copying orgs in one transaction of the receiving store, from one snapshot of the store that they leave.

use crate::failpoint;
use crate::ports::{Copied, EngineError};

use super::cohort::Cohort;
use super::store::{Entered, Leaving, Reader, Receiver, Receiving};

/// What a copy does first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Take the snapshot: faster, where nobody writes to the store that the orgs leave.
    Snapshot,
    /// Take the orgs in: what somebody else had carried over before is then done, and seen by the snapshot.
    Entry,
}

/// Copies orgs; answers how much that was over all of them.
pub(super) async fn copy(
    (leaving, receiving): (&dyn Leaving, &dyn Receiving),
    cohort: &Cohort,
    first: First,
) -> Result<Copied, EngineError> {
    let (from, to) = futures_util::try_join!(leaving.reader(), receiving.receiver())?;
    let copied = copy_between((&*from, &*to), cohort, first).await?;
    from.release();
    to.release();
    Ok(copied)
}

async fn copy_between(
    (from, to): (&dyn Reader, &dyn Receiver),
    cohort: &Cohort,
    first: First,
) -> Result<Copied, EngineError> {
    if first == First::Entry {
        enter(to, cohort).await?;
    }
    // The leaving store gets everything to do at once, and works while the other makes ready.
    let rows = from.rows(cohort).await?;
    if first == First::Snapshot {
        enter(to, cohort).await?;
    }
    failpoint::hit("copy.cleared");
    let copied = to.write(rows).await?;
    to.prove(cohort).await?;
    failpoint::hit("copy.before_commit");
    to.commit().await?;
    failpoint::hit("copy.committed");
    Ok(copied)
}

/// Takes the orgs in, and leaves no row of theirs there.
async fn enter(to: &dyn Receiver, cohort: &Cohort) -> Result<(), EngineError> {
    let entered = to.enter(cohort).await?;
    make_room(to, cohort, &entered).await
}

/// Rows of an earlier try are removed; rows that Mover did not bring are not replaced (P6).
pub(super) async fn make_room(to: &dyn Receiver, cohort: &Cohort, entered: &Entered) -> Result<(), EngineError> {
    if !entered.has_rows {
        return Ok(());
    }
    if let Some(tried_before) = cohort.only(|claim| entered.again.contains(&claim.key)) {
        to.clear(&tried_before).await?;
    }
    match cohort.only(|claim| !entered.again.contains(&claim.key)) {
        Some(untried) => to.refuse_foreign(&untried).await,
        None => Ok(()),
    }
}
