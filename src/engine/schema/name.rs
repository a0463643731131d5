//! Names of tables and columns, parsed as SQL parses them and quoted so that SQL cannot misread them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not the name of a table or column.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing between two dots, or an empty text.
    #[error("{text:?} lacks a name: write `table`, `schema.table`, or \"Odd Name\" in double quotes")]
    Missing {
        /// The whole text.
        text: String,
    },
    /// A quote that is not closed.
    #[error("{text:?} has a double quote that is not closed")]
    OpenQuote {
        /// The whole text.
        text: String,
    },
    /// A character that needs quotes.
    #[error("{text:?} contains {character:?}: put the name in double quotes")]
    NeedsQuotes {
        /// The whole text.
        text: String,
        /// The first such character.
        character: char,
    },
    /// More or fewer parts than expected.
    #[error("{text:?} has {found} names joined by dots, but {expected} expected")]
    Parts {
        /// The whole text.
        text: String,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: &'static str,
    },
}

/// A column's name, exactly as Postgres knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnName(String);

/// A table's name, exactly as Postgres knows it, perhaps with its schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    schema: Option<String>,
    name: String,
}

impl ColumnName {
    /// The name as the catalog has it, without quotes.
    pub fn exact(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as the catalog has it, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in quotes, for SQL.
    pub fn quoted(&self) -> String {
        quote(&self.0)
    }
}

impl TableName {
    /// The name as the catalog has it, without quotes.
    pub fn exact(schema: Option<String>, name: impl Into<String>) -> Self {
        Self { schema, name: name.into() }
    }

    /// The schema, if the name has one.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name in quotes, for SQL.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&self.name)),
            None => quote(&self.name),
        }
    }
}

impl FromStr for ColumnName {
    type Err = NameError;
    /// Reads one SQL identifier: folded to lower case unless it is in double quotes.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = split_identifiers(text)?;
        match (parts.pop(), parts.len()) {
            (Some(name), 0) => Ok(Self(name)),
            (_, others) => Err(NameError::Parts { text: text.into(), found: others + 1, expected: "one is" }),
        }
    }
}

impl FromStr for TableName {
    type Err = NameError;
    /// Reads `table` or `schema.table`, each folded to lower case unless it is in double quotes.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = split_identifiers(text)?;
        match (parts.pop(), parts.pop(), parts.len()) {
            (Some(name), schema, 0) => Ok(Self { schema, name }),
            (_, _, others) => {
                Err(NameError::Parts { text: text.into(), found: others + 2, expected: "one or two are" })
            }
        }
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_where_needed(&self.0))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quote_where_needed(schema))?;
        }
        f.write_str(&quote_where_needed(&self.name))
    }
}

/// Reads SQL identifiers joined by dots: `a.B."C d"` gives `a`, `b` and `C d`.
pub fn split_identifiers(text: &str) -> Result<Vec<String>, NameError> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(inner) => quoted_part(text, inner)?,
            None => plain_part(text, rest)?,
        };
        if part.is_empty() {
            return Err(NameError::Missing { text: text.into() });
        }
        parts.push(part);
        rest = match after.strip_prefix('.') {
            Some(next) => next,
            None => match after.chars().next() {
                None => return Ok(parts),
                Some(character) => return Err(NameError::NeedsQuotes { text: text.into(), character }),
            },
        };
    }
}

fn quoted_part<'a>(text: &str, inner: &'a str) -> Result<(String, &'a str), NameError> {
    let mut part = String::new();
    let mut rest = inner;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(NameError::OpenQuote { text: text.into() });
        };
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return Ok((part, after)),
        }
    }
}

fn plain_part<'a>(text: &str, rest: &'a str) -> Result<(String, &'a str), NameError> {
    let (part, after) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let needs_quotes = |(position, c): &(usize, char)| {
        // SQL counts a no-break space as a letter, readers do not: at the edge of a name it would be trimmed away.
        let letter = c.is_ascii_alphabetic() || *c == '_' || !c.is_ascii() && !c.is_whitespace();
        !(letter || *position > 0 && (c.is_ascii_digit() || *c == '$'))
    };
    match part.char_indices().find(needs_quotes) {
        Some((_, character)) => Err(NameError::NeedsQuotes { text: text.into(), character }),
        None => Ok((part.to_ascii_lowercase(), after)),
    }
}

/// An identifier in double quotes.
pub(in crate::engine) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Text as an SQL literal.
pub(in crate::engine) fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    if text.contains('\\') { format!("E{}", quoted.replace('\\', "\\\\")) } else { quoted }
}

fn quote_where_needed(identifier: &str) -> String {
    match plain_part(identifier, identifier) {
        Ok((plain, "")) if plain == identifier && !plain.is_empty() => plain,
        _ => quote(identifier),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let table: TableName = "Public.\"We \"\"ird\"\" Näme\"".parse().unwrap();
        assert_eq!((table.schema(), table.name()), (Some("public"), "We \"ird\" Näme"));
        assert_eq!(table.quoted(), "\"public\".\"We \"\"ird\"\" Näme\"");
        assert_eq!(table.to_string().parse::<TableName>().unwrap(), table);
        assert_eq!("Org_Id".parse::<ColumnName>().unwrap().as_str(), "org_id");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".", "a.", "a..b", "\"a", "a b", "1a", "a.b.c", "a;drop", "\"a\"b", "\"\""] {
            assert!(text.parse::<TableName>().is_err(), "{text:?}");
        }
        assert!("a.b".parse::<ColumnName>().is_err());
    }

    #[test]
    fn a_name_with_a_no_break_space_is_written_in_quotes() {
        let column = ColumnName::exact("\u{a0}org");
        assert_eq!(column.to_string(), "\"\u{a0}org\"");
        assert_eq!(column.to_string().parse::<ColumnName>().unwrap(), column);
        assert!("a\u{a0}b".parse::<ColumnName>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_name_survives_writing_and_reading(schema in "[^\0]{1,12}", name in "[^\0]{1,12}") {
            let table = TableName::exact(Some(schema), name);
            proptest::prop_assert_eq!(table.to_string().parse::<TableName>().unwrap(), table);
        }
    }
}
