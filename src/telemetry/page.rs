//! The text format of Prometheus, for metrics that are read at each scrape: one family of samples after the other.

use std::fmt::Write;

/// A text under construction.
pub(super) struct Page(String);

/// One metric with all its samples.
pub(super) struct Family<'p> {
    page: &'p mut String,
    name: &'static str,
}

impl Page {
    /// Continues after this text.
    pub(super) fn after(text: String) -> Self {
        Self(text)
    }

    /// Begins a gauge. Without a sample it only declares the metric.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        // Writing to a text does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        Family { page: &mut self.0, name }
    }

    /// The whole text.
    pub(super) fn end(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a value. Each set of labels may occur once.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<f64>) -> &mut Self {
        self.page.push_str(self.name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.page, "{}{label}=\"", if place == 0 { '{' } else { ',' });
            value.chars().for_each(|c| match c {
                '\\' => self.page.push_str("\\\\"),
                '"' => self.page.push_str("\\\""),
                '\n' => self.page.push_str("\\n"),
                other => self.page.push(other),
            });
            self.page.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.page, "{end} {}", value.into());
        self
    }
}

/// As exact as the format allows.
pub(super) fn count(number: u64) -> f64 {
    number as f64
}
