//! Constraints that Postgres enforces by triggers, which do not fire for rows that Mover writes: Mover verifies them. Each is a
//! condition on a row `t` that breaks it.

use mover_actors::ports::EngineError;

use crate::engine::schema::catalog::{Catalog, DeferredKey, Reference, Table};
use crate::engine::schema::name::quote;
use crate::engine::store::error::{Doing, shortened};

/// A foreign key, or a unique constraint that is DEFERRABLE.
#[derive(Debug)]
pub(in crate::engine) struct Enforced {
    /// Its name in messages.
    name: String,
    /// The table or the partition that has it.
    pub(in crate::engine) from: String,
    pub(in crate::engine) columns: Vec<String>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    /// There is a row of the parent with these values.
    Points(Reference),
    /// No other row has these values.
    Unique(DeferredKey),
}

impl Enforced {
    /// Those of a table.
    pub(in crate::engine) fn of(catalog: &Catalog, table: &Table) -> Vec<Self> {
        let references = catalog.references.iter().filter(|found| found.child_root == table.oid);
        let references = references.map(|reference| Self {
            name: format!("foreign key {}", reference.name),
            from: reference.child_from.clone(),
            columns: reference.child_columns.clone(),
            rule: Rule::Points(reference.clone()),
        });
        let keys = catalog.deferred_keys.iter().filter(|found| found.table_oid == table.oid);
        let keys = keys.map(|key| Self {
            name: format!("unique constraint {}", key.name),
            from: key.from.clone(),
            columns: key.columns.clone(),
            rule: Rule::Unique(key.clone()),
        });
        references.chain(keys).collect()
    }

    /// The foreign key, if it is one.
    pub(in crate::engine) fn reference(&self) -> Option<&Reference> {
        match &self.rule {
            Rule::Points(reference) => Some(reference),
            Rule::Unique(_) => None,
        }
    }

    /// Whether row `t` breaks it.
    pub(in crate::engine) fn is_broken(&self) -> String {
        let own: Vec<String> = self.columns.iter().map(|name| format!("t.{}", quote(name))).collect();
        let not_null: Vec<String> = own.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let condition = match &self.rule {
            Rule::Points(reference) => orphaned(reference, &own),
            Rule::Unique(key) => {
                let equal = pairs(&key.columns, &key.equalities, &own, "u");
                format!(
                    "(SELECT true FROM {} AS u WHERE {equal} AND (u.tableoid, u.ctid) <> (t.tableoid, t.ctid) LIMIT 1)",
                    key.from
                )
            }
        };
        format!("{} AND {condition}", not_null.join(" AND "))
    }

    /// The error for a row of a store that breaks it, with the key of the row and the values of the columns.
    pub(in crate::engine) fn accuse(&self, row_key: &str, values: &str, doing: Doing<'_>) -> EngineError {
        let columns = self.columns.join(", ");
        let problem = match &self.rule {
            Rule::Points(reference) => format!(
                "row {row_key} points with ({columns})={values} to {}, which has no such row in this store ({})",
                reference.parent_from.trim_start_matches("ONLY "),
                self.name
            ),
            Rule::Unique(_) => {
                format!(
                    "row {row_key} has ({columns})={values}, which another row in this store has, too ({})",
                    self.name
                )
            }
        };
        let mut error = doing.refused(shortened(&problem));
        error.place.columns.clone_from(&self.columns);
        error.place.row = Some(shortened(row_key));
        error
    }
}

/// Whether no row of the parent has these values. Not NOT EXISTS: planned while both tables were empty, that could become a
/// join which reads all of the parent for each row. A parent's key is unique, so there is one row at most.
pub(in crate::engine) fn orphaned(reference: &Reference, values: &[String]) -> String {
    let equal = pairs(&reference.parent_columns, &reference.equalities, values, "p");
    format!("(SELECT true FROM {} AS p WHERE {equal}) IS NULL", reference.parent_from)
}

fn pairs(columns: &[String], equalities: &[String], values: &[String], alias: &str) -> String {
    let pairs = columns.iter().zip(equalities).zip(values);
    let equal: Vec<String> =
        pairs.map(|((column, equals), value)| format!("{alias}.{} {equals} {value}", quote(column))).collect();
    equal.join(" AND ")
}
