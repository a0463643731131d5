//! The backlog of all orgs that are being caught up, as one figure.

use metrics::gauge;

use super::names;

/// One org's share in the backlog; gone when this is dropped, however the step ends.
#[derive(Debug, Default)]
pub(crate) struct Backlog(f64);

impl Backlog {
    /// So many changes are left of this org.
    pub(crate) fn is(&mut self, left: i64) {
        let left = left as f64;
        // What all orgs have together changes by the difference.
        gauge!(names::BACKLOG).increment(left - self.0);
        self.0 = left;
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        if self.0 != 0.0 {
            gauge!(names::BACKLOG).decrement(self.0);
        }
    }
}
