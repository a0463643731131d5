//! Copies orgs while they are written. A large org is copied in ranges of its keys, several at a time, each in a transaction
//! that also records that it is done. An interrupted copy continues where it was, from a new snapshot, after everything logged
//! in between has been carried over.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream, try_join};

use crate::domain::record::Lease;
use crate::failpoint;
use crate::ports::{Copied, EngineError};

use super::cohort::Cohort;
use super::copy::{First, copy, make_room};
use super::doing::Doing;
use super::keys::RowKeys;
use super::limits::LiveLimits;
use super::proofs::Proofs;
use super::round::{Round, apply, keys_of};
use super::route::{LiveRoute, Outline};
use super::standing::{Mode, Standing};
use super::store::{Guard, LeavingSession, Prove, ReceivingSession, Seen, Snapshot};
use super::streamed::Counting;
use super::turns::Turns;

/// Rows of one table whose keys are in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The table's number in the outline of the route.
    pub table: usize,
    /// The range's number within the table.
    pub number: i32,
    /// Keys are greater than this.
    pub above: Option<Vec<String>>,
    /// Keys are not greater than this.
    pub upto: Option<Vec<String>>,
    /// Whether it is copied.
    pub is_done: bool,
}

impl Piece {
    fn is_whole_table(&self) -> bool {
        self.above.is_none() && self.upto.is_none()
    }
}

/// Copies the orgs, or the rest of them.
pub(super) async fn copy_live(
    route: &LiveRoute,
    (guard, proofs, turns): (&dyn Guard, &Proofs, &Turns),
    cohort: &Cohort,
    limits: LiveLimits,
) -> Result<Copied, EngineError> {
    let reading = Doing::new(route.leaving.store(), "reading the org");
    // Unless writes are logged, a snapshot is outdated at once.
    Standing::all_must_be(&guard.standings(cohort).await?, Mode::Capturing, cohort, reading)?;
    let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
    // Orgs of a cohort are not large.
    let is_large = async {
        match cohort.single() {
            Some(lease) => from.is_large(lease, limits.range_rows).await,
            None => Ok(false),
        }
    };
    let (is_large, begun) = try_join!(is_large, to.pieces(cohort))?;
    if !is_large && begun.is_empty() {
        from.release();
        to.release();
        return copy((&*route.leaving, &*route.receiving), cohort, First::Entry, (proofs, turns, &route.basis)).await;
    }
    let Some(lease) = cohort.single() else {
        return Err(reading.refused("a part of one of these orgs was copied already, so it must go alone"));
    };
    let begun = begin(route, (&*from, &*to), lease, limits).await?;
    let counting = Counting::default();
    proofs.streams.forget(cohort);
    // One connection to each store is in use already.
    let sessions_max = route.leaving.sessions_max().min(route.receiving.sessions_max());
    let at_once = limits.ranges_at_once.min(sessions_max.saturating_sub(1)).max(1);
    for jobs in in_order(&route.tables, &begun.pieces) {
        // Rows are found through their parents, so parents are complete first: an interrupted copy can be undone.
        let running = jobs.into_iter().map(|job| write_pieces(route, lease, &begun, (&counting, turns), job));
        stream::iter(running).buffer_unordered(at_once).try_collect::<()>().await?;
    }
    from.end_snapshot().await?;
    if !begun.is_resumed {
        proofs.streams.keep(cohort, &counting, &begun.seen, &route.basis);
    }
    from.release();
    let copied = to.copied(lease).await?;
    to.release();
    Ok(copied)
}

/// The rest of the copy.
struct Begun {
    pieces: Vec<Piece>,
    /// The snapshot that all sessions read from, and what it sees.
    snapshot: String,
    seen: Seen,
    /// Whether rows may exist already: those that were carried over after an earlier try.
    is_resumed: bool,
}

/// Enters the org, takes a snapshot and plans the pieces; or, if there are pieces of an earlier try, brings the copied ones to
/// the state of the new snapshot.
async fn begin(
    route: &LiveRoute,
    (from, to): (&dyn LeavingSession, &dyn ReceivingSession),
    lease: &Lease,
    limits: LiveLimits,
) -> Result<Begun, EngineError> {
    let cohort = Cohort::one(lease);
    let entered = to.enter(&cohort).await?;
    let begun = to.pieces(&cohort).await?;
    // The snapshot comes after that: it sees everything that an earlier process has carried over and deleted from the log.
    let logged = from.log(&cohort, Snapshot::Long).await?;
    let reading = Doing::new(route.leaving.store(), "reading the org");
    Standing::all_must_be(&logged.standings, Mode::Capturing, &cohort, reading)?;
    let snapshot = from.export().await?;
    let is_resumed = !entered.again.is_empty() && !begun.is_empty();
    let seen = logged.seen.clone();
    let pieces = if is_resumed {
        let round = Round { route, cohort: &cohort, from, to };
        apply(round, &mut keys_of(route, logged), Prove::OnlyContents).await?;
        begun.into_iter().filter(|piece| !piece.is_done).collect()
    } else {
        make_room(to, &cohort, &entered).await?;
        let pieces = from.cut(lease, limits.range_rows).await?;
        to.plan_pieces(lease, &pieces).await?;
        pieces
    };
    to.commit().await?;
    failpoint::hit("copy.cleared");
    if is_resumed {
        // The receiving store has committed what was carried over. The snapshot is still in use.
        let session = route.leaving.session().await?;
        session.forget(&cohort, &seen).await?;
        failpoint::hit("catch_up.forgotten");
        session.release();
    }
    Ok(Begun { pieces, snapshot, seen, is_resumed })
}

/// Copies some pieces in one transaction, and records that they are done.
async fn write_pieces(
    route: &LiveRoute,
    lease: &Lease,
    begun: &Begun,
    (counting, turns): (&Counting, &Turns),
    job: Vec<Piece>,
) -> Result<(), EngineError> {
    let cohort = Cohort::one(lease);
    let (from, to) = try_join!(route.leaving.session(), route.receiving.session())?;
    try_join!(from.join_snapshot(&begun.snapshot), to.begin_piece(lease))?;
    if begun.is_resumed {
        for piece in job.iter().rev() {
            to.clear_piece(lease, piece).await?;
        }
    }
    for piece in &job {
        let rows = from.rows_in(lease, piece).await?;
        let copied = to.write(counting.over(rows, turns.pace())).await?;
        to.piece_done(lease, piece, copied).await?;
    }
    to.prove_rows(&cohort, &RowKeys::none(route.tables.len()), Prove::OnlyContents).await?;
    failpoint::hit("range.before_commit");
    to.commit().await?;
    failpoint::hit("range.committed");
    from.end_snapshot().await?;
    from.release();
    to.release();
    Ok(())
}

/// The pieces that may be copied at the same time, group after group; each item is one transaction. Parent tables come in an
/// earlier group.
fn in_order(tables: &[Outline], pieces: &[Piece]) -> Vec<Vec<Vec<Piece>>> {
    let mut groups: BTreeMap<usize, (Vec<Piece>, Vec<Vec<Piece>>)> = BTreeMap::new();
    for piece in pieces {
        let depth = tables.get(piece.table).map_or(0, |table| table.depth);
        let (small, ranges) = groups.entry(depth).or_default();
        match piece.is_whole_table() {
            true => small.push(piece.clone()),
            false => ranges.push(vec![piece.clone()]),
        }
    }
    let jobs = |(small, mut ranges): (Vec<Piece>, Vec<Vec<Piece>>)| {
        if !small.is_empty() {
            ranges.insert(0, small);
        }
        ranges
    };
    groups.into_values().map(jobs).collect()
}
