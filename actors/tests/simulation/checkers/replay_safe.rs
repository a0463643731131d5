//! P3 and P4: in the end each org's rows are where it is routed, and they are what its clients were told: no
//! acknowledged write is missing, none is doubled, however often steps were repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Hand, Observer, Row, World};
use crate::participants::{Participants, record};

/// See the module's documentation.
pub struct ReplaySafe {
    expected: BTreeMap<(MigrationName, OrgKey), Vec<Row>>,
}

impl ReplaySafe {
    /// What is in the sources now is what clients know.
    pub fn new(world: &World, participants: &Arc<Participants>) -> Self {
        let rows = |migration: &MigrationName, key: &OrgKey| {
            world.look(|facts| facts.stores.rows(migration, Side::Source, key))
        };
        let expected = participants
            .pairs()
            .map(|(org, migration, _)| ((migration.clone(), org.key.clone()), rows(migration, &org.key)));
        ReplaySafe { expected: expected.collect() }
    }
}

impl Observer for ReplaySafe {
    fn name(&self) -> &'static str {
        "P4 replay safe"
    }

    fn saw(&mut self, _: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        if let Event::RowsChanged { migration, key, by: Hand::Client(change), .. } = event {
            change.apply(self.expected.entry((migration.clone(), key.clone())).or_default());
        }
        Ok(())
    }

    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        for ((migration, key), expected) in &mut self.expected {
            expected.sort_unstable();
            let state = record(facts, migration, key).map(|record| record.state);
            let is_there = matches!(state, Some(State::Migrated | State::Finalized));
            let side = if is_there { Side::Target } else { Side::Source };
            let found = facts.stores.rows(migration, side, key);
            if found != *expected {
                return Err(format!(
                    "{migration} {key} is {state:?}: clients know {expected:?}, {side:?} has {found:?}"
                ));
            }
            let beside = facts.stores.rows(migration, Side::Target, key);
            if !is_there && !beside.is_empty() {
                return Err(format!("{migration} {key} is {state:?}, and the target has {beside:?}"));
            }
        }
        Ok(())
    }
}
