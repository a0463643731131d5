//! P9: epochs only rise, in the move log, in both stores and in Redis; and each move's history is a chain of
//! legal transitions.

use std::collections::BTreeMap;

use mover_actors::domain::flags::EPOCH_FIELD;
use mover_actors::domain::ids::{Epoch, MoveId};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Course, State};
use tokio::time::Instant;

use crate::legal::transitions;
use crate::memory::{Event, Facts, Hash, Observer};

/// See the module's documentation.
#[derive(Default)]
pub struct Fences {
    moves: BTreeMap<MoveId, (State, Epoch)>,
}

fn epoch(hash: &Hash) -> Option<i64> {
    hash.get(EPOCH_FIELD)?.parse().ok()
}

impl Fences {
    fn moved(
        &mut self,
        course: Option<Course>,
        id: MoveId,
        (from, to): (State, State),
        epoch: Epoch,
    ) -> Result<(), String> {
        let (stood_at, held) = self.moves.insert(id, (to, epoch)).unwrap_or((from, Epoch(0)));
        if stood_at != from {
            return Err(format!("move {id} went from {from} to {to}, and was {stood_at}"));
        }
        if epoch < held {
            return Err(format!("move {id} was changed under lease {epoch}, and {held} was there"));
        }
        let taken_over = from == to && matches!(to, State::Started(_)) && epoch > held;
        let legal = course.and_then(transitions).into_iter().flatten();
        let legal = legal.into_iter().any(|(before, _, after)| (before, after) == (from, to));
        if legal || taken_over {
            return Ok(());
        }
        Err(format!("move {id} went from {from} to {to}"))
    }
}

impl Observer for Fences {
    fn name(&self) -> &'static str {
        "P9 fences"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        match event {
            Event::Moved { id, from, to, epoch, .. } => {
                let course = facts.log.moves().find(|record| record.id == *id).map(MoveRecord::course);
                self.moved(course, *id, (*from, *to), *epoch)
            }
            Event::Flagged { key, before: Some(before), after } if epoch(before) > epoch(after) => {
                Err(format!("{key} went back from {before:?} to {after:?}"))
            }
            Event::Stands { side, key, before: Some(before), after, by, .. }
                if before.epoch > by.epoch || before.epoch > after.epoch =>
            {
                let by = by.epoch;
                Err(format!("lease {by} changed where {key} stands in the {side:?} from {before:?} to {after:?}"))
            }
            Event::Flagged { .. }
            | Event::Stands { .. }
            | Event::RowsChanged { .. }
            | Event::FlagsLost
            | Event::WriterWaited { .. } => Ok(()),
        }
    }
}
