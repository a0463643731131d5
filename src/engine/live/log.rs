//! What the triggers of the store that an org leaves have logged.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mover_actors::failpoint;
use mover_actors::ports::EngineError;

use super::super::cohort::Cohort;
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
    /// The keys logged by then, by the key of the org; only of orgs that have any.
    pub(super) by_org: BTreeMap<String, Keys>,
    /// What the snapshot sees, as `pg_snapshot`.
    pub(super) snapshot: String,
}

impl Reading {
    /// The keys of all orgs together.
    pub(super) fn keys(self, live: &LivePlan) -> Keys {
        let mut all = Keys::none(live.tables.len());
        self.by_org.into_values().for_each(|keys| all.add_all(keys));
        all
    }
}

/// Statements that must not be prepared while writers wait.
pub(super) const STATEMENTS: [&str; 3] = [STANDING, ENTRIES, FORGET];

fn reading(live: &LivePlan) -> Doing<'_> {
    Doing::new(&live.plan.source, "reading what was written")
}

/// Begins a snapshot with `begin`, leaves it open, and reads the log. Refused unless the orgs are being logged: the log would
/// not be whole.
pub(super) async fn read(
    live: &LivePlan,
    from: &Session,
    cohort: &Cohort,
    begin: &str,
) -> Result<Reading, EngineError> {
    let doing = reading(live);
    let failed = |error| doing.failed(error);
    let standing = from.prepared(STANDING).await.map_err(failed)?;
    let entries = from.prepared(ENTRIES).await.map_err(failed)?;
    let begun = send(from.batch_execute(begin)).await;
    let standing = send(from.query_raw(&standing, cohort.names())).await;
    let entries = send(from.query_raw(&entries, cohort.names())).await;
    begun.answer().await.map_err(failed)?;
    let standing: Vec<_> = standing.answer().await.map_err(failed)?.try_collect().await.map_err(failed)?;
    let found = standing.iter().map(Standing::of).collect::<Result<_, _>>().map_err(failed)?;
    Standing::all_must_be(&found, "capturing", cohort, doing)?;
    let snapshot = match standing.first() {
        Some(row) => row.try_get("snapshot").map_err(failed)?,
        None => String::new(),
    };
    let mut by_org: BTreeMap<String, Keys> = BTreeMap::new();
    let mut entries = std::pin::pin!(entries.answer().await.map_err(failed)?);
    while let Some(row) = entries.try_next().await.map_err(failed)? {
        let (org, label): (String, String) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let key: Vec<String> = row.try_get(2).map_err(failed)?;
        let number = live.number_of(&label).ok_or_else(|| unknown_table(&label, doing))?;
        let expected = live.tables[number].key.len();
        if key.len() != expected {
            let problem = format!(
                "a logged key has {} columns, and the primary key {expected}: it was changed while the org is being moved",
                key.len()
            );
            return Err(doing.on(&label).refused(problem));
        }
        let subtree = row.try_get(3).map_err(failed)?;
        by_org.entry(org).or_insert_with(|| Keys::none(live.tables.len())).add(number, key, subtree);
    }
    Ok(Reading { by_org, snapshot })
}

fn unknown_table(label: &str, doing: Doing<'_>) -> EngineError {
    doing.on(label).refused("writes to this table were logged, but the migration does not move it (any more)")
}

/// Forgets the entries that a snapshot saw; answers how many have come since.
pub(super) async fn forget(
    live: &LivePlan,
    from: &Session,
    cohort: &Cohort,
    snapshot: &str,
) -> Result<i64, EngineError> {
    let doing = Doing::new(&live.plan.source, "forgetting what was carried over");
    let failed = |error| doing.failed(error);
    let statement = from.prepared(FORGET).await.map_err(failed)?;
    let [migration, keys, epochs] = cohort.parameters();
    let row = from.query_one(&statement, &[migration, keys, epochs, &snapshot]).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}

/// The same from a session of its own, while the snapshot is still in use.
pub(super) async fn forget_in_snapshot(
    live: &LivePlan,
    leaving: &Store,
    cohort: &Cohort,
    snapshot: &str,
) -> Result<(), EngineError> {
    let session = leaving.session().await?;
    forget(live, &session, cohort, snapshot).await?;
    failpoint::hit("catch_up.forgotten");
    session.release();
    Ok(())
}
