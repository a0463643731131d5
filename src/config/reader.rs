//! Reads a section of a document key by key: each read key is taken out, and what is left at the end is unknown.

use std::ops::RangeInclusive;

use super::mistake::{Found, Place};
use super::tree::{Node, Table, Value};
use crate::nearest::did_you_mean;

/// A table that is being read. Mistakes are collected, and reading continues.
pub(super) struct Section<'f> {
    /// As in the file: `[stores.old]`; empty for the document itself.
    name: String,
    place: Place,
    table: Table,
    known: Vec<&'static str>,
    found: &'f Found,
}

/// A value with its place.
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<'f> Section<'f> {
    /// The whole document.
    pub(super) fn document((place, table): (Place, Table), found: &'f Found) -> Self {
        Self { name: String::new(), place, table, known: Vec::new(), found }
    }

    /// A table inside this one, if the value is a table.
    fn inner(&self, name: String, node: Node) -> Option<Self> {
        match node.value {
            Value::Table(table) => Some(Self { name, place: node.place, table, known: Vec::new(), found: self.found }),
            other => {
                self.wrong(&node.place, format!("{name} is a table, not {}", other.kind()));
                None
            }
        }
    }

    /// The place where it begins.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Adds a mistake.
    pub(super) fn wrong(&self, place: &Place, problem: impl Into<String>) {
        self.found.add(place, problem);
    }

    /// Adds a mistake: none of several alternative keys exists.
    pub(super) fn lacks(&self, place: &Place, problem: impl Into<String>) {
        self.found.add_missing(place, problem);
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        self.table.remove(key).map(|(_, node)| node)
    }

    /// Adds a mistake: a key is missing.
    pub(super) fn missing(&self, key: &str, what: &str) {
        let inside = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
        self.found.add_missing(&self.place, format!("{key} is missing{inside}: {what}"));
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Read<String>> {
        let node = self.take(key)?;
        self.text_of(key, node)
    }

    /// A required text; `what` describes it.
    pub(super) fn required_text(&mut self, key: &'static str, what: &str) -> Option<Read<String>> {
        let Some(node) = self.take(key) else {
            self.missing(key, what);
            return None;
        };
        self.text_of(key, node)
    }

    fn text_of(&self, key: &str, node: Node) -> Option<Read<String>> {
        match node.value {
            Value::Text(value) | Value::Loose(value) => Some(Read { value, place: node.place }),
            other => {
                self.wrong(&node.place, format!("{key} is a text in quotes, not {}", other.kind()));
                None
            }
        }
    }

    /// A text that is parsed.
    pub(super) fn parsed<T, E: std::fmt::Display>(
        &self,
        text: Option<Read<String>>,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Option<Read<T>> {
        let Read { value, place } = text?;
        match parse(value) {
            Ok(value) => Some(Read { value, place }),
            Err(error) => {
                self.wrong(&place, error.to_string());
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let node = self.take(key)?;
        let number = match &node.value {
            Value::Integer(number) => Some(*number),
            Value::Loose(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let problem = format!("{key} is a whole number from {} to {}", range.start(), range.end());
            self.wrong(&node.place, problem);
        }
        number
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let node = self.take(key)?;
        match &node.value {
            Value::Boolean(on) => return Some(*on),
            Value::Loose(text) if text == "true" => return Some(true),
            Value::Loose(text) if text == "false" => return Some(false),
            _ => self.wrong(&node.place, format!("{key} is true or false, without quotes")),
        }
        None
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, known: &[(&'static str, T)]) -> Option<T> {
        let Read { value, place } = self.text(key)?;
        let found = known.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<_> = known.iter().map(|(word, _)| format!("{word:?}")).collect();
            let suggestion = did_you_mean(&value, known.iter().map(|(word, _)| *word));
            self.wrong(&place, format!("{key} is {}, not {value:?}{suggestion}", words.join(" or ")));
        }
        found
    }

    /// A list of texts; empty if the key is missing.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Read<String>> {
        let Some(node) = self.take(key) else { return Vec::new() };
        match node.value {
            Value::Array(items) => {
                items.into_iter().filter_map(|item| self.text_of(&format!("each of {key}"), item)).collect()
            }
            other => {
                self.wrong(&node.place, format!("{key} is a list of texts, not {}", other.kind()));
                Vec::new()
            }
        }
    }

    /// A text, or a list of them.
    pub(super) fn text_or_texts(&mut self, key: &'static str) -> Option<Vec<Read<String>>> {
        match self.table.get(key).map(|(_, node)| &node.value) {
            Some(Value::Array(_)) => Some(self.texts(key)),
            Some(_) => Some(self.text(key).into_iter().collect()),
            None => {
                self.known.push(key);
                None
            }
        }
    }

    /// The section of this name, if it exists.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'f>> {
        let node = self.take(key)?;
        self.inner(self.inner_name(key), node)
    }

    /// The sections of a list of tables, `[[key]]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'f>> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let name = format!("[[{key}]]");
        match node.value {
            Value::Array(items) => items.into_iter().filter_map(|item| self.inner(name.clone(), item)).collect(),
            _ => {
                self.wrong(&node.place, format!("tables are written {name}, with two brackets, one after the other"));
                Vec::new()
            }
        }
    }

    /// All sections in this one, with any names.
    pub(super) fn named_sections(mut self) -> Vec<(Read<String>, Section<'f>)> {
        let entries = std::mem::take(&mut self.table).into_iter();
        entries
            .filter_map(|(key, (place, node))| {
                let section = self.inner(self.inner_name(&key), node)?;
                Some((Read { value: key, place }, section))
            })
            .collect()
    }

    /// All entries of this section as texts, with any keys.
    pub(super) fn named_texts(mut self) -> Vec<(Read<String>, Read<String>)> {
        let entries = std::mem::take(&mut self.table).into_iter();
        entries
            .filter_map(|(key, (place, node))| {
                let text = self.text_of(&key, node)?;
                Some((Read { value: key, place }, text))
            })
            .collect()
    }

    fn inner_name(&self, key: &str) -> String {
        match self.name.trim_matches(['[', ']']) {
            "" => format!("[{key}]"),
            outer => format!("[{outer}.{key}]"),
        }
    }

    /// Refuses a key that belongs to a later version, if it exists.
    pub(super) fn refuse(&mut self, key: &str, problem: &str) {
        if let Some((place, _)) = self.table.remove(key) {
            self.wrong(&place, problem);
        }
    }

    /// Ends the reading: any key that was not read is unknown.
    pub(super) fn finish(self) {
        for (key, (place, _)) in &self.table {
            let inside = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
            let suggestion = did_you_mean(key, self.known.iter().copied());
            let known =
                if suggestion.is_empty() { format!("; known are {}", self.known.join(", ")) } else { suggestion };
            self.wrong(place, format!("unknown key {key:?}{inside}{known}"));
        }
    }
}
