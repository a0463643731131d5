//! Locking a table for a moment, without long waits for its users.

use std::time::Duration;

use mover_actors::ports::EngineError;
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use crate::engine::rows::drain::{describe, writers_of};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// One try keeps others waiting for no longer than this.
const LOCK_TIMEOUT_MS: u64 = 200;
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

/// Runs statements about one table (`place`, quoted), again and again until it gets the lock. One process at a time, because
/// others change the same functions. Waiting for those processes blocks no writers, so there is no hurry.
pub(super) async fn with_brief_lock(
    session: &Session,
    sql: &str,
    place: &str,
    LockRequest { concurrent, budget }: LockRequest,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let begin = Instant::now();
    let transaction = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}ms'; SELECT pg_advisory_xact_lock(hashtext('mover.guard'));\n\
         SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'; {sql};\nCOMMIT",
        budget.as_millis().max(1)
    );
    loop {
        let Err(error) = session.batch_execute(&transaction).await else { return Ok(()) };
        session.batch_execute("ROLLBACK").await.map_err(|error| doing.failed(error))?;
        if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return Err(doing.failed(error));
        }
        if begin.elapsed() >= budget {
            let holders = holders(session, place, concurrent, doing).await?;
            return Err(doing.refused(format!("{place} was busy for {budget:?}: {holders}")));
        }
        sleep(PAUSE).await;
    }
}

/// Describes the sessions that hold a table now.
async fn holders(
    session: &Session,
    place: &str,
    concurrent: Concurrent,
    doing: Doing<'_>,
) -> Result<String, EngineError> {
    let failed = |error| doing.failed(error);
    let readers_too = concurrent == Concurrent::Nothing;
    let rows = session.query(include_str!("sql/holders.sql"), &[&place, &readers_too]).await.map_err(failed)?;
    let described = describe(session, &writers_of(&rows, doing)?, doing).await?;
    Ok(match described.is_empty() {
        true => "no transaction holds it now, but it is in constant use, or another Mover changes it; try again".into(),
        false => described.join("; "),
    })
}
