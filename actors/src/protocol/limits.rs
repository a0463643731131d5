//! How much online moves do at once, and how they get their locks.

use std::time::Duration;

/// Limits of online moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// How long one try to lock out writers may last; well below `deadlock_timeout` of the stores.
    pub lock_timeout: Duration,
    /// How long to keep trying.
    pub lock_budget: Duration,
    /// The size of a range. A table in which an org has more rows is copied in ranges.
    pub range_rows: i64,
    /// Ranges of an org that are copied at the same time.
    pub ranges_at_once: usize,
    /// Rows that are removed in one transaction when a store is cleaned up.
    pub purge_rows: i64,
    /// How long the copy of an org that was rolled back is kept after the switch, for clients that still follow an earlier flag.
    pub copy_kept: Duration,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(150),
            lock_budget: Duration::from_secs(30),
            range_rows: 100_000,
            ranges_at_once: 2,
            purge_rows: 1_000,
            copy_kept: Duration::ZERO,
        }
    }
}
