//! The lock that writers of an org share and that a switch takes alone.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::TryStreamExt;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use tokio::time::{Instant, sleep};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::pipeline::send;
use super::limits::LiveLimits;

const LOCK: &str = include_str!("sql/lock.sql");
const TRY_LOCK: &str = include_str!("sql/try_lock.sql");
const UNLOCK: &str = include_str!("sql/unlock.sql");
/// For whoever takes the lock for one statement.
const IDLE_MAX: Duration = Duration::from_secs(2);
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// For how long the lock is asked for, and kept by somebody who does nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) wait: Duration,
    /// If we hang, or the network to us does, the store ends our session after this, and writers go on (P8).
    pub(super) idle: Duration,
}

impl Hold {
    fn begin(self) -> String {
        format!("{}; {}", begin_impatiently(self.wait), self.idle_no_longer())
    }

    fn idle_no_longer(self) -> String {
        format!(
            "SELECT set_config(name, '{}', false) FROM pg_settings
             WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout')",
            self.idle.as_millis().max(1)
        )
    }
}

/// How long somebody has been trying, and how long to wait before the next try.
#[derive(Debug)]
pub(super) struct Patience {
    limits: LiveLimits,
    since: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(limits: LiveLimits) -> Self {
        Self { limits, since: Instant::now(), pause: PAUSE_FIRST }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() >= self.limits.lock_budget
    }

    /// Lets writers work for a while.
    async fn pause(&mut self) {
        sleep(self.pause.mul_f64(0.5 + rand::random::<f64>())).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// After a try that was in vain: waits, or says who is in the way.
    pub(super) async fn again(
        &mut self,
        session: &Session,
        lease: &Lease,
        doing: Doing<'_>,
    ) -> Result<(), EngineError> {
        if self.is_over() {
            return Err(in_the_way(session, lease, doing, self.limits.lock_budget).await?);
        }
        self.pause().await;
        Ok(())
    }
}

/// Prepares what [`try_lock`], [`lock_free`] and [`unlock`] ask.
pub(super) async fn prepare(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statements = [LOCK, TRY_LOCK, UNLOCK].map(|sql| session.prepared(sql));
    futures_util::future::try_join_all(statements).await.map(drop).map_err(failed)
}

/// Takes those locks of a cohort that nobody holds, without waiting for any: while we waited for one org, the writers of the others
/// would wait with us. Answers the keys of the orgs whose lock is ours now; it stays with the session.
pub(super) async fn lock_free(
    session: &Session,
    cohort: &Cohort,
    hold: Hold,
    doing: Doing<'_>,
) -> Result<HashSet<String>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(TRY_LOCK).await.map_err(failed)?;
    let idle = hold.idle_no_longer();
    let prepared = send(session.batch_execute(&idle)).await;
    let locked = send(session.query_raw(&statement, cohort.names())).await;
    prepared.answer().await.map_err(failed)?;
    let rows: Vec<Row> = locked.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    let mut ours = HashSet::new();
    for row in &rows {
        if row.try_get(1).map_err(failed)? {
            ours.insert(cohort.numbered(row, 0, doing)?.key.as_str().to_owned());
        }
    }
    Ok(ours)
}

/// Takes the lock, which stays with the session. New writers wait behind us meanwhile, so we wait for a short time only:
/// far below the time after which Postgres looks for deadlocks, because who holds the lock may wait for a row of who waits
/// behind us. False: it was not to be had.
pub(super) async fn try_lock(
    session: &Session,
    lease: &Lease,
    hold: Hold,
    doing: Doing<'_>,
) -> Result<bool, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(LOCK).await.map_err(failed)?;
    let org: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&lease.migration.as_str(), &lease.key.as_str()];
    let begin = hold.begin();
    // The wait ends with the transaction, the lock does not.
    let begun = send(session.batch_execute(&begin)).await;
    let locked = send(session.query_one(&statement, &org)).await;
    let ended = send(session.batch_execute("COMMIT")).await;
    begun.answer().await.map_err(failed)?;
    let locked = locked.answer().await;
    ended.answer().await.map_err(failed)?;
    match locked {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            // Granted in the very instant in which its time was over, it is ours although the statement failed: what belongs
            // to the session outlives the rollback. Taken once more it would have to be released twice.
            session.query(include_str!("sql/unlock_late.sql"), &org).await.map_err(failed)?;
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Begins a transaction that waits for no lock for longer than `timeout`.
pub(super) fn begin_impatiently(timeout: Duration) -> String {
    format!("BEGIN; SET LOCAL lock_timeout = {}", timeout.as_millis().max(1))
}

/// The same, again and again within the budget; then an error names who is in the way.
pub(super) async fn lock(
    session: &Session,
    lease: &Lease,
    limits: LiveLimits,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let mut patience = Patience::new(limits);
    let hold = Hold { wait: limits.lock_timeout, idle: IDLE_MAX };
    while !try_lock(session, lease, hold, doing).await? {
        patience.again(session, lease, doing).await?;
    }
    Ok(())
}

/// Lets writers go on.
pub(super) async fn unlock(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(UNLOCK).await.map_err(failed)?;
    session.query_one(&statement, &cohort.names()).await.map(drop).map_err(failed)
}

/// The session waits for locks, and idles, as long as all do.
pub(super) async fn patient_again(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    session.batch_execute(include_str!("sql/patient.sql")).await.map_err(|error| doing.failed(error))
}

/// The error that names the transactions which hold the lock.
async fn in_the_way(
    session: &Session,
    lease: &Lease,
    doing: Doing<'_>,
    budget: Duration,
) -> Result<EngineError, EngineError> {
    let failed = |error| doing.failed(error);
    let org: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&lease.migration.as_str(), &lease.key.as_str()];
    let mut described = Vec::new();
    for row in session.query(include_str!("sql/holders.sql"), &org).await.map_err(failed)? {
        let (transaction, pid): (String, Option<i32>) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let sql = include_str!("../sql/writer_describe.sql");
        let told = session.query_one(sql, &[&transaction, &pid]).await.map_err(failed)?;
        described.push(told.try_get::<_, String>(0).map_err(failed)?);
    }
    described.sort();
    Ok(doing.refused(match described.as_slice() {
        [] => format!("not had within {budget:?}, although nobody holds it now: the org is written all the time"),
        holders => format!(
            "not had within {budget:?}: {} that wrote to the org {} not ended: {}; next: end {}, then try again",
            if holders.len() == 1 { "a transaction" } else { "transactions" },
            if holders.len() == 1 { "has" } else { "have" },
            holders.join("; "),
            if holders.len() == 1 { "it" } else { "them" },
        ),
    }))
}
