//! How long writers of an org wait at a switch.

use std::time::SystemTime;

use crate::domain::state::Strategy;

/// Writers wait. Records the time when it is dropped, which is after they were released, so that no writer waits for the
/// metric. A failed switch, which releases them by a drop, is recorded, too.
#[derive(Debug)]
pub(crate) struct ShutOut {
    strategy: Strategy,
    since: SystemTime,
    until: Option<SystemTime>,
}

impl ShutOut {
    /// They have waited since then.
    pub(crate) fn since(strategy: Strategy, since: SystemTime) -> Self {
        Self { strategy, since, until: None }
    }

    /// They were released at that time.
    pub(crate) fn ended(&mut self, until: SystemTime) {
        self.until = Some(until);
    }
}

impl Drop for ShutOut {
    fn drop(&mut self) {
        let until = self.until.unwrap_or_else(SystemTime::now);
        // If the clock was set back meanwhile, the time is unknown.
        if let Ok(time) = until.duration_since(self.since) {
            super::writers_shut_out(self.strategy, time);
        }
    }
}
