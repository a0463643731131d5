//! The current operation and its place, so that every error can name them.

use crate::domain::ids::StoreName;
use crate::domain::record::Place;
use crate::ports::EngineError;

/// The most characters of a row that are kept in a failure.
const ROW_CHARACTERS_MAX: usize = 500;

/// The current operation, its store, and its table if it is about one.
#[derive(Debug, Clone, Copy)]
pub struct Doing<'a> {
    /// The store.
    pub store: &'a StoreName,
    /// The operation, as a participle: `reading the org`.
    pub what: &'a str,
    /// The table.
    pub table: Option<&'a str>,
}

impl<'a> Doing<'a> {
    /// About a store as a whole.
    pub fn new(store: &'a StoreName, what: &'a str) -> Self {
        Self { store, what, table: None }
    }

    /// The same about one table.
    pub fn on(self, table: &'a str) -> Self {
        Self { table: Some(table), ..self }
    }

    /// A permanent fault: a person has to fix it.
    pub fn refused(self, problem: impl AsRef<str>) -> EngineError {
        let reason = format!("{}: {}", self.prefix(), problem.as_ref());
        EngineError { transient: false, reason, place: Box::new(self.place()) }
    }

    /// A transient fault.
    pub fn not_now(self, problem: impl AsRef<str>) -> EngineError {
        EngineError { transient: true, ..self.refused(problem) }
    }

    /// The place.
    pub fn place(self) -> Place {
        Place { store: Some(self.store.to_string()), table: self.table.map(Into::into), ..Place::default() }
    }

    /// The beginning of an error message.
    pub fn prefix(self) -> String {
        match self.table {
            Some(table) => format!("{} (store {}, table {table})", self.what, self.store),
            None => format!("{} (store {})", self.what, self.store),
        }
    }
}

/// At most 500 characters of a text.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(ROW_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_are_shortened() {
        let short = shortened(&"ä".repeat(10_000));
        assert!(short.starts_with('ä') && short.chars().count() < 600 && short.ends_with("(10000 characters)"));
    }
}
