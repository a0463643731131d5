//! An operator's own 503 is there after all moves, and nobody else's is.

use std::sync::Arc;

use mover_actors::domain::flags::FlagKey;
use tokio::time::Instant;

use crate::cast::Cast;
use crate::memory::{Event, Facts, Witness};
use crate::operator::{Own503, Sure};

/// See the module's documentation.
pub struct Own503Survives {
    cast: Arc<Cast>,
    own_503: Own503,
}

impl Own503Survives {
    /// What operators want is in `own_503`.
    pub fn new(cast: &Arc<Cast>, own_503: &Own503) -> Self {
        Own503Survives { cast: cast.clone(), own_503: own_503.clone() }
    }
}

impl Witness for Own503Survives {
    fn name(&self) -> &'static str {
        "own 503"
    }

    fn saw(&mut self, _: &Facts, _: &Event, _: Instant) -> Result<(), String> {
        Ok(())
    }

    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        for org in &self.cast.orgs {
            let hash = facts.redis.hashes.get(&FlagKey::org(&org.name));
            let closed = hash.and_then(|hash| hash.get("503_mode")).is_some_and(|value| value == "true");
            match (self.own_503.of(&org.name), closed) {
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
