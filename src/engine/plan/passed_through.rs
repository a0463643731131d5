//! Rows whose `via` leads through a table that the migration does not move: in the target that table may lack the row in between. Such a
//! row would belong to no org there: it would not be compared, and an abort would leave it behind.

use mover_actors::domain::record::Place;
use mover_actors::ports::EngineError;

use crate::config::{Definition, TableRule, Tenancy};
use crate::engine::plan::{Plan, TablePlan};
use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::{TableName, quote};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed, shortened};

/// A hop of a `via` to a table that stays.
#[derive(Debug)]
pub(in crate::engine) struct Passage {
    /// The table that stays.
    parent: String,
    /// Its columns that are referenced.
    column: String,
    /// Finds a row that this transaction has written and whose parent is missing: its key, and the value that it points to.
    missing: String,
}

/// The hops of a table to tables that stay, as the target has them.
pub(in crate::engine) fn of(
    definition: &Definition,
    rule: &TableRule,
    target: &Catalog,
    table: &Table,
) -> Vec<Passage> {
    let Tenancy::Via(hops) = &rule.tenancy else { return Vec::new() };
    let is_moved = |name: &TableName| definition.tables.iter().any(|rule| rule.name == *name);
    let key: Vec<String> = table.primary_key().iter().map(|column| format!("t.{}", quote(&column.name))).collect();
    let key = if key.is_empty() { "t.ctid".to_owned() } else { key.join(", ") };
    let (mut passages, mut joined, mut child) = (Vec::new(), format!("FROM {} AS t", table.from), "t".to_owned());
    for (depth, hop) in hops.iter().enumerate() {
        let Some(parent) = target.tables.get(&hop.parent) else { break };
        let (alias, column) = (format!("p{depth}"), format!("{child}.{}", hop.column.quoted()));
        let meets = format!("{alias}.{} = {column}", hop.parent_column.quoted());
        if !is_moved(&hop.parent) {
            let missing = format!(
                "SELECT ROW({key})::text, {column}::text {joined} WHERE t.xmin = pg_current_xact_id()::xid AND {column} IS NOT NULL \
                 AND NOT EXISTS (SELECT FROM {} AS {alias} WHERE {meets}) LIMIT 1",
                parent.from
            );
            let column = hop.parent_column.as_str().to_owned();
            passages.push(Passage { parent: hop.parent.to_string(), column, missing });
        }
        joined.push_str(&format!(" JOIN {} AS {alias} ON {meets}", parent.from));
        child = alias;
    }
    passages
}

/// Refuses rows that were written in this transaction and belong to none of the orgs in the target; names the row that is missing.
pub(in crate::engine) async fn prove(
    session: &Session,
    plan: &Plan,
    orgs: &[String],
    written: &[i64],
) -> Result<(), EngineError> {
    for (table, written) in plan.tables.iter().zip(written).filter(|(table, _)| !table.passages.is_empty()) {
        let doing = Doing::new(&plan.target, "looking whether the copied rows belong to their orgs").on(&table.label);
        let failed = |error| doing.failed(error);
        let count = format!("SELECT count(*) {}", table.target.rows());
        let owned: i64 = session.query_one(&count, &[&orgs]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
        if owned < *written {
            return Err(accuse(session, table, doing, written - owned).await?);
        }
    }
    Ok(())
}

async fn accuse(session: &Session, table: &TablePlan, doing: Doing<'_>, rows: i64) -> Result<EngineError, EngineError> {
    for Passage { parent, column, missing } in &table.passages {
        let found = session.query_opt(missing, &[]).await.map_err(|error| doing.failed(error))?;
        let Some(found) = found else { continue };
        let text = |place| found.try_get::<_, String>(place).map_err(|error| doing.failed(error));
        let (child, value) = (text(0)?, text(1)?);
        let row = shortened(&format!("({column})=({value})"));
        let error = doing.refused(format!(
            "{rows} rows of it lead to their org through {parent}, which lacks the row {row}, to which {} points; next: bring that row to \
             {parent} there, or let the migration move {parent}",
            shortened(&child)
        ));
        let place =
            Place { table: Some(parent.clone()), row: Some(row), columns: vec![column.clone()], ..*error.place };
        return Ok(EngineError { place: Box::new(place), ..error });
    }
    Ok(doing.refused(format!("{rows} rows of it belong to another org there, or to none")))
}
