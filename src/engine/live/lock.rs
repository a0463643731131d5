//! The lock that writers of an org share and that a switch takes exclusively.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::TryStreamExt;
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::store::Hold;
use mover_actors::protocol::{LiveLimits, Patience, send};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::engine::rows::drain::{describe, writers_of};
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const LOCK: &str = include_str!("sql/lock.sql");
const TRY_LOCK: &str = include_str!("sql/try_lock.sql");
const UNLOCK: &str = include_str!("sql/unlock.sql");
/// For a lock that is taken for one statement.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Limits all waits for locks to this, until [`reset_timeouts`].
pub(super) async fn wait_at_most(session: &Session, wait: Duration, doing: Doing<'_>) -> Result<(), EngineError> {
    let sql = format!("SET lock_timeout = {}", wait.as_millis().max(1));
    session.batch_execute(&sql).await.map_err(|error| doing.failed(error))
}

fn begin(hold: Hold) -> String {
    format!("{}; {}", begin_impatiently(hold.wait), idle_no_longer(hold))
}

fn idle_no_longer(hold: Hold) -> String {
    format!(
        "SELECT set_config(name, '{}', false) FROM pg_settings
         WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout')",
        hold.idle.as_millis().max(1)
    )
}

/// After a failed try: waits, or returns an error that names the blocking transactions.
pub(super) async fn try_again(
    patience: &mut Patience,
    session: &Session,
    lease: &Lease,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    if patience.is_over() {
        return Err(lock_refusal(session, lease, doing, patience.budget()).await?);
    }
    patience.pause(&lease.key).await;
    Ok(())
}

/// Prepares the statements of [`try_lock`], [`lock_free`] and [`unlock`].
pub(super) async fn prepare(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statements = [LOCK, TRY_LOCK, UNLOCK].map(|sql| session.prepared(sql));
    futures_util::future::try_join_all(statements).await.map(drop).map_err(failed)
}

/// Takes the locks of a cohort that are free, without waiting for any: while we wait for one org, the writers of the others
/// would wait with us. Returns the keys of the orgs whose lock we have now; the session holds them.
pub(super) async fn lock_free(
    session: &Session,
    cohort: &Cohort,
    hold: Hold,
    doing: Doing<'_>,
) -> Result<HashSet<OrgKey>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(TRY_LOCK).await.map_err(failed)?;
    let idle = idle_no_longer(hold);
    let prepared = send(session.batch_execute(&idle)).await;
    let locked = send(session.query_raw(&statement, cohort.names())).await;
    prepared.answer().await.map_err(failed)?;
    let rows: Vec<Row> = locked.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    let mut ours = HashSet::new();
    for row in &rows {
        if row.try_get(1).map_err(failed)? {
            ours.insert(cohort.numbered(row, 0, doing)?.key.clone());
        }
    }
    Ok(ours)
}

/// Takes the lock, which the session holds. New writers queue behind us meanwhile, so we wait for a short time only: far less
/// than `deadlock_timeout`, because the holder of the lock may wait for a row of a writer that is queued behind us. Returns
/// false if it could not get the lock.
pub(super) async fn try_lock(
    session: &Session,
    lease: &Lease,
    hold: Hold,
    doing: Doing<'_>,
) -> Result<bool, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(LOCK).await.map_err(failed)?;
    let org: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&lease.migration.as_str(), &lease.key.as_str()];
    let beginning = begin(hold);
    // The limit ends with the transaction; the lock does not.
    let begun = send(session.batch_execute(&beginning)).await;
    let locked = send(session.query_one(&statement, &org)).await;
    let ended = send(session.batch_execute("COMMIT")).await;
    begun.answer().await.map_err(failed)?;
    let locked = locked.answer().await;
    ended.answer().await.map_err(failed)?;
    match locked {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            // If it was granted in the instant of the timeout, it is ours although the statement failed: session locks survive
            // a rollback. If we took it once more, we would have to release it twice.
            session.query(include_str!("sql/unlock_late.sql"), &org).await.map_err(failed)?;
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Begins a transaction that waits for locks no longer than `timeout`.
pub(super) fn begin_impatiently(timeout: Duration) -> String {
    format!("BEGIN; SET LOCAL lock_timeout = {}", timeout.as_millis().max(1))
}

/// Tries again and again within the budget; then returns an error that names the blocking transactions.
pub(super) async fn lock(
    session: &Session,
    lease: &Lease,
    limits: LiveLimits,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let mut patience = Patience::new(limits.lock_budget);
    let hold = Hold { wait: limits.lock_timeout, idle: IDLE_MAX };
    while !try_lock(session, lease, hold, doing).await? {
        try_again(&mut patience, session, lease, doing).await?;
    }
    Ok(())
}

/// Releases the locks, so that writers go on.
pub(super) async fn unlock(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(UNLOCK).await.map_err(failed)?;
    session.query_one(&statement, &cohort.names()).await.map(drop).map_err(failed)
}

/// Resets the timeouts of the session to those of every other session.
pub(super) async fn reset_timeouts(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    session.batch_execute(include_str!("sql/patient.sql")).await.map_err(|error| doing.failed(error))
}

/// The error that names the transactions which hold the lock.
pub(super) async fn lock_refusal(
    session: &Session,
    lease: &Lease,
    doing: Doing<'_>,
    budget: Duration,
) -> Result<EngineError, EngineError> {
    let failed = |error| doing.failed(error);
    let org: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&lease.migration.as_str(), &lease.key.as_str()];
    let rows = session.query(include_str!("sql/holders.sql"), &org).await.map_err(failed)?;
    let described = describe(session, &writers_of(&rows, doing)?, doing).await?;
    Ok(doing.refused(match described.as_slice() {
        [] => {
            format!("no lock within {budget:?}, although no transaction holds it now: the org is written all the time")
        }
        holders => format!(
            "no lock within {budget:?}: {} that wrote to the org {} not ended: {}; next: end {}, then try again",
            if holders.len() == 1 { "a transaction" } else { "transactions" },
            if holders.len() == 1 { "has" } else { "have" },
            holders.join("; "),
            if holders.len() == 1 { "it" } else { "them" },
        ),
    }))
}
