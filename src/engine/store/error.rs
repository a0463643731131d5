//! Turns errors of the driver into errors that an operator can act on.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};

use mover_actors::domain::record::Place;
use mover_actors::ports::EngineError;
pub(in crate::engine) use mover_actors::protocol::{Doing, shortened};
use tokio_postgres::error::{DbError, SqlState};

use crate::transient;

/// Whether errors repeat rows that a store has refused. For the whole process, as the log is.
static SHOWS_ROWS: AtomicBool = AtomicBool::new(true);

/// Keeps rows that a store refuses out of errors, and so out of logs, the move log and every answer; or shows them.
pub fn show_refused_rows(shown: bool) {
    SHOWS_ROWS.store(shown, Ordering::Relaxed);
}

/// An error of the driver, as an engine error with its place.
pub(in crate::engine) trait Failed {
    fn failed(self, error: tokio_postgres::Error) -> EngineError;
}

impl Failed for Doing<'_> {
    fn failed(self, error: tokio_postgres::Error) -> EngineError {
        let transient = is_transient(&error);
        let mut place = Place { systemic: is_systemic(&error), ..self.place() };
        let shows_rows = SHOWS_ROWS.load(Ordering::Relaxed);
        let cause = match error.as_db_error() {
            Some(said) => {
                fill(&mut place, said);
                place.row = place.row.filter(|_| shows_rows);
                sentence(said, shows_rows)
            }
            None => driver_sentence(&error),
        };
        EngineError { transient, reason: format!("{}: {cause}", self.prefix()), place: Box::new(place) }
    }
}

/// Whether the same may work later.
pub(in crate::engine) fn is_transient(error: &tokio_postgres::Error) -> bool {
    // "cached plan must not change result type": a new connection plans anew.
    let full_or_stale = [SqlState::TOO_MANY_CONNECTIONS, SqlState::OUT_OF_MEMORY, SqlState::FEATURE_NOT_SUPPORTED];
    let may_work = error.code().is_some_and(|code| full_or_stale.contains(code)) && !is_really_unsupported(error);
    may_work || transient::is_transient(error)
}

/// Whether every org would fail like this one: the store cannot be reached or entered, has no room, or lacks a right.
pub(in crate::engine) fn is_systemic(error: &tokio_postgres::Error) -> bool {
    /// Classes of codes: connections, authorization, resources, and interventions of an operator.
    const CLASSES: [&str; 4] = ["08", "28", "53", "57P"];
    let Some(code) = error.code() else { return transient::is_transient(error) };
    // Policies of rows refuse single rows with the same code as a right that is missing.
    let lacks_right = |said: &DbError| said.routine() == Some("aclcheck_error");
    CLASSES.iter().any(|class| code.code().starts_with(class))
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::INSUFFICIENT_PRIVILEGE && error.as_db_error().is_some_and(lacks_right)
}

/// The code of a stale prepared statement is shared with features that will never be supported.
fn is_really_unsupported(error: &tokio_postgres::Error) -> bool {
    let stale = |said: &DbError| said.routine() == Some("RevalidateCachedQuery");
    error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) && !error.as_db_error().is_some_and(stale)
}

fn fill(place: &mut Place, said: &DbError) {
    if place.table.is_none() {
        place.table = said.table().map(Into::into);
    }
    if let Some(column) = said.column().or_else(|| copied_column(said)) {
        place.columns = vec![column.into()];
    }
    let Some(detail) = said.detail() else { return };
    if let Some((columns, values)) = key_of(detail) {
        place.columns = columns.split(", ").map(Into::into).collect();
        place.row = Some(shortened(&format!("({columns})=({values})")));
    } else if let Some(row) = detail.strip_prefix("Failing row contains ") {
        place.row = Some(shortened(row.trim_end_matches('.')));
    }
}

/// Takes `Key (id)=(5) already exists.` apart.
fn key_of(detail: &str) -> Option<(&str, &str)> {
    let (columns, rest) = detail.strip_prefix("Key (")?.split_once(")=(")?;
    let ends =
        [") already exists", ") is not present in table", ") conflicts with existing key", ") is still referenced"];
    let end = ends.iter().filter_map(|end| rest.rfind(end)).max()?;
    Some((columns, &rest[..end]))
}

/// The column in `COPY people, line 3, column name`: COPY errors have no column field.
fn copied_column(said: &DbError) -> Option<&str> {
    let (_, column) = said.where_()?.lines().next()?.split_once(", column ")?;
    Some(column.split(": ").next().unwrap_or(column))
}

fn sentence(said: &DbError, shows_rows: bool) -> String {
    let mut text = said.message().to_owned();
    // Only the detail of an error has values of rows.
    if let Some(detail) = said.detail().filter(|_| shows_rows) {
        text = format!("{text} ({})", shortened(detail.trim_end_matches('.')));
    }
    if let Some(hint) = said.hint() {
        text = format!("{text}; {hint}");
    }
    if let Some(function) = lost_function(said) {
        text = format!(
            "{text}; Mover looks names up in pg_catalog alone: give {function} a path of its own with ALTER FUNCTION … SET search_path"
        );
    }
    format!("{text} [{}]", said.code().code())
}

/// The user-defined function that has not found what it names.
fn lost_function(said: &DbError) -> Option<&str> {
    let lost = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION, SqlState::UNDEFINED_OBJECT];
    let called = said.where_()?.lines().find(|line| line.contains("function "))?;
    let name = called.split_once("function ")?.1.split([' ', '"']).find(|word| !word.is_empty())?;
    lost.contains(said.code()).then_some(name)
}

fn driver_sentence(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_details_are_taken_apart() {
        assert_eq!(key_of("Key (a, b)=(1, x) already exists."), Some(("a, b", "1, x")));
        assert_eq!(
            key_of("Key (a)=(has (parens)) already exists) is not present in table \"t\"."),
            Some(("a", "has (parens)) already exists"))
        );
        assert_eq!(key_of("Failing row contains (1, null)."), None);
    }
}
