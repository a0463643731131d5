//! Rows: what they hold, how they are passed on, and how they are counted and hashed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::protocol::store::{Part, Value};

use super::fault::Fault;

/// The tables of every migration.
pub const TABLES: [&str; 2] = ["containers", "groups"];

/// One row of an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// In which of the migration's tables.
    pub table: &'static str,
    /// Its primary key.
    pub id: u64,
    /// Its text.
    pub value: u64,
}

impl Row {
    /// The number of its table.
    pub fn table_number(&self) -> usize {
        TABLES.iter().position(|table| *table == self.table).expect("there are no other tables")
    }
}

/// A row as stores pass it on.
pub(in super::super) fn to_values(key: &OrgKey, row: &Row) -> Vec<Value> {
    vec![Value::Text(key.to_string()), Value::Integer(row.id.cast_signed()), Value::Integer(row.value.cast_signed())]
}

/// Whose row it is, and the row.
pub(in super::super) fn from_values(table: usize, values: &[Value]) -> Result<(OrgKey, Row), Fault> {
    let [Value::Text(key), Value::Integer(id), Value::Integer(value)] = values else {
        return Err(Fault::refused("the rows come in a format that this store does not take"));
    };
    let table = TABLES.get(table).ok_or_else(|| Fault::refused("rows come of a table that was not asked for"))?;
    let key = OrgKey::new(key.as_str()).map_err(|error| Fault::refused(error.to_string()))?;
    Ok((key, Row { table, id: id.cast_unsigned(), value: value.cast_unsigned() }))
}

/// The hash of one row.
pub(in super::super) fn hash_of(row: &Row) -> i64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// Whether a row is in a part of its table.
pub(in super::super) fn part_of(row: &Row, part: Part) -> bool {
    row.id.cast_signed().rem_euclid(part.of.max(1)) == part.number
}

/// Counts and hashes rows, table by table; all tables are named.
pub(in super::super) fn tally_of_rows<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Tally {
    let mut sums = [(0_i64, 0_i128); TABLES.len()];
    for row in rows {
        let (count, sum) = &mut sums[row.table_number()];
        *count += 1;
        *sum += i128::from(hash_of(row));
    }
    let named = TABLES.iter().zip(sums);
    let tallies = named.map(|(table, (rows, sum))| ((*table).to_owned(), TableTally { rows, hash: sum.to_string() }));
    Tally(tallies.collect::<BTreeMap<_, _>>())
}
