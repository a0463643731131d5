//! P7: a move that was taken back has left nothing in the target, and the source is as it was.

use std::sync::Arc;

use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use mover_actors::protocol::Mode;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Observer};
use crate::participants::{FOREIGN, Participants};

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
        let found = |side| facts.stores.standing(migration, side, &org.key).map(|found| found.mode);
        if !matches!(found(Side::Target), None | Some(Mode::Discarded)) {
            return Err(format!("{} has failed, and is {:?} in the target", org.name, found(Side::Target)));
        }
        if !matches!(found(Side::Source), None | Some(Mode::Settled)) {
            return Err(format!("{} has failed, and is {:?} in the source", org.name, found(Side::Source)));
        }
        let rows = facts.stores.rows(migration, Side::Target, &org.key);
        match rows.iter().all(|row| *row == FOREIGN) {
            true => Ok(()),
            false => Err(format!("{} has failed, and rows are still in the target: {rows:?}", org.name)),
        }
    }
}
