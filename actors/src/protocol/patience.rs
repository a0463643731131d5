//! Trying again to take a lock that writers hold.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::domain::ids::OrgKey;

const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// For how long a lock is tried, and how long writers work before the next try.
#[derive(Debug)]
pub struct Patience {
    ends: Instant,
    budget: Duration,
    pause: Duration,
    tries: u32,
}

impl Patience {
    /// For so long.
    pub fn new(budget: Duration) -> Self {
        Self { ends: Instant::now() + budget, budget, pause: PAUSE_FIRST, tries: 0 }
    }

    /// For how long.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// Whether that time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// Lets writers work for half to one and a half times the pause, by the org's key: several tries that wait for the same writer
    /// do not keep step. The next pause is twice as long, up to a second.
    pub async fn pause(&mut self, key: &OrgKey) {
        let mut hasher = DefaultHasher::new();
        (key.as_str(), self.tries).hash(&mut hasher);
        let share = 0.5 + f64::from(u16::try_from(hasher.finish() % 1_000).unwrap_or_default()) / 1_000.0;
        sleep(self.pause.mul_f64(share)).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.tries += 1;
    }
}
