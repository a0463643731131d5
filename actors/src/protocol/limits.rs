//! How much online moves do at once, and how they try to get at an org.

use std::time::Duration;

/// Bounds of online moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// For how long one try to get writers out of the way may last; well below `deadlock_timeout` of the stores.
    pub lock_timeout: Duration,
    /// For how long it is tried.
    pub lock_budget: Duration,
    /// Tables in which an org has more rows are copied in ranges of so many.
    pub range_rows: i64,
    /// Ranges of an org that are copied at the same time.
    pub ranges_at_once: usize,
    /// Rows that are removed in one transaction when a store is cleaned up.
    pub purge_rows: i64,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(150),
            lock_budget: Duration::from_secs(30),
            range_rows: 100_000,
            ranges_at_once: 2,
            purge_rows: 1_000,
        }
    }
}
