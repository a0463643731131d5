//! How and when a process dies.

use std::time::Duration;

use mover_actors::failpoint;
use rand::RngExt;
use rand::seq::IndexedRandom;

use crate::program::Death;

use super::{Operator, is_campaign};

/// A campaign with a large org takes long, and later instants are no better than these.
const INSTANTS_WITHIN: Duration = Duration::from_millis(2_500);

/// Places of the offline strategy.
const OFFLINE: [&str; 4] = ["block.", "drain.", "settle.", "unblock."];
/// Places that a command passes if all goes well, besides those of the switch.
const FORWARD: [&str; 3] = ["capture.", "copy.", "range."];
const BACK: [&str; 2] = ["discard.", "purge.batch"];
const EITHER_WAY: [&str; 8] =
    ["claim.", "catch_up.", "verify.", "switch.", "lock.", "moved.", "capturing.", "migrated."];
const FINALIZING: [&str; 4] = ["claim.", "back_up.", "close.", "purge."];
/// One in so many waits at a place that is rarely passed, such as those of an abort.
const RARE_ONE_IN: u32 = 6;

impl Operator {
    pub(super) fn death(&mut self, command: &str) -> Death {
        if !is_campaign(command) && self.random.random_ratio(9, 10) {
            return Death::Natural;
        }
        match self.random.random_range(0..100) {
            0..50 => self.place(command).map_or(Death::Natural, Death::At),
            50..92 => Death::After(self.instant()),
            _ => Death::Natural,
        }
    }

    /// An instant in a campaign that takes as long as the last ones.
    pub(super) fn instant(&mut self) -> Duration {
        self.campaign.min(INSTANTS_WITHIN).mul_f64(self.random.random_range(0.02..1.1))
    }

    fn place(&mut self, command: &str) -> Option<&'static str> {
        let begins = |place: &str, with: &[&str]| with.iter().any(|start| place.starts_with(start));
        let rare = self.random.random_ratio(1, RARE_ONE_IN);
        let likely = |place: &str| match command.split(' ').next() {
            Some("migrate") => begins(place, &FORWARD) || begins(place, &EITHER_WAY),
            Some("rollback") => begins(place, &BACK) || begins(place, &EITHER_WAY),
            Some("finalize") => begins(place, &FINALIZING),
            _ => true,
        };
        let places = failpoint::ALL.into_iter().filter(|place| !begins(place, &OFFLINE));
        let places: Vec<&str> = places.filter(|place| rare || likely(place)).collect();
        places.choose(&mut self.random).copied()
    }
}
