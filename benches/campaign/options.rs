//! What to measure, and how often: from the environment.

use std::fmt;
use std::str::FromStr;

use crate::Trouble;

/// One of the three measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// (a) 2,000 orgs from tiny to large.
    Uneven,
    /// (b) 20,000 orgs of 100 rows.
    Small,
    /// (c) 20,000 moves that copy nothing.
    Empty,
}

/// Options of the benchmark.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// BENCH_SET: some of `a`, `b`, `c`, e.g. `ac`.
    pub(crate) sets: Vec<Set>,
    /// BENCH_RUNS: how often each is run.
    pub(crate) runs: usize,
    /// BENCH_SCALE: 0.1 for a quick look at a tenth of the orgs and rows.
    pub(crate) scale: f64,
    /// BENCH_WORKERS: overrides the number of workers.
    workers: Option<u32>,
}

impl Options {
    pub(crate) fn from_env() -> Result<Self, Trouble> {
        let sets = std::env::var("BENCH_SET").unwrap_or_else(|_| "abc".into());
        let sets = sets.chars().map(Set::try_from).collect::<Result<_, _>>()?;
        let runs = read("BENCH_RUNS")?.unwrap_or(3).max(1);
        Ok(Self { sets, runs, scale: read("BENCH_SCALE")?.unwrap_or(1.0), workers: read("BENCH_WORKERS")? })
    }

    /// The default number of workers; doubled if nothing is copied.
    pub(crate) fn workers(&self, set: Set) -> u32 {
        self.workers.unwrap_or(match set {
            Set::Uneven => 8,
            Set::Small => 8,
            Set::Empty => 16,
        })
    }

    /// A number of orgs or rows, scaled.
    pub(crate) fn scaled(&self, number: u64) -> u64 {
        ((number as f64 * self.scale) as u64).max(1)
    }
}

fn read<T: FromStr>(name: &str) -> Result<Option<T>, Trouble>
where
    T::Err: fmt::Display,
{
    match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|error| format!("{name}={text}: {error}").into()),
    }
}

impl TryFrom<char> for Set {
    type Error = Trouble;

    fn try_from(letter: char) -> Result<Self, Trouble> {
        match letter {
            'a' => Ok(Set::Uneven),
            'b' => Ok(Set::Small),
            'c' => Ok(Set::Empty),
            other => Err(format!("BENCH_SET: there is no set {other}; there are a, b and c").into()),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs each, scale {}; mover and baseline alternate", self.runs, self.scale)
    }
}
