//! P9: epochs only rise, in the move log, in the target's fence and in Redis; and each move's history is a chain of
//! legal transitions.

use std::collections::BTreeMap;

use mover_actors::domain::flags::EPOCH_FIELD;
use mover_actors::domain::ids::{Epoch, MoveId};
use mover_actors::domain::state::{Aim, Course, State, Strategy};
use tokio::time::Instant;

use crate::legal::transitions;
use crate::memory::{Event, Facts, Hash, Observer};

const COURSES: [Course; 1] = [Course { strategy: Strategy::Offline, aim: Aim::Migrate }];

/// See the module's documentation.
#[derive(Default)]
pub struct Fences {
    moves: BTreeMap<MoveId, (State, Epoch)>,
}

fn epoch(hash: &Hash) -> Option<i64> {
    hash.get(EPOCH_FIELD)?.parse().ok()
}

impl Fences {
    fn moved(&mut self, id: MoveId, from: State, to: State, epoch: Epoch) -> Result<(), String> {
        let (stood_at, held) = self.moves.insert(id, (to, epoch)).unwrap_or((from, Epoch(0)));
        if stood_at != from {
            return Err(format!("move {id} went from {from} to {to}, and was {stood_at}"));
        }
        if epoch < held {
            return Err(format!("move {id} was changed under lease {epoch}, and {held} was there"));
        }
        let taken_over = from == to && matches!(to, State::Started(_)) && epoch > held;
        let legal = COURSES
            .into_iter()
            .filter_map(transitions)
            .flatten()
            .any(|(before, _, after)| (before, after) == (from, to));
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

    fn saw(&mut self, _: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        match event {
            Event::Moved { id, from, to, epoch, .. } => self.moved(*id, *from, *to, *epoch),
            Event::Flagged { key, before: Some(before), after } if epoch(before) > epoch(after) => {
                Err(format!("{key} went back from {before:?} to {after:?}"))
            }
            Event::Guarded { key, before: Some(before), by, .. } if before.epoch > by.epoch => {
                Err(format!("lease {} changed the fence of {key}, where {} had been", by.epoch, before.epoch))
            }
            Event::Flagged { .. } | Event::Guarded { .. } | Event::RowsChanged { .. } | Event::FlagsLost => Ok(()),
        }
    }
}
