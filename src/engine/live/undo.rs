//! Where orgs stand in one store, changed without any row of theirs being moved: capturing, fencing, taking back.

use std::collections::{HashMap, HashSet};

use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;
use tokio_postgres::error::SqlState;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::pipeline::send;
use super::super::store::Store;
use super::guard_row;
use super::limits::LiveLimits;
use super::lock::{self, Patience};

const SETTLE: &str = include_str!("sql/settle.sql");

/// Lets the store log what is written of the orgs.
pub(super) async fn capture(store: &Store, cohort: &Cohort, limits: LiveLimits) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "beginning to log what is written");
    change(store, include_str!("sql/capture.sql"), cohort, limits, doing).await.map(drop)
}

/// The keys of those orgs that have moved away from this store; older leases are refused from now on.
pub(super) async fn moved(store: &Store, cohort: &Cohort, limits: LiveLimits) -> Result<HashSet<String>, EngineError> {
    let doing = Doing::new(store.name(), "asking whether the org has moved");
    let modes = change(store, include_str!("sql/fence.sql"), cohort, limits, doing).await?;
    Ok(modes.into_iter().filter(|(_, mode)| mode == "moved").map(|(key, _)| key).collect())
}

/// Whether the org has moved away from this store; older leases are refused from now on.
pub(super) async fn has_moved(store: &Store, lease: &Lease, limits: LiveLimits) -> Result<bool, EngineError> {
    Ok(!moved(store, &Cohort::one(lease), limits).await?.is_empty())
}

/// Has the store refuse older leases from now on, if it knows the org. Where it does not, nothing may be written down that it
/// would take for a decision.
pub(super) async fn refuse_older(store: &Store, lease: &Lease, limits: LiveLimits) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "keeping out what was sent before");
    let session = store.session().await?;
    let mut patience = Patience::new(limits);
    loop {
        match try_change(&session, include_str!("sql/raise.sql"), &Cohort::one(lease), limits).await {
            Ok(_) => {
                session.release();
                return Ok(());
            }
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                patience.again(&session, lease, doing).await?;
            }
            Err(error) => return Err(doing.failed(error)),
        }
    }
}

/// The orgs live in the receiving store, after they have left the other.
pub(super) async fn complete(
    (leaving, receiving): (&Store, &Store),
    cohort: &Cohort,
    way: Way,
    limits: LiveLimits,
) -> Result<(), EngineError> {
    let doing = Doing::new(receiving.name(), "making the org live here");
    let gone = moved(leaving, cohort, limits).await?;
    if let Some(lease) = cohort.first_missing(&gone) {
        return Err(doing.refused(format!("org {} has not left {} yet", lease.org, leaving.name())));
    }
    let session = receiving.session().await?;
    guard_row::receive(&session, cohort, way, doing).await?;
    failpoint::hit("capturing.committed");
    super::block::remove_ranges(&session, cohort, doing).await?;
    session.release();
    Ok(())
}

/// Lets the store log no more, and forgets what was logged: the org stays there. Refused if it has moved away.
pub(super) async fn settle(
    store: &Store,
    lease: &Lease,
    limits: LiveLimits,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    if has_moved(store, lease, limits).await? {
        return Err(doing.refused("the org has moved away: what is done now must lead forward"));
    }
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    session.prepared(SETTLE).await.map_err(failed)?;
    // Whoever writes now has begun to log. Afterwards nobody does, so nothing is left behind in the log.
    lock::lock(&session, lease, limits, doing).await?;
    failpoint::hit("release.before_commit");
    // Writers wait for us; we wait for nobody as long.
    if try_change(&session, SETTLE, &Cohort::one(lease), limits).await.map_err(failed)?.is_empty() {
        return Err(guard_row::why_refused(&session, lease, doing).await?);
    }
    lock::unlock(&session, &Cohort::one(lease), doing).await?;
    lock::patient_again(&session, doing).await?;
    session.release();
    Ok(())
}

/// Refuses unless the org lives in this store and nothing is logged there any more.
pub(super) async fn must_be_settled(store: &Store, lease: &Lease) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "asking whether the way back is closed");
    let session = store.session().await?;
    guard_row::must_be(&session, guard_row::READ, "settled", lease, doing).await?;
    session.release();
    Ok(())
}

/// Changes the orgs' guard rows, which writers may hold for a moment: they read them in a snapshot that must stay good. Answers
/// the mode of each by its key; refused if one does not come back. Nobody waits for the writers of another org: a cohort is
/// refused, so that it is split.
async fn change(
    store: &Store,
    sql: &str,
    cohort: &Cohort,
    limits: LiveLimits,
    doing: Doing<'_>,
) -> Result<HashMap<String, String>, EngineError> {
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let mut patience = Patience::new(limits);
    loop {
        let error = match try_change(&session, sql, cohort, limits).await {
            Ok(changed) => {
                let keys = changed.keys().cloned().collect();
                guard_row::refuse_others(&session, cohort, &keys, doing).await?;
                session.release();
                return Ok(changed);
            }
            Err(error) => error,
        };
        match cohort.single() {
            _ if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) => return Err(failed(error)),
            Some(lease) => patience.again(&session, lease, doing).await?,
            None => return Err(doing.refused("the row of one of these orgs is locked by its writers")),
        }
    }
}

async fn try_change(
    session: &Session,
    sql: &str,
    cohort: &Cohort,
    limits: LiveLimits,
) -> Result<HashMap<String, String>, tokio_postgres::Error> {
    let statement = session.prepared(sql).await?;
    let begin = lock::begin_impatiently(limits.lock_timeout);
    let parameters = cohort.parameters();
    let begun = send(session.batch_execute(&begin)).await;
    let changed = send(session.query(&statement, &parameters)).await;
    let ended = send(session.batch_execute("COMMIT")).await;
    begun.answer().await?;
    let changed = changed.answer().await;
    ended.answer().await?;
    changed?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
