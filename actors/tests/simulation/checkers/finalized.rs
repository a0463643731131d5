//! P12: rows are removed from the source only if they are in a backup and the way back is closed; an org that is finalized has none
//! left there.

use std::collections::BTreeMap;
use std::sync::Arc;

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use mover_actors::protocol::Mode;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Hand, Observer, Row, World};
use crate::participants::Participants;

/// See the module's documentation.
pub struct Finalized {
    participants: Arc<Participants>,
    /// The rows of each org in the source.
    rows: BTreeMap<(MigrationName, OrgKey), Vec<Row>>,
}

impl Finalized {
    /// What is in the sources now is there.
    pub fn new(world: &World, participants: &Arc<Participants>) -> Self {
        let rows = |migration: &MigrationName, key: &OrgKey| {
            world.look(|facts| facts.stores.rows(migration, Side::Source, key))
        };
        let known = participants
            .pairs()
            .map(|(org, migration, _)| ((migration.clone(), org.key.clone()), rows(migration, &org.key)));
        Finalized { participants: participants.clone(), rows: known.collect() }
    }

    /// Rows that Mover has removed: on the way back it replaces them, and else they are gone for good.
    fn removed(&self, facts: &Facts, (migration, key): (&MigrationName, &OrgKey), gone: &[Row]) -> Result<(), String> {
        let target = facts.stores.standing(migration, Side::Target, key).map(|found| found.mode);
        if target != Some(Mode::Settled) {
            return Ok(());
        }
        let backup = facts.stores.backup(migration, key).unwrap_or_default();
        match gone.iter().find(|row| !backup.contains(row)) {
            None => Ok(()),
            Some(row) => Err(format!("{row:?} of {key} was removed from the source, and is in no backup")),
        }
    }
}

impl Observer for Finalized {
    fn name(&self) -> &'static str {
        "P12 finalized"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        match event {
            Event::RowsChanged { migration, side: Side::Source, key, by } => {
                let now = facts.stores.rows(migration, Side::Source, key);
                let before = self.rows.insert((migration.clone(), key.clone()), now.clone()).unwrap_or_default();
                let gone: Vec<Row> = before.into_iter().filter(|row| !now.contains(row)).collect();
                match by {
                    Hand::Engine(_) => self.removed(facts, (migration, key), &gone),
                    Hand::Client(_) => Ok(()),
                }
            }
            Event::Moved { migration, org, to: State::Finalized, .. } => {
                let Some(org) = self.participants.orgs.iter().find(|one| one.name == *org) else { return Ok(()) };
                let target = facts.stores.standing(migration, Side::Target, &org.key).map(|found| found.mode);
                let left = facts.stores.rows(migration, Side::Source, &org.key);
                match target == Some(Mode::Settled) && left.is_empty() {
                    true => Ok(()),
                    false => Err(format!("{} is finalized, {target:?} in the target, and has {left:?}", org.name)),
                }
            }
            _ => Ok(()),
        }
    }
}
