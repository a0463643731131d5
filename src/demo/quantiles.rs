//! Quantiles of durations.

use std::fmt;

use serde::Serialize;

/// Quantiles of durations, all zero if there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// How many durations there were.
    pub count: u64,
    /// The median.
    pub p50_ms: u64,
    /// The 99th percentile.
    pub p99_ms: u64,
    /// The maximum.
    pub max_ms: u64,
}

impl Quantiles {
    /// Of these durations in milliseconds.
    pub fn of(mut durations_ms: Vec<u64>) -> Self {
        durations_ms.sort_unstable();
        let count = durations_ms.len();
        // The smallest duration that this many durations do not exceed.
        let at = |percent: usize| {
            let rank = (count * percent).div_ceil(100);
            durations_ms.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { count: count as u64, p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {} ms, p99 {} ms, max {} ms", self.p50_ms, self.p99_ms, self.max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred() {
        let found = Quantiles::of((1..=100).rev().collect());
        assert_eq!(found, Quantiles { count: 100, p50_ms: 50, p99_ms: 99, max_ms: 100 });
    }

    #[test]
    fn of_few() {
        assert_eq!(Quantiles::of(vec![7]), Quantiles { count: 1, p50_ms: 7, p99_ms: 7, max_ms: 7 });
        assert_eq!(Quantiles::of(vec![]), Quantiles::default());
    }
}
