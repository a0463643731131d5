//! Whether triggers on the tables would see all writes, and whether we may create them.

use mover_actors::ports::EngineError;

use crate::engine::guard::body::{Guarded, Pointed};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Tables that can have triggers but would be written without firing them, each with the remedy.
pub(super) async fn unfit(
    session: &Session,
    tables: &[Guarded],
    doing: Doing<'_>,
) -> Result<Vec<(String, String)>, EngineError> {
    let parents = tables.iter().flat_map(|table| table.parents.iter().map(move |parent| (table, parent))).collect();
    let ambiguous = chosen(session, include_str!("sql/ambiguous.sql"), parents, doing).await?;
    let keys = tables.iter().flat_map(|table| table.key.iter().map(move |key| (table, key))).collect();
    let inexact = chosen(session, include_str!("sql/inexact.sql"), keys, doing).await?;
    let ambiguous = ambiguous.into_iter().map(|(table, Pointed { table: parent, column, .. })| {
        let problem = format!(
            "its `via` leads through {parent}.{column}, which is not unique: a row could belong to two orgs; make a unique \
             index on it, or move its orgs with strategy = \"offline\""
        );
        (table.label.clone(), problem)
    });
    let inexact = inexact.into_iter().map(|(table, Pointed { column, .. })| {
        let problem = format!(
            "the collation of its key column {column} takes keys for equal that are written differently, and the guard knows \
             orgs by the text of their keys; change it, or move its orgs with strategy = \"offline\""
        );
        (table.label.clone(), problem)
    });
    Ok(ambiguous.chain(inexact).chain(relatives(session, tables, doing).await?).collect())
}

/// Tables that are also written under the name of another table.
async fn relatives(
    session: &Session,
    tables: &[Guarded],
    doing: Doing<'_>,
) -> Result<Vec<(String, String)>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut found = Vec::new();
    for row in session.query(include_str!("sql/relatives.sql"), &[&oids]).await.map_err(failed)? {
        let number: i64 = row.try_get("number").map_err(failed)?;
        let (is_part, other): (bool, String) =
            (row.try_get("is_part").map_err(failed)?, row.try_get("other").map_err(failed)?);
        let problem = match is_part {
            true => format!(
                "it is a part of {other}, and what is written by that name would not be seen; move {other} instead, or move its \
                 orgs with strategy = \"offline\""
            ),
            false => format!(
                "{other} inherits from it, and what is written by the name of one changes rows of both; make them partitions, or \
                 move their orgs with strategy = \"offline\""
            ),
        };
        let table = usize::try_from(number - 1).ok().and_then(|index| tables.get(index));
        found.extend(table.map(|table| (table.label.clone(), problem)));
    }
    Ok(found)
}

/// Tables and partitions on which our role may not create triggers: the name in the definition, and the place.
pub(super) async fn untouchable(
    session: &Session,
    tables: &[Guarded],
    doing: Doing<'_>,
) -> Result<Vec<(String, String)>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut found = Vec::new();
    for row in session.query(include_str!("sql/untouchable.sql"), &[&oids]).await.map_err(failed)? {
        let root: u32 = row.try_get("root").map_err(failed)?;
        let place: String = row.try_get("place").map_err(failed)?;
        let label = tables.iter().find(|table| table.oid == root).map_or(&place, |table| &table.label);
        found.push((label.clone(), place));
    }
    Ok(found)
}

/// Tables and partitions whose triggers our role could not drop again, with the statement that gives it the right to.
pub(super) async fn owned_by_others(
    session: &Session,
    tables: &[Guarded],
    doing: Doing<'_>,
) -> Result<Vec<(String, String)>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let rows = session.query(include_str!("sql/owned_by_others.sql"), &[&oids]).await.map_err(failed)?;
    let found = |row: &tokio_postgres::Row| Ok((row.try_get("places")?, row.try_get("remedy")?));
    rows.iter().map(found).collect::<Result<_, _>>().map_err(failed)
}

/// The columns whose numbers the query returns.
async fn chosen<'a>(
    session: &Session,
    sql: &str,
    columns: Vec<(&'a Guarded, &'a Pointed)>,
    doing: Doing<'_>,
) -> Result<Vec<(&'a Guarded, &'a Pointed)>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = columns.iter().map(|(_, column)| column.oid).collect();
    let names: Vec<&str> = columns.iter().map(|(_, column)| column.column.as_str()).collect();
    let mut found = Vec::new();
    for row in session.query(sql, &[&oids, &names]).await.map_err(failed)? {
        let number: i64 = row.try_get(0).map_err(failed)?;
        let column = usize::try_from(number - 1).ok().and_then(|index| columns.get(index));
        found.extend(column.copied());
    }
    Ok(found)
}
