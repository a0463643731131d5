//! The proof that both stores hold the same rows. Only a comparison makes one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Count and order-independent hash of one org's rows in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTally {
    /// How many rows.
    pub rows: i64,
    /// A sum over the rows' hashes, as a decimal number.
    pub hash: String,
}

/// One org's rows in one store, table by table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tally(pub BTreeMap<String, TableTally>);

impl Tally {
    /// Rows over all tables.
    pub fn rows(&self) -> i64 {
        self.0.values().map(|table| table.rows).sum()
    }
}

/// The first table in which the stores differ.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("table {table} differs: the source has {source_rows} rows, the target {target_rows}{}",
    if source_rows == target_rows { ", with other contents" } else { "" })]
pub struct Mismatch {
    /// The table's name.
    pub table: String,
    /// Its rows in the source.
    pub source_rows: i64,
    /// Its rows in the target.
    pub target_rows: i64,
}

/// Both stores held the same rows of an org. [`Verified::compare`] makes one from two tallies, and the move log stores it: no
/// switch can be requested without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified(Tally);

impl Verified {
    /// Compares table by table; a table that only one side has is a mismatch, too.
    pub fn compare(source: &Tally, target: &Tally) -> Result<Self, Mismatch> {
        for table in source.0.keys().chain(target.0.keys()) {
            let (left, right) = (source.0.get(table), target.0.get(table));
            if left != right || left.is_none() {
                let rows = |side: Option<&TableTally>| side.map_or(0, |tally| tally.rows);
                let table = table.clone();
                return Err(Mismatch { table, source_rows: rows(left), target_rows: rows(right) });
            }
        }
        Ok(Self(source.clone()))
    }

    /// The tally of both sides.
    pub fn tally(&self) -> &Tally {
        &self.0
    }
}
