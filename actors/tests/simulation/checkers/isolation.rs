//! P5: writing rows of one org changes no other org; and an org that was not released is not touched.

use std::collections::BTreeMap;
use std::sync::Arc;

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use mover_actors::protocol::Mode;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Observer, Row, World};
use crate::participants::{Participants, record};

/// See the module's documentation.
pub struct Isolation {
    participants: Arc<Participants>,
    /// Every org's rows as they should be, in the source and in the target.
    known: BTreeMap<(MigrationName, OrgKey), [Vec<Row>; 2]>,
}

impl Isolation {
    /// What is there now is right.
    pub fn new(world: &World, participants: &Arc<Participants>) -> Self {
        let mut isolation = Isolation { participants: participants.clone(), known: BTreeMap::new() };
        world.look(|facts| {
            for (org, migration, _) in participants.pairs() {
                isolation.known.insert((migration.clone(), org.key.clone()), both(facts, migration, &org.key));
            }
        });
        isolation
    }
}

fn both(facts: &Facts, migration: &MigrationName, key: &OrgKey) -> [Vec<Row>; 2] {
    [Side::Source, Side::Target].map(|side| facts.stores.rows(migration, side, key))
}

/// Whether an org's rows in the target are Mover's, or live.
fn is_movers(facts: &Facts, migration: &MigrationName, key: &OrgKey) -> bool {
    let found = facts.stores.standing(migration, Side::Target, key);
    found.is_some_and(|found| found.mode != Mode::Discarded)
}

impl Observer for Isolation {
    fn name(&self) -> &'static str {
        "P5 isolation"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        let Event::RowsChanged { migration, side, key, .. } = event else { return Ok(()) };
        for ((one, other), known) in &mut self.known {
            let named = one == migration && other == key;
            for (at, one_side) in [Side::Source, Side::Target].into_iter().enumerate() {
                if facts.stores.has_rows(one, one_side, other, &known[at]) {
                    continue;
                }
                let found = facts.stores.rows(one, one_side, other);
                if named && one_side == *side {
                    known[at] = found;
                } else if one_side == Side::Source || is_movers(facts, one, other) {
                    return Err(format!(
                        "rows of {one} {other} in the {one_side:?} changed with those of {key}: {found:?}"
                    ));
                } else {
                    // Rows that are no copy: the schedule put them there.
                    known[at] = found;
                }
            }
        }
        Ok(())
    }

    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        for (org, migration, _) in self.participants.pairs().filter(|(org, ..)| org.is_bystander) {
            let record = record(facts, migration, &org.key);
            let touched = record.is_some_and(|record| record.state != State::Holding || record.attempts > 0);
            if touched || !facts.stores.rows(migration, Side::Target, &org.key).is_empty() {
                return Err(format!("{} was never released, and was moved: {record:?}", org.name));
            }
        }
        Ok(())
    }
}
