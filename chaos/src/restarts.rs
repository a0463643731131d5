//! Restarts servers until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use tokio::sync::RwLock;
use tokio::time::sleep;

use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::servers::{Mishap, Servers};

const AWAY_MS: std::ops::Range<u64> = 0..1_200;

pub(crate) struct Restarts {
    pub(crate) servers: Arc<Servers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) evidence: Arc<Evidence>,
    /// Held shared during a restart; its exclusive owner has all servers up.
    pub(crate) sky: Arc<RwLock<()>>,
    pub(crate) every: Duration,
    pub(crate) random: StdRng,
}

impl Restarts {
    pub(crate) async fn run(mut self) {
        loop {
            let share: f64 = self.random.random_range(0.2..1.8);
            sleep(self.every.mul_f64(share)).await;
            let _clouded = self.sky.read().await;
            let mishap = Mishap::choose(&mut self.random);
            let away = Duration::from_millis(self.random.random_range(AWAY_MS));
            self.counters.name(format!("server: {mishap:?}"));
            if let Err(error) = self.servers.suffer(mishap, away).await {
                self.evidence.add(format!("a server did not come back after {mishap:?}: {error}"));
                return;
            }
        }
    }
}
