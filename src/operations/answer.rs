//! The answer of a command: text and JSON.

use std::fmt::Display;

use serde::Serialize;
use serde_json::Value;

/// An answer in both forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// For people; ends without a line break.
    pub text: String,
    /// For programs.
    pub json: Value,
}

impl Answer {
    /// A sentence and the facts in it.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into().trim_end().to_owned(), json }
    }

    /// A view that implements both forms.
    pub fn of<T: Serialize + Display>(view: &T) -> Self {
        // A view is plain data, which serializes; otherwise the text has everything.
        let json = serde_json::to_value(view).unwrap_or(Value::Null);
        Self::new(view.to_string(), json)
    }
}

/// Rows under a header, each column as wide as its widest cell; the last one is not padded.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let header = header.map(str::to_owned);
    for row in std::iter::once(&header).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A text on one line of at most this many characters, for a table.
pub(super) fn short(text: &str, chars_max: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    if line.chars().count() <= chars_max {
        return line;
    }
    let kept: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A point in time, to the second, in UTC.
pub(crate) fn at(time: std::time::SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => time.strftime("%F %T").to_string(),
        Err(_) => "?".into(),
    }
}

/// A point in time, to the millisecond, for programs.
pub(crate) fn rfc3339(time: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// A span of seconds with two units at most.
pub(super) fn span(seconds: f64) -> String {
    indicatif::HumanDuration(std::time::Duration::from_secs_f64(seconds.clamp(0.0, 1e9))).to_string()
}

/// Milliseconds with the significant digits.
pub(super) fn ms(milliseconds: f64) -> String {
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}
