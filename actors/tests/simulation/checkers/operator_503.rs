//! The 503 of an operator is there after all moves, and no other 503 is.

use std::sync::Arc;

use mover_actors::domain::flags::FlagKey;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Observer};
use crate::operator::{Operator503, Sure};
use crate::participants::Participants;

/// See the module's documentation.
pub struct Operator503Survives {
    participants: Arc<Participants>,
    operator_503: Operator503,
}

impl Operator503Survives {
    /// What operators want is in `operator_503`.
    pub fn new(participants: &Arc<Participants>, operator_503: &Operator503) -> Self {
        Operator503Survives { participants: participants.clone(), operator_503: operator_503.clone() }
    }
}

impl Observer for Operator503Survives {
    fn name(&self) -> &'static str {
        "own 503"
    }

    fn saw(&mut self, _: &Facts, _: &Event, _: Instant) -> Result<(), String> {
        Ok(())
    }

    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        for org in &self.participants.orgs {
            let hash = facts.redis.hashes.get(&FlagKey::org(&org.name));
            let closed = hash.and_then(|hash| hash.get("503_mode")).is_some_and(|value| value == "true");
            match (self.operator_503.of(&org.name), closed) {
                (Some(Sure::Yes), false) => {
                    return Err(format!("an operator's own 503 of {} is gone: {hash:?}", org.name));
                }
                (None, true) => return Err(format!("{} is closed and no operator wanted it", org.name)),
                (Some(_), true) | (Some(Sure::Unknown) | None, false) => {}
            }
        }
        Ok(())
    }
}
