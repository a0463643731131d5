//! Texts of a source that is in SQL_ASCII: it stores any bytes, and other stores refuse what is no UTF-8. Mover finds such a row
//! before the other store does, which could not name it.

use mover_actors::ports::EngineError;

use crate::engine::plan::{Plan, TablePlan};
use crate::engine::rows::reframe::{each_row, integer};
use crate::engine::schema::name::quote;
use crate::engine::store::error::{Doing, shortened};

/// Refuses the first row with a text that is no UTF-8.
pub(in crate::engine) fn must_be_utf8(plan: &Plan, table: &TablePlan, rows: &[u8]) -> Result<(), EngineError> {
    let mut found = None;
    let is_wrong = |row: &[Option<&[u8]>], place: usize| {
        row.get(place).copied().flatten().is_some_and(|bytes| std::str::from_utf8(bytes).is_err())
    };
    let read = each_row(rows, |row| {
        if found.is_none() {
            let wrong = table.unchecked.iter().copied().find(|place| is_wrong(row, *place));
            found = wrong.and_then(|place| Some((table.copied.get(place)?, key_of(table, row))));
        }
    });
    let doing = Doing::new(&plan.source, "reading the org").on(&table.label);
    match (read, found) {
        (None, _) => Err(doing.refused("the rows are not whole")),
        (_, None) => Ok(()),
        (_, Some((column, key))) => Err(refusal(column, &key, doing)),
    }
}

fn refusal(column: &str, key: &str, doing: Doing<'_>) -> EngineError {
    let quoted = quote(column);
    let problem = format!(
        "column {column} of row {key} has bytes that are no UTF-8, and the store is in SQL_ASCII; next: find out their encoding, \
         and if it is LATIN1 run there, for this row: SET {quoted} = convert_from(convert(convert_to({quoted}, 'SQL_ASCII'), \
         'LATIN1', 'UTF8'), 'SQL_ASCII')"
    );
    let mut error = doing.refused(problem);
    error.place.columns = vec![column.to_owned()];
    error.place.row = Some(shortened(key));
    error
}

/// The key of a row, in words: numbers, UUIDs, and texts as far as they are known.
fn key_of(table: &TablePlan, row: &[Option<&[u8]>]) -> String {
    let value = |name: &String| {
        let place = table.copied.iter().position(|copied| copied == name)?;
        let bytes = row.get(place).copied().flatten()?;
        Some(match (table.unchecked.contains(&place), integer(bytes), <[u8; 16]>::try_from(bytes)) {
            (true, ..) => String::from_utf8_lossy(bytes).into_owned(),
            (_, Some(number), _) => number.to_string(),
            (_, _, Ok(uuid)) => format!("{:032x}", u128::from_be_bytes(uuid)),
            _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    };
    let values: Vec<String> = table.key.iter().map(|name| value(name).unwrap_or_default()).collect();
    format!("({})=({})", table.key.join(", "), values.join(", "))
}
