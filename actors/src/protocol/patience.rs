//! Retries for a lock that writers hold.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::domain::ids::OrgKey;

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long to try for a lock, and how long to pause before the next try.
#[derive(Debug)]
pub struct Patience {
    ends: Instant,
    budget: Duration,
    pause: Duration,
    tries: u32,
}

impl Patience {
    /// With this budget.
    pub fn new(budget: Duration) -> Self {
        Self { ends: Instant::now() + budget, budget, pause: PAUSE_FIRST, tries: 0 }
    }

    /// The whole budget.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// Whether the budget is used up.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// Lets writers work for half to one and a half times the pause. The factor comes from the org's key, so that several tries
    /// that wait for the same writer do not keep step. The next pause is twice as long, up to a second.
    pub async fn pause(&mut self, key: &OrgKey) {
        let mut hasher = DefaultHasher::new();
        (key.as_str(), self.tries).hash(&mut hasher);
        let share = 0.5 + f64::from(u16::try_from(hasher.finish() % 1_000).unwrap_or_default()) / 1_000.0;
        sleep(self.pause.mul_f64(share)).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.tries += 1;
    }
}
