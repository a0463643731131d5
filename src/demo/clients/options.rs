//! The number and behaviour of clients.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

use crate::demo::route::RouteBy;

/// The number and behaviour of clients.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The flag that routes to the store.
    pub route_by: RouteBy,
    /// The number of clients, each with a connection to either store.
    pub clients: u32,
    /// How many writes all of them together attempt per second.
    pub writes_per_second: u32,
    /// A write must hold its first lock this soon after its client began to read the flags. The sleep time
    /// of the campaign must be longer.
    pub deadline_ms: u64,
    /// How long a client caches flags, unless a store refuses it. More than a moment is safe only with online moves, whose
    /// triggers redirect writes.
    pub flags_believed_ms: u64,
    /// How long a client waits after a 503.
    pub retry_ms: u64,
    /// One in so many writes keeps its transaction open for [`slow_ms`](Self::slow_ms); 0: none.
    pub slow_one_in: u32,
    /// How long a slow transaction stays open.
    pub slow_ms: u64,
    /// The same seed picks the same orgs in the same order.
    pub seed: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            route_by: RouteBy::cell(),
            clients: 8,
            writes_per_second: 200,
            deadline_ms: 100,
            flags_believed_ms: 0,
            retry_ms: 20,
            slow_one_in: 50,
            slow_ms: 150,
            seed: 1,
        }
    }
}

impl ClientOptions {
    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    pub(super) fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_ms)
    }

    /// The time between two writes of one client.
    pub(super) fn beat(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.clients.max(1)) / f64::from(self.writes_per_second.max(1)))
    }

    /// How long the next transaction stays open.
    pub(super) fn hold(&self, rng: &mut StdRng) -> Duration {
        let slow = self.slow_one_in > 0 && rng.random_ratio(1, self.slow_one_in);
        Duration::from_millis(if slow { self.slow_ms } else { 0 })
    }
}
