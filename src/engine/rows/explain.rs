//! Which rows of a table differ between the stores, and in which columns.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;

use futures_util::StreamExt;
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Place;
use mover_actors::ports::EngineError;
use tokio_postgres::RowStream;

use crate::engine::plan::{Plan, SidePlan, TablePlan};
use crate::engine::schema::name::quote;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed, shortened};

/// The message names this many rows; these are enough to find the others.
const NAMED_MAX: usize = 5;

#[derive(Debug)]
enum Difference {
    OnlyInSource(String),
    OnlyInTarget(String),
    OtherContents(String),
}

/// Walks through both stores in the order of the rows' keys, with one row of each in memory.
pub(in crate::engine) async fn explain(
    plan: &Plan,
    table: &TablePlan,
    source: &Store,
    target: &Store,
    key: &OrgKey,
) -> Result<Place, EngineError> {
    let (from, to) = (source.session().await?, target.session().await?);
    let comparing = |store| Doing::new(store, "comparing the org row by row").on(&table.label);
    let (left, right) = (comparing(&plan.source), comparing(&plan.target));
    let mut source_rows = Walk::begin(&from, table, &table.source, key, left).await?;
    let mut target_rows = Walk::begin(&to, table, &table.target, key, right).await?;
    let found = differences(&mut source_rows, &mut target_rows).await?;
    // The walks may have ended early; what follows needs idle connections.
    drop((source_rows, target_rows, from, to));

    let changed: Vec<&str> = found.iter().filter_map(Difference::changed).collect();
    let before = contents(source, table, &table.source, key, &changed, left).await?;
    let after = contents(target, table, &table.target, key, &changed, right).await?;
    let mut columns = BTreeSet::new();
    let described: Vec<String> =
        found.iter().map(|difference| describe(difference, table, &before, &after, &mut columns)).collect();
    let row = if described.is_empty() {
        "the rows are equal by now: they were changed meanwhile".into()
    } else {
        described.join("; ")
    };
    Ok(Place {
        store: Some(plan.target.to_string()),
        table: Some(table.label.clone()),
        columns: columns.into_iter().collect(),
        row: Some(row),
        ..Place::default()
    })
}

impl Difference {
    fn changed(&self) -> Option<&str> {
        match self {
            Difference::OtherContents(key) => Some(key),
            Difference::OnlyInSource(_) | Difference::OnlyInTarget(_) => None,
        }
    }
}

async fn differences(source: &mut Walk<'_>, target: &mut Walk<'_>) -> Result<Vec<Difference>, EngineError> {
    let mut found = Vec::new();
    let (mut left, mut right) = (source.next().await?, target.next().await?);
    while found.len() < NAMED_MAX {
        let order = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.as_bytes().cmp(b.as_bytes()),
        };
        match order {
            Ordering::Less => {
                found.extend(left.take().map(|(key, _)| Difference::OnlyInSource(key)));
                left = source.next().await?;
            }
            Ordering::Greater => {
                found.extend(right.take().map(|(key, _)| Difference::OnlyInTarget(key)));
                right = target.next().await?;
            }
            Ordering::Equal => {
                if left.as_ref().map(|(_, hash)| hash) != right.as_ref().map(|(_, hash)| hash) {
                    found.extend(left.take().map(|(key, _)| Difference::OtherContents(key)));
                }
                (left, right) = (source.next().await?, target.next().await?);
            }
        }
    }
    Ok(found)
}

/// The rows of one store, in the order of their keys as text.
struct Walk<'a> {
    rows: Pin<Box<RowStream>>,
    doing: Doing<'a>,
}

impl<'a> Walk<'a> {
    async fn begin(
        session: &Session,
        table: &TablePlan,
        side: &SidePlan,
        key: &OrgKey,
        doing: Doing<'a>,
    ) -> Result<Self, EngineError> {
        let sql = format!("SELECT {} COLLATE \"C\", {} {} ORDER BY 1, 2", key_text(table), side.hash, side.rows());
        let rows = session.query_raw(&sql, [[key.as_str()].as_slice()]).await.map_err(|error| doing.failed(error))?;
        Ok(Self { rows: Box::pin(rows), doing })
    }

    async fn next(&mut self) -> Result<Option<(String, i64)>, EngineError> {
        let failed = |error| self.doing.failed(error);
        let Some(row) = self.rows.next().await else { return Ok(None) };
        let row = row.map_err(failed)?;
        Ok(Some((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?)))
    }
}

fn key_text(table: &TablePlan) -> String {
    let columns: Vec<String> = table.key.iter().map(|name| format!("t.{}", quote(name))).collect();
    format!("ROW({})::text", columns.join(", "))
}

/// The compared columns of some rows, as text.
async fn contents(
    store: &Store,
    table: &TablePlan,
    side: &SidePlan,
    key: &OrgKey,
    rows: &[&str],
    doing: Doing<'_>,
) -> Result<HashMap<String, Vec<Option<String>>>, EngineError> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let columns: Vec<String> = table.compared.iter().map(|name| format!("t.{}::text", quote(name))).collect();
    let key_text = key_text(table);
    let sql =
        format!("SELECT {key_text}, ARRAY[{}] {} AND {key_text} = ANY ($2::text[])", columns.join(", "), side.rows());
    let found = session.query(&sql, &[&[key.as_str()].as_slice(), &rows]).await.map_err(failed)?;
    session.release();
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(failed)
}

fn describe(
    difference: &Difference,
    table: &TablePlan,
    before: &HashMap<String, Vec<Option<String>>>,
    after: &HashMap<String, Vec<Option<String>>>,
    columns: &mut BTreeSet<String>,
) -> String {
    let key = |value: &str| shortened(&format!("({})={value}", table.key.join(", ")));
    let changed = match difference {
        Difference::OnlyInSource(value) => return format!("{} is only in the source", key(value)),
        Difference::OnlyInTarget(value) => return format!("{} is only in the target", key(value)),
        Difference::OtherContents(value) => value,
    };
    let (Some(old), Some(new)) = (before.get(changed), after.get(changed)) else {
        return format!("{} was changed meanwhile", key(changed));
    };
    let names = table.compared.iter().zip(old.iter().zip(new)).filter(|(_, (old, new))| old != new);
    let differing: Vec<String> = names.map(|(name, _)| name.clone()).collect();
    columns.extend(differing.iter().cloned());
    match differing.as_slice() {
        // Two values can have the same text and differ in storage, e.g. in the scale of a number.
        [] => format!("{} differs in a way that its text does not show", key(changed)),
        names => format!("{} differs in {}", key(changed), names.join(", ")),
    }
}
