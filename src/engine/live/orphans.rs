//! Foreign keys of single rows, verified after they were written without triggers.

use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use crate::engine::live::keyed::{self, KeyColumn};
use crate::engine::plan::union;
use crate::engine::schema::catalog::{Catalog, Reference, Table};
use crate::engine::schema::name::quote;
use crate::engine::store::error::{Doing, Failed, shortened};

/// The foreign keys of one table.
#[derive(Debug)]
pub(super) struct Orphans {
    /// One row for each broken foreign key: its number, the key of the row, and the values that it references.
    pub(super) probe: Option<String>,
    foreign_keys: Vec<ForeignKey>,
}

#[derive(Debug)]
struct ForeignKey {
    name: String,
    columns: Vec<String>,
    parent: String,
}

impl Orphans {
    pub(super) fn of(catalog: &Catalog, table: &Table, key: &[KeyColumn], belongs: &str) -> Self {
        let own: Vec<&Reference> = catalog.references.iter().filter(|found| found.child_root == table.oid).collect();
        let probes = own.iter().map(|reference| probe(reference, key, belongs));
        let probe = union(probes);
        let foreign_keys = own.iter().map(|reference| ForeignKey {
            name: reference.name.clone(),
            columns: reference.child_columns.clone(),
            parent: reference.parent_from.trim_start_matches("ONLY ").into(),
        });
        Self { probe: (!own.is_empty()).then_some(probe), foreign_keys: foreign_keys.collect() }
    }

    /// The error for a row that the probe has found.
    pub(super) fn accuse(&self, row: &Row, doing: Doing<'_>) -> EngineError {
        let found = || -> Result<(i32, String, String), tokio_postgres::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (number, key, value) = match found() {
            Ok(found) => found,
            Err(error) => return doing.failed(error),
        };
        let Some(foreign_key) = usize::try_from(number).ok().and_then(|number| self.foreign_keys.get(number)) else {
            return doing.refused("the store answered with a foreign key that was not asked for");
        };
        let problem = format!(
            "row {key} points with ({})={value} to {}, which has no such row in this store (foreign key {})",
            foreign_key.columns.join(", "),
            foreign_key.parent,
            foreign_key.name
        );
        let mut error = doing.refused(shortened(&problem));
        error.place.columns.clone_from(&foreign_key.columns);
        error.place.row = Some(shortened(&key));
        error
    }
}

fn probe(reference: &Reference, key: &[KeyColumn], belongs: &str) -> String {
    let columns: Vec<String> = reference.child_columns.iter().map(|name| format!("t.{}", quote(name))).collect();
    let not_null: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let equal: Vec<String> = reference
        .parent_columns
        .iter()
        .zip(&reference.equalities)
        .zip(&columns)
        .map(|((parent, equals), child)| format!("p.{} {equals} {child}", quote(parent)))
        .collect();
    let rows = keyed::rows(&reference.child_from, key, 2);
    format!(
        ", {}, ROW({})::text {rows} WHERE {belongs} AND {} AND (SELECT true FROM {} AS p WHERE {}) IS NULL LIMIT 1",
        keyed::key_text(key),
        columns.join(", "),
        not_null.join(" AND "),
        reference.parent_from,
        equal.join(" AND ")
    )
}
