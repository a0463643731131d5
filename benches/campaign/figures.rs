//! Medians, and the table that is printed.

use std::fmt;

/// Measurements, run after run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The ratio of each run to the paired run of the other series.
    pub(crate) fn over(&self, other: &Series) -> Series {
        Series(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    pub(crate) fn times(&self, factor: f64) -> Series {
        Series(self.0.iter().map(|value| value * factor).collect())
    }

    pub(crate) fn per(&self, numerator: f64) -> Series {
        Series(self.0.iter().map(|value| numerator / value).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }

    fn ends(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN))
    }
}

/// The goal of a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

struct Line {
    what: String,
    series: Series,
    digits: usize,
    goal: Option<Goal>,
}

/// The figures of one set.
pub(crate) struct Table {
    title: String,
    lines: Vec<Line>,
}

impl Table {
    pub(crate) fn new(title: String) -> Self {
        Self { title, lines: Vec::new() }
    }

    /// Adds a line, printed with this many digits after the point.
    pub(crate) fn line(mut self, what: &str, series: &Series, digits: usize, goal: Option<Goal>) -> Self {
        self.lines.push(Line { what: what.into(), series: series.clone(), digits, goal });
        self
    }
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Goal::AtMost(most) => value <= most,
            Goal::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::AtMost(most) => write!(f, "<= {most}"),
            Goal::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| {:<44} | {:>9} | {:>9} | {:>9} | goal           |", "", "median", "min", "max")?;
        writeln!(f, "|{:-<46}|{:->11}|{:->11}|{:->11}|----------------|", "", ":", ":", ":")?;
        for Line { what, series, digits, goal } in &self.lines {
            let (median, (min, max)) = (series.median(), series.ends());
            let goal = goal.map_or_else(String::new, |goal| {
                format!("{goal}: {}", if goal.is_met(median) { "met" } else { "missed" })
            });
            writeln!(f, "| {what:<44} | {median:>9.digits$} | {min:>9.digits$} | {max:>9.digits$} | {goal:<14} |")?;
        }
        Ok(())
    }
}
