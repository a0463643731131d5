//! Waits for writers: transactions that were admitted before an org was blocked, and may still commit.

use std::collections::HashMap;
use std::time::Duration;

use mover_actors::ports::EngineError;
use tokio::time::{Instant, sleep};
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Transactions by their virtual id, each with its process.
pub(in crate::engine) type Writers = HashMap<String, Option<i32>>;

/// Waits until the transactions that now hold a writer's lock on these tables have ended; later ones were admitted after the
/// block, or see that the org is being moved.
pub(in crate::engine) async fn drain(store: &Store, tables: &[Oid], budget: Duration) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "waiting for open writers");
    let session = store.session().await?;
    let begin = Instant::now();
    let mut open = writers(&session, tables, doing).await?;
    let mut pause = PAUSE_FIRST;
    while !open.is_empty() {
        if begin.elapsed() >= budget {
            return Err(over_budget(&session, doing, &open, budget).await?);
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        let now = writers(&session, tables, doing).await?;
        open.retain(|transaction, _| now.contains_key(transaction));
    }
    session.release();
    Ok(())
}

async fn writers(session: &Session, tables: &[Oid], doing: Doing<'_>) -> Result<Writers, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/writers.sql")).await.map_err(failed)?;
    let rows = session.query(&statement, &[&tables]).await.map_err(failed)?;
    writers_of(&rows, doing)
}

async fn over_budget(
    session: &Session,
    doing: Doing<'_>,
    open: &Writers,
    budget: Duration,
) -> Result<EngineError, EngineError> {
    let described = describe(session, open, doing).await?.join("; ");
    Ok(doing.refused(format!("{} still open after {budget:?}: {described}", open.len())))
}

/// Describes open transactions for a person, in order.
pub(in crate::engine) async fn describe(
    session: &Session,
    open: &Writers,
    doing: Doing<'_>,
) -> Result<Vec<String>, EngineError> {
    let failed = |error| doing.failed(error);
    let (transactions, pids): (Vec<&str>, Vec<Option<i32>>) =
        open.iter().map(|(transaction, pid)| (transaction.as_str(), *pid)).unzip();
    let rows = session.query(include_str!("sql/writer_describe.sql"), &[&transactions, &pids]).await.map_err(failed)?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)
}

/// The transactions of rows that each have a virtual id and a process.
pub(in crate::engine) fn writers_of(rows: &[Row], doing: Doing<'_>) -> Result<Writers, EngineError> {
    let pair = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(pair).collect::<Result<_, _>>().map_err(|error| doing.failed(error))
}
