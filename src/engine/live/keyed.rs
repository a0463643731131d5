//! SQL about rows with given keys. The keys are one array of texts for each column of the primary key.

use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::quote;

/// A column of a primary key in one store.
#[derive(Debug, Clone)]
pub(super) struct KeyColumn {
    /// In quotes.
    pub(super) quoted: String,
    /// The type that its text is cast to.
    pub(super) cast: String,
    /// The operator that compares two values of it.
    pub(super) equals: String,
    /// ` COLLATE …` if keys that are written differently can be equal: such keys count once.
    pub(super) collate: String,
}

impl KeyColumn {
    pub(super) fn of(catalog: &Catalog, table: &Table, name: &str) -> Result<Self, String> {
        let column = table.column(name).ok_or_else(|| format!("column {name} of the primary key does not exist"))?;
        let collate = column.inexact_collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
        let unknown = || format!("the type of column {name} is unknown");
        Ok(Self {
            quoted: quote(name),
            cast: catalog.types.cast(column.type_oid).ok_or_else(unknown)?,
            equals: catalog.types.equality(column.type_oid, column.type_oid).into(),
            collate,
        })
    }
}

/// The keys as rows `k (k1, k2, …)`, each once however its text is written. The arrays are `$first` and those after it.
pub(super) fn keys(columns: &[KeyColumn], first: usize) -> String {
    let numbered = || columns.iter().enumerate().map(|(index, column)| (index + 1, index + first, column));
    let typed: Vec<String> = numbered()
        .map(|(name, _, column)| format!("k.k{name}::{}{} AS k{name}", column.cast, column.collate))
        .collect();
    let arrays: Vec<String> = numbered().map(|(_, parameter, _)| format!("${parameter}::text[]")).collect();
    let names: Vec<String> = numbered().map(|(name, _, _)| format!("k{name}")).collect();
    format!(
        "(SELECT DISTINCT {} FROM unnest({}) AS k ({})) AS k",
        typed.join(", "),
        arrays.join(", "),
        names.join(", ")
    )
}

/// `FROM …` for the rows `t` of a table that have one of the keys: `$first` and after. OFFSET keeps the planner from turning
/// the look-up of each key into a join that reads the whole table.
pub(super) fn rows(from: &str, columns: &[KeyColumn], first: usize) -> String {
    let equal =
        |(index, column): (usize, &KeyColumn)| format!("r.{} {} k.k{}", column.quoted, column.equals, index + 1);
    let equal: Vec<String> = columns.iter().enumerate().map(equal).collect();
    format!(
        "FROM {} CROSS JOIN LATERAL (SELECT r.tableoid, r.ctid, r.* FROM {from} AS r WHERE {} OFFSET 0) AS t",
        keys(columns, first),
        equal.join(" AND ")
    )
}

/// Removes the rows that `select` finds, by tableoid and ctid.
pub(super) fn delete(table: &Table, select: &str) -> String {
    // In a partitioned table a ctid is not unique without its partition.
    let partition = match table.kind == "p" {
        true => " AND ((d.tableoid, d.ctid) IN (SELECT f.tableoid, f.ctid FROM found AS f)) IS TRUE",
        false => "",
    };
    format!(
        "WITH found AS MATERIALIZED ({select}) DELETE FROM {} AS d WHERE d.ctid = ANY (ARRAY(SELECT f.ctid FROM found AS f)){partition}",
        table.from
    )
}

/// `ROW(…)::text` of a table's key.
pub(super) fn key_text(columns: &[KeyColumn]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("t.{}", column.quoted)).collect();
    format!("ROW({})::text", columns.join(", "))
}
