//! The answer of a command: text and JSON.

use std::fmt::Display;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

/// An answer in both forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// For people; ends without a line break.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// Whether all was done, and is as it should be.
    pub verdict: Verdict,
}

/// What an answer means for those who go on after it: the exit code of the program, the next line of a script, the next step of a
/// runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All was done, or is as it should be.
    #[default]
    Done,
    /// A person should look. What comes next does not depend on it.
    Warning,
    /// Something was not done, or is not as it should be.
    NotAll,
    /// Orgs are blocked, or nothing can be moved.
    Critical,
}

impl Verdict {
    /// The exit code of a program that ends with this answer.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Done => 0,
            Verdict::Warning | Verdict::NotAll => 1,
            Verdict::Critical => 2,
        }
    }

    /// Whether a script or a runbook must not go on.
    pub fn stops(self) -> bool {
        matches!(self, Verdict::NotAll | Verdict::Critical)
    }
}

impl Answer {
    /// A sentence and the facts in it.
    pub fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into().trim_end().to_owned(), json, verdict: Verdict::Done }
    }

    /// The same facts, with this verdict.
    #[must_use]
    pub fn judged(self, verdict: Verdict) -> Self {
        Self { verdict, ..self }
    }

    /// The same facts: something was not done, or is not as it should be, unless `all` is.
    #[must_use]
    pub fn if_all(self, all: bool) -> Self {
        self.judged(if all { Verdict::Done } else { Verdict::NotAll })
    }

    /// The form that the audit keeps, and that goes over the network.
    pub fn kept(&self) -> Value {
        json!({ "text": self.text, "json": self.json, "verdict": self.verdict })
    }

    /// The answer that was kept; only its first line, `told`, if it was too long for that.
    pub fn of_kept(kept: Option<&Value>, told: Option<&str>) -> Self {
        let Some(kept) = kept else { return Self::new(told.unwrap_or_default(), Value::Null) };
        let verdict = Verdict::deserialize(&kept["verdict"]).unwrap_or_default();
        Self::new(kept["text"].as_str().unwrap_or_default(), kept["json"].clone()).judged(verdict)
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

/// A measured number, to three digits behind the point, for programs: more would be noise.
pub(crate) fn rounded<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((number * 1e3).round() / 1e3)
}

/// The same, if it is known.
pub(crate) fn rounded_if_any<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => rounded(number, serializer),
        None => serializer.serialize_none(),
    }
}
