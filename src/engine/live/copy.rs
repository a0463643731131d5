//! Copying orgs while they are written: from one snapshot, in one transaction if they are small. A big org is copied in ranges of
//! its keys, several at a time, each in a transaction that also notes that it is done; so a copy that was interrupted goes on
//! where it was, from a new snapshot, after what was logged in between has been carried over.

use futures_util::{StreamExt, TryStreamExt, stream, try_join};
use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::{Copied, EngineError};

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::copy::{First, clear, copy, refuse_foreign_rows};
use super::super::error::Doing;
use super::super::guard;
use super::super::plan::union;
use super::super::store::Store;
use super::apply::apply;
use super::guard_row::{self, Standing};
use super::limits::LiveLimits;
use super::log;
use super::piece_copy::{Pouring, pour};
use super::pieces::{self, Piece};
use super::plan::LivePlan;
use super::work::Prove;

/// The snapshot outlives the ranges, which may take hours.
const LONG_SNAPSHOT: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Copies the orgs, or the rest of them.
pub(super) async fn copy_live(
    live: &LivePlan,
    (source, target): (&Store, &Store),
    cohort: &Cohort,
    limits: LiveLimits,
) -> Result<Copied, EngineError> {
    let (from, to) = try_join!(source.session(), target.session())?;
    let reading = Doing::new(&live.plan.source, "reading the org");
    let found = guard_row::read(&from, guard_row::READ, cohort, reading).await?;
    // Unless writes are logged, a snapshot is outdated at once.
    Standing::all_must_be(&found, "capturing", cohort, reading)?;
    let (is_big, begun) = try_join!(is_big(live, &from, cohort, limits), pieces::begun(live, &to, cohort))?;
    if !is_big && begun.is_empty() {
        from.release();
        to.release();
        return copy(&live.plan, source, target, cohort, First::Guard).await;
    }
    let Some(lease) = cohort.single() else {
        return Err(reading.refused("one of these orgs is so big that it must be copied by itself"));
    };
    let (pieces, snapshot, is_resumed) = begin(live, (&from, &to), source, lease, limits).await?;
    // One connection to each store is in use already.
    let pool_size = source.pool_status().max_size.min(target.pool_status().max_size);
    let at_once = limits.ranges_at_once.min(pool_size.saturating_sub(1)).max(1);
    let pouring = Pouring { live, source, target, lease, snapshot: &snapshot, is_resumed };
    for jobs in pieces::in_order(live, pieces) {
        // Rows are found through their parents, so these are complete before: an interrupted copy can be taken back.
        let running = stream::iter(jobs.into_iter().map(|job| pour(&pouring, job)));
        running.buffer_unordered(at_once).try_collect::<()>().await?;
    }
    from.batch_execute("COMMIT").await.map_err(|error| reading.failed(error))?;
    from.release();
    live.plan.references.prove(&to, &live.plan, cohort.keys()).await?;
    let copied = pieces::sum(&live.plan, &to, lease).await?;
    to.release();
    Ok(copied)
}

/// Whether any table has more rows of the org than a range should have.
async fn is_big(live: &LivePlan, from: &Session, cohort: &Cohort, limits: LiveLimits) -> Result<bool, EngineError> {
    let doing = Doing::new(&live.plan.source, "looking how big the org is");
    let failed = |error| doing.failed(error);
    let rows = live.plan.tables.iter().map(|table| &table.source.rows);
    let counts = rows.map(|rows| format!(", count(*) FROM (SELECT 1 {rows} LIMIT $2::int8 + 1) AS s"));
    let statement = from.prepared(&union(counts)).await.map_err(failed)?;
    let counted = from.query(&statement, &[&cohort.keys(), &limits.range_rows]).await.map_err(failed)?;
    for row in counted {
        if row.try_get::<_, i64>(1).map_err(failed)? > limits.range_rows {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is left to copy, from which snapshot, and whether some was copied before.
type Begun = (Vec<Piece>, String, bool);

/// Takes the org's guard on the target and a snapshot of the source, and plans the pieces; or, if an earlier try has left
/// some, brings what it copied to the state of the new snapshot.
async fn begin(
    live: &LivePlan,
    (from, to): (&Session, &Session),
    source: &Store,
    lease: &Lease,
    limits: LiveLimits,
) -> Result<Begun, EngineError> {
    let plan = &live.plan;
    let reading = Doing::new(&plan.source, "reading the org");
    let doing = Doing::new(&plan.target, "making ready for the copy");
    let failed = |error| doing.failed(error);
    let cohort = Cohort::one(lease);
    to.batch_execute("BEGIN").await.map_err(failed)?;
    let was_incoming = !guard::enter(to, &cohort, guard::Mode::Incoming, doing).await?.is_empty();
    let begun = pieces::begun(live, to, &cohort).await?;
    // Only now the snapshot: it sees all that whoever was here before has carried over and forgotten.
    let logged = log::read(live, from, &cohort, LONG_SNAPSHOT).await?;
    let seen_by = logged.snapshot.clone();
    let exported = from.query_one("SELECT pg_export_snapshot()", &[]).await.map_err(|error| reading.failed(error))?;
    let snapshot: String = exported.try_get(0).map_err(|error| reading.failed(error))?;
    let is_resumed = was_incoming && !begun.is_empty();
    let pieces = if is_resumed {
        apply(live, from, to, &cohort, &mut logged.keys(live), Prove::OnlyContents).await?;
        begun.into_iter().filter(|piece| !piece.is_done).collect()
    } else {
        match was_incoming {
            true => clear(plan, to, &cohort, doing).await?,
            false => refuse_foreign_rows(plan, to, &cohort, doing).await?,
        }
        pieces::plan(live, from, to, lease, limits).await?
    };
    to.batch_execute("COMMIT").await.map_err(failed)?;
    failpoint::hit("copy.cleared");
    if is_resumed {
        // Carried over, and committed where it counts.
        log::forget_in_snapshot(live, source, &cohort, &seen_by).await?;
    }
    Ok((pieces, snapshot, is_resumed))
}
