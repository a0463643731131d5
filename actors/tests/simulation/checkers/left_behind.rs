//! P7: a move that was taken back has left nothing in the target.

use std::sync::Arc;

use mover_actors::domain::state::State;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Observer};
use crate::participants::Participants;

/// See the module's documentation.
pub struct LeftBehind {
    participants: Arc<Participants>,
}

impl LeftBehind {
    /// For these orgs.
    pub fn new(participants: &Arc<Participants>) -> Self {
        LeftBehind { participants: participants.clone() }
    }
}

impl Observer for LeftBehind {
    fn name(&self) -> &'static str {
        "P7 left behind"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        let Event::Moved { migration, org, to: State::Failed, .. } = event else { return Ok(()) };
        let Some(org) = self.participants.orgs.iter().find(|one| one.name == *org) else { return Ok(()) };
        // Rows without a guard are not Mover's.
        match facts.stores.guard(migration, &org.key) {
            None => Ok(()),
            Some(guard) => Err(format!("{} has failed, and its rows are still in the target, {guard:?}", org.name)),
        }
    }
}
