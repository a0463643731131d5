//! Rate limits.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};

use crate::http::problem::Problem;

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// Tries with a wrong token per address and second.
const WRONG_TOKENS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// With more addresses than this, some are forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// Requests of each token, and wrong tokens of each address.
pub(in crate::http) struct Rates {
    tokens: Limiter<i32>,
    strangers: Limiter<IpAddr>,
}

impl Rates {
    pub(in crate::http) fn new(requests_per_second: u32) -> Self {
        let quota = Quota::per_second(NonZeroU32::new(requests_per_second).unwrap_or(NonZeroU32::MIN));
        Self {
            tokens: RateLimiter::dashmap(quota),
            strangers: RateLimiter::dashmap(Quota::per_second(WRONG_TOKENS_PER_SECOND)),
        }
    }

    /// Counts a request with this token.
    pub(in crate::http) fn token(&self, token: i32) -> Result<(), Problem> {
        self.tokens.check_key(&token).map_err(|until| later(&until))
    }

    /// Counts a wrong token from this address.
    pub(in crate::http) fn stranger(&self, address: IpAddr) -> Result<(), Problem> {
        if self.strangers.len() > ADDRESSES_MAX {
            self.strangers.retain_recent();
        }
        self.strangers.check_key(&address).map_err(|until| later(&until))
    }
}

fn later(until: &NotUntil<<DefaultClock as Clock>::Instant>) -> Problem {
    Problem::too_many(until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
}
