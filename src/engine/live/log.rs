//! What the triggers of the store that an org leaves have logged.

use futures_util::TryStreamExt;
use mover_actors::domain::record::Claim;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;

use super::super::connection::Session;
use super::super::error::Doing;
use super::super::pipeline::send;
use super::super::store::Store;
use super::guard_row::Standing;
use super::keys::Keys;
use super::plan::LivePlan;

const STANDING: &str = include_str!("sql/snapshot.sql");
const ENTRIES: &str = include_str!("sql/entries.sql");
const FORGET: &str = include_str!("sql/forget.sql");

pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What one snapshot of the leaving store says.
#[derive(Debug)]
pub(super) struct Reading {
    /// The keys logged by then.
    pub(super) keys: Keys,
    /// What the snapshot sees, as `pg_snapshot`.
    pub(super) snapshot: String,
}

/// Statements that must not be prepared while writers wait.
pub(super) const STATEMENTS: [&str; 3] = [STANDING, ENTRIES, FORGET];

fn reading(live: &LivePlan) -> Doing<'_> {
    Doing::new(&live.plan.source, "reading what was written")
}

/// Begins a snapshot with `begin`, leaves it open, and reads the log. Refused unless the org is being logged: the log would
/// not be whole.
pub(super) async fn read(live: &LivePlan, from: &Session, claim: &Claim, begin: &str) -> Result<Reading, EngineError> {
    let doing = reading(live);
    let failed = |error| doing.failed(error);
    let standing = from.prepared(STANDING).await.map_err(failed)?;
    let entries = from.prepared(ENTRIES).await.map_err(failed)?;
    let org = [claim.migration.as_str(), claim.key.as_str()];
    let begun = send(from.batch_execute(begin)).await;
    let standing = send(from.query_raw(&standing, org)).await;
    let entries = send(from.query_raw(&entries, org)).await;
    begun.answer().await.map_err(failed)?;
    let standing: Vec<_> = standing.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    let found = standing.first().map(Standing::of).transpose().map_err(failed)?;
    Standing::must_be(found.as_ref(), "capturing", claim, doing)?;
    let snapshot = match standing.first() {
        Some(row) => row.try_get("snapshot").map_err(failed)?,
        None => String::new(),
    };
    let mut keys = Keys::none(live.tables.len());
    let mut entries = std::pin::pin!(entries.answer().await.map_err(failed)?);
    while let Some(row) = entries.try_next().await.map_err(failed)? {
        let (label, key): (String, Vec<String>) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let number = live.number_of(&label).ok_or_else(|| unknown_table(&label, doing))?;
        let expected = live.tables[number].key.len();
        if key.len() != expected {
            let problem = format!(
                "a logged key has {} columns, and the primary key {expected}: it was changed while the org is being moved",
                key.len()
            );
            return Err(doing.on(&label).refused(problem));
        }
        keys.add(number, key, row.try_get(2).map_err(failed)?);
    }
    Ok(Reading { keys, snapshot })
}

fn unknown_table(label: &str, doing: Doing<'_>) -> EngineError {
    doing.on(label).refused("writes to this table were logged, but the migration does not move it (any more)")
}

/// Forgets the entries that a snapshot saw; answers how many have come since.
pub(super) async fn forget(live: &LivePlan, from: &Session, claim: &Claim, snapshot: &str) -> Result<i64, EngineError> {
    let doing = Doing::new(&live.plan.source, "forgetting what was carried over");
    let failed = |error| doing.failed(error);
    let statement = from.prepared(FORGET).await.map_err(failed)?;
    let row = from
        .query_one(&statement, &[&claim.migration.as_str(), &claim.key.as_str(), &snapshot, &claim.epoch.0])
        .await
        .map_err(failed)?;
    row.try_get(0).map_err(failed)
}

/// The same from a session of its own, while the snapshot is still in use.
pub(super) async fn forget_in_snapshot(
    live: &LivePlan,
    leaving: &Store,
    claim: &Claim,
    snapshot: &str,
) -> Result<(), EngineError> {
    let session = leaving.session().await?;
    forget(live, &session, claim, snapshot).await?;
    failpoint::hit("catch_up.forgotten");
    session.release();
    Ok(())
}
