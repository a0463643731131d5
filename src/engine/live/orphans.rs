//! Constraints of single rows that triggers enforce, verified after the rows were written without triggers.

use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use crate::engine::live::keyed::{self, KeyColumn};
use crate::engine::plan::enforced::Enforced;
use crate::engine::plan::union;
use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::quote;
use crate::engine::store::error::{Doing, Failed};

/// The constraints of one table.
#[derive(Debug)]
pub(super) struct Orphans {
    /// One row for each broken constraint: its number, the key of the row, and the values of the columns.
    pub(super) probe: Option<String>,
    enforced: Vec<Enforced>,
}

impl Orphans {
    pub(super) fn of(catalog: &Catalog, table: &Table, key: &[KeyColumn], belongs: &str) -> Self {
        let enforced = Enforced::of(catalog, table);
        let probe = union(enforced.iter().map(|enforced| probe(enforced, key, belongs)));
        Self { probe: (!enforced.is_empty()).then_some(probe), enforced }
    }

    /// The error for a row that the probe has found.
    pub(super) fn accuse(&self, row: &Row, doing: Doing<'_>) -> EngineError {
        let found = || -> Result<(i32, &str, &str), tokio_postgres::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (number, key, values) = match found() {
            Ok(found) => found,
            Err(error) => return doing.failed(error),
        };
        match usize::try_from(number).ok().and_then(|number| self.enforced.get(number)) {
            Some(enforced) => enforced.accuse(key, values, doing),
            None => doing.refused("the store answered with a constraint that was not asked for"),
        }
    }
}

fn probe(enforced: &Enforced, key: &[KeyColumn], belongs: &str) -> String {
    let columns: Vec<String> = enforced.columns.iter().map(|name| format!("t.{}", quote(name))).collect();
    let rows = keyed::rows(&enforced.from, key, 2);
    format!(
        ", {}, ROW({})::text {rows} WHERE {belongs} AND {} LIMIT 1",
        keyed::key_text(key),
        columns.join(", "),
        enforced.is_broken()
    )
}
