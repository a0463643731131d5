//! Where an org stands in one store, changed without any row of it being moved: capturing, fencing, taking back.

use mover_actors::domain::record::Claim;
use mover_actors::domain::state::Way;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::super::connection::Session;
use super::super::error::Doing;
use super::super::pipeline::send;
use super::super::store::Store;
use super::guard_row::{self, Standing};
use super::limits::LiveLimits;
use super::lock::{self, Patience};

const SETTLE: &str = include_str!("sql/settle.sql");

/// Lets the store log what is written of the org.
pub(super) async fn capture(store: &Store, claim: &Claim, limits: LiveLimits) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "beginning to log what is written");
    change(store, include_str!("sql/capture.sql"), claim, limits, doing).await.map(drop)
}

/// Whether the org has moved away from this store; older claims are refused from now on.
pub(super) async fn has_moved(store: &Store, claim: &Claim, limits: LiveLimits) -> Result<bool, EngineError> {
    let doing = Doing::new(store.name(), "asking whether the org has moved");
    let row = change(store, include_str!("sql/fence.sql"), claim, limits, doing).await?;
    let mode: String = row.try_get(0).map_err(|error| doing.failed(error))?;
    Ok(mode == "moved")
}

/// Has the store refuse older claims from now on, if it knows the org. Where it does not, nothing may be written down that it
/// would take for a decision.
pub(super) async fn refuse_older(store: &Store, claim: &Claim, limits: LiveLimits) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "keeping out what was sent before");
    let session = store.session().await?;
    let mut patience = Patience::new(limits);
    loop {
        match try_change(&session, include_str!("sql/raise.sql"), claim, limits).await {
            Ok(_) => {
                session.release();
                return Ok(());
            }
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                patience.again(&session, claim, doing).await?;
            }
            Err(error) => return Err(doing.failed(error)),
        }
    }
}

/// The org lives in the receiving store, after it has left the other.
pub(super) async fn complete(
    (leaving, receiving): (&Store, &Store),
    claim: &Claim,
    way: Way,
    limits: LiveLimits,
) -> Result<(), EngineError> {
    let doing = Doing::new(receiving.name(), "making the org live here");
    if !has_moved(leaving, claim, limits).await? {
        return Err(doing.refused(format!("the org has not left {} yet", leaving.name())));
    }
    let session = receiving.session().await?;
    guard_row::receive(&session, claim, way, doing).await?;
    failpoint::hit("capturing.committed");
    super::block::remove_ranges(&session, claim, doing).await?;
    session.release();
    Ok(())
}

/// Lets the store log no more, and forgets what was logged: the org stays there. Refused if it has moved away.
pub(super) async fn settle(
    store: &Store,
    claim: &Claim,
    limits: LiveLimits,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    if has_moved(store, claim, limits).await? {
        return Err(doing.refused("the org has moved away: what is done now must lead forward"));
    }
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    session.prepared(SETTLE).await.map_err(failed)?;
    // Whoever writes now has begun to log. Afterwards nobody does, so nothing is left behind in the log.
    lock::lock(&session, claim, limits, doing).await?;
    failpoint::hit("release.before_commit");
    // Writers wait for us; we wait for nobody as long.
    let row = try_change(&session, SETTLE, claim, limits).await.map_err(failed)?;
    let settled: Option<i64> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?;
    if settled.unwrap_or_default() == 0 {
        return Err(guard_row::why_refused(&session, claim, doing).await?);
    }
    lock::unlock(&session, claim, doing).await?;
    lock::patient_again(&session, doing).await?;
    session.release();
    Ok(())
}

/// Refuses unless the org lives in this store and nothing is logged there any more.
pub(super) async fn must_be_settled(store: &Store, claim: &Claim) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "asking whether the way back is closed");
    let session = store.session().await?;
    let found = guard_row::read(&session, guard_row::READ, claim, doing).await?;
    session.release();
    Standing::must_be(found.as_ref(), "settled", claim, doing)
}

/// Changes the org's guard row, which writers may hold for a moment: they read it in a snapshot that must stay good. No row
/// comes back: refused.
async fn change(
    store: &Store,
    sql: &str,
    claim: &Claim,
    limits: LiveLimits,
    doing: Doing<'_>,
) -> Result<Row, EngineError> {
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let mut patience = Patience::new(limits);
    loop {
        match try_change(&session, sql, claim, limits).await {
            Ok(Some(row)) => {
                session.release();
                return Ok(row);
            }
            Ok(None) => return Err(guard_row::why_refused(&session, claim, doing).await?),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                patience.again(&session, claim, doing).await?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

async fn try_change(
    session: &Session,
    sql: &str,
    claim: &Claim,
    limits: LiveLimits,
) -> Result<Option<Row>, tokio_postgres::Error> {
    let statement = session.prepared(sql).await?;
    let begin = lock::begin_impatiently(limits.lock_timeout);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&claim.migration.as_str(), &claim.key.as_str(), &claim.epoch.0];
    let begun = send(session.batch_execute(&begin)).await;
    let changed = send(session.query_opt(&statement, &parameters)).await;
    let ended = send(session.batch_execute("COMMIT")).await;
    begun.answer().await?;
    let changed = changed.answer().await;
    ended.answer().await?;
    changed
}
