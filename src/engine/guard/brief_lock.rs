//! Locking a table for a moment, without long waits for its users.

use std::time::Duration;

use mover_actors::ports::EngineError;
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use crate::engine::rows::drain::{describe, writers_of};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// One try keeps others waiting for no longer than this, for all its tables together.
const LOCK_TIMEOUT_MS: u64 = 200;
/// For each of many tables.
const LOCK_TIMEOUT_MIN_MS: u64 = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// Which other users of a table may be at work while it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concurrent {
    /// For creating triggers.
    Readers,
    /// For dropping them.
    Nothing,
}

/// How a table is locked.
#[derive(Debug, Clone, Copy)]
pub(super) struct LockRequest {
    pub(super) concurrent: Concurrent,
    /// How long it is tried.
    pub(super) budget: Duration,
}

/// Runs statements about some tables (`places`, quoted) in one transaction, again and again until it gets their locks. One process at
/// a time, because others change the same functions. Waiting for those processes blocks no writers, so there is no hurry.
pub(super) async fn with_brief_lock(
    session: &Session,
    sql: &str,
    places: &[String],
    LockRequest { concurrent, budget }: LockRequest,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let begin = Instant::now();
    // All of them before the first is changed. Who may create a trigger may not always lock its table, but who may drop it may.
    let locks: String = match concurrent {
        Concurrent::Readers => String::new(),
        Concurrent::Nothing => {
            places.iter().map(|place| format!("LOCK TABLE ONLY {place} IN ACCESS EXCLUSIVE MODE;\n")).collect()
        }
    };
    let each_ms = (LOCK_TIMEOUT_MS / (places.len() as u64).max(1)).max(LOCK_TIMEOUT_MIN_MS);
    let transaction = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; SELECT pg_advisory_xact_lock(hashtext('mover.guard'));\n\
         SET LOCAL lock_timeout = '{each_ms}ms'; {locks}{sql};\nCOMMIT",
        budget.as_millis().max(1)
    );
    loop {
        let Err(error) = session.batch_execute(&transaction).await else { return Ok(()) };
        session.batch_execute("ROLLBACK").await.map_err(|error| doing.failed(error))?;
        if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return Err(doing.failed(error));
        }
        if begin.elapsed() >= budget {
            return Err(busy(session, places, concurrent, (budget, doing)).await?);
        }
        sleep(PAUSE).await;
    }
}

/// The error that names a table that is in use, and the sessions that hold it.
async fn busy(
    session: &Session,
    places: &[String],
    concurrent: Concurrent,
    (budget, doing): (Duration, Doing<'_>),
) -> Result<EngineError, EngineError> {
    for place in places {
        let holders = holders(session, place, concurrent, doing).await?;
        if !holders.is_empty() {
            return Ok(doing.refused(format!("{place} was busy for {budget:?}: {}", holders.join("; "))));
        }
    }
    Ok(doing.refused(format!(
        "{} was busy for {budget:?}: no transaction holds it now, but it is in constant use, or another Mover changes it; try again",
        places.join(", ")
    )))
}

/// Describes the sessions that hold a table now.
async fn holders(
    session: &Session,
    place: &str,
    concurrent: Concurrent,
    doing: Doing<'_>,
) -> Result<Vec<String>, EngineError> {
    let failed = |error| doing.failed(error);
    let readers_too = concurrent == Concurrent::Nothing;
    let rows = session.query(include_str!("sql/holders.sql"), &[&place, &readers_too]).await.map_err(failed)?;
    describe(session, &writers_of(&rows, doing)?, doing).await
}
