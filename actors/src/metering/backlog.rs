//! The catch-up backlog of all orgs, as one gauge.

use metrics::gauge;

use super::names;

/// One org's share of the backlog; it is subtracted when this is dropped, however the step ends.
#[derive(Debug, Default)]
pub(crate) struct Backlog(f64);

impl Backlog {
    /// Sets the number of changes that are left for this org.
    pub(crate) fn is(&mut self, left: i64) {
        let left = left as f64;
        // The total changes by the difference.
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
