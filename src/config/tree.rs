//! A TOML document in which every value has its place; values from outside can override it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Found, Place};

/// A value with its place.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// The kind of a value.
pub(super) enum Value {
    Table(Table),
    Array(Vec<Node>),
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// Text from outside the file: it has no quotes there, so it may be a number or a boolean, too.
    Loose(String),
    /// A type that no setting has: a date, a fraction, a number beyond 64 bits.
    Other(&'static str),
}

/// Values by their keys, with the place of each key.
pub(super) type Table = BTreeMap<String, (Place, Node)>;

/// Parses a document as far as possible.
pub(super) fn parse(file: &str, text: &str, found: &Found) -> (Place, Table) {
    let source = Source::new(file, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        found.add_garbled(&source.place(error.span().unwrap_or(0..0)), format!("not valid TOML: {}", error.message()));
    }
    (source.place(0..0), table(&source, document.into_inner()))
}

/// Overrides a value of a document.
pub(super) fn lay_over(table: &mut Table, key: &str, rest: &[String], text: &str, place: &Place) {
    // Environment variables are in capitals; a store may be named `Old` all the same.
    let known = table.keys().find(|known| known.eq_ignore_ascii_case(key)).cloned();
    let key = known.unwrap_or_else(|| key.to_lowercase());
    let Some((next, rest)) = rest.split_first() else {
        let value = Value::Loose(text.to_owned());
        table.insert(key, (place.clone(), Node { place: place.clone(), value }));
        return;
    };
    let empty = || Node { place: place.clone(), value: Value::Table(Table::new()) };
    let (_, node) = table.entry(key).or_insert_with(|| (place.clone(), empty()));
    if !matches!(node.value, Value::Table(_)) {
        *node = empty();
    }
    if let Value::Table(inner) = &mut node.value {
        lay_over(inner, next, rest, text, place);
    }
}

/// A text and the starts of its lines.
struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(file: &str, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), text, lines }
    }

    fn place(&self, span: Range<usize>) -> Place {
        let line = self.lines.partition_point(|start| *start <= span.start);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..span.start).unwrap_or_default();
        Place::File { file: self.file.clone(), line, column: before.chars().count() + 1 }
    }
}

fn table(source: &Source<'_>, table: DeTable<'_>) -> Table {
    let entry = |(key, value): (Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        // The parser puts an empty value where it could not parse one; that mistake is reported already.
        let unread = value.span().is_empty() && !value.get_ref().is_table();
        let place = source.place(key.span());
        (!unread).then(|| (key.into_inner().into_owned(), (place, node(source, value))))
    };
    table.into_iter().filter_map(entry).collect()
}

fn node(source: &Source<'_>, value: Spanned<DeValue<'_>>) -> Node {
    let place = source.place(value.span());
    let value = match value.into_inner() {
        DeValue::Table(inner) => Value::Table(table(source, inner)),
        DeValue::Array(items) => Value::Array(items.into_iter().map(|item| node(source, item)).collect()),
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(on) => Value::Boolean(on),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other("a number that is too large"),
        },
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node { place, value }
}

impl Value {
    /// Its type, for messages. Never its value: it may be a password.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Table(_) => "a table",
            Value::Array(_) => "a list",
            Value::Text(_) | Value::Loose(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false without quotes",
            Value::Other(kind) => kind,
        }
    }
}
