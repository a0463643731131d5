//! Columns that only the target has: the way back has no place for their values, and must not lose them silently.

use mover_actors::ports::EngineError;
use mover_actors::protocol::RowKeys;
use tokio_postgres::types::ToSql;

use crate::engine::live::arrays::Arrays;
use crate::engine::live::plan::{LivePlan, LiveTable};
use crate::engine::schema::catalog::{Column, Table};
use crate::engine::schema::name::quote;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// The values of one table that could be lost.
#[derive(Debug)]
pub(super) struct Lost {
    columns: Vec<LostColumn>,
    /// Counts rows of the org that have a value of their own, column by column.
    in_org: String,
    /// The same for rows with given keys.
    in_keys: String,
}

#[derive(Debug, Clone)]
pub(super) struct LostColumn {
    name: String,
    /// Whether row `t` has another value than the column's default.
    condition: String,
    /// The statement that adds the column to the other store.
    remedy: String,
}

/// The columns of `leaving` that `receiving` lacks, except generated ones.
pub(super) fn columns(leaving: &Table, receiving: &Table) -> Vec<LostColumn> {
    let only_here = |column: &&Column| receiving.column(&column.name).is_none() && !column.generated;
    leaving.columns.iter().filter(only_here).map(|column| LostColumn::of(column, receiving)).collect()
}

impl LostColumn {
    fn of(column: &Column, receiving: &Table) -> Self {
        let quoted = quote(&column.name);
        // Types like json cannot be compared otherwise, and evaluating nextval would draw a number.
        let constant = column.default_value.as_ref().filter(|value| !value.contains("nextval("));
        let condition = match constant {
            Some(value) => format!("t.{quoted}::text IS DISTINCT FROM ({value})::text"),
            None => format!("t.{quoted} IS NOT NULL"),
        };
        let default = constant.map(|value| format!(" DEFAULT {value}")).unwrap_or_default();
        let remedy = format!("ALTER TABLE {} ADD COLUMN {quoted} {}{default}", receiving.quoted, column.written);
        Self { name: column.name.clone(), condition, remedy }
    }
}

impl Lost {
    /// `rows` are those of the org, `keyed` those with given keys; `None` if nothing can be lost.
    pub(super) fn of(columns: Vec<LostColumn>, rows: &str, keyed: &str) -> Option<Self> {
        if columns.is_empty() {
            return None;
        }
        let counts: Vec<String> =
            columns.iter().map(|column| format!("count(*) FILTER (WHERE {})", column.condition)).collect();
        let counts = counts.join(", ");
        Some(Self { columns, in_org: format!("SELECT {counts} {rows}"), in_keys: format!("SELECT {counts} {keyed}") })
    }
}

/// Refuses to move orgs back if one has values in such columns: in any row, or in one of those with these keys.
pub(super) async fn refuse(
    live: &LivePlan,
    from: &Session,
    cohort: &Cohort,
    keys: Option<&RowKeys>,
) -> Result<(), EngineError> {
    for (number, (planned, table)) in live.plan.tables.iter().zip(&live.tables).enumerate() {
        let Some(lost) = &table.lost else { continue };
        let doing = Doing::new(&live.plan.source, "looking what would be lost on the way back").on(&planned.label);
        match keys {
            None => refuse_found(lost, &lost.in_org, from, &[cohort.keys()], doing).await?,
            Some(keys) if keys.of(number).next().is_none() => {}
            Some(keys) => {
                let arrays = Arrays::of(table.key.len(), keys.of(number));
                refuse_found(lost, &lost.in_keys, from, &arrays.after(cohort.keys()), doing).await?;
            }
        }
    }
    Ok(())
}

/// The statement of [`refuse`] about rows with given keys.
pub(super) fn asked_of(table: &LiveTable) -> Option<&str> {
    table.lost.as_ref().map(|lost| lost.in_keys.as_str())
}

async fn refuse_found(
    lost: &Lost,
    sql: &str,
    from: &Session,
    parameters: &[&(dyn ToSql + Sync)],
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = from.prepared(sql).await.map_err(failed)?;
    let row = from.query_one(&statement, parameters).await.map_err(failed)?;
    for (index, column) in lost.columns.iter().enumerate() {
        let rows: i64 = row.try_get(index).map_err(failed)?;
        if rows > 0 {
            let (name, remedy) = (&column.name, &column.remedy);
            return Err(doing.refused(format!(
                "{} of the org {} a value in column {name}, which the other store does not have; next: run there: {remedy}; \
                 then roll back again, and the values are carried over",
                if rows == 1 { "1 row".into() } else { format!("{rows} rows") },
                if rows == 1 { "has" } else { "have" },
            )));
        }
    }
    Ok(())
}
