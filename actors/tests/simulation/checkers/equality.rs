//! P1: when an org is routed to the target, or begins to live in another store, its rows are the same in both.

use std::collections::BTreeSet;
use std::sync::Arc;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::ports::Side;
use mover_actors::protocol::{Mode, Standing};
use tokio::time::Instant;

use crate::memory::{Event, Facts, Hand, Observer};
use crate::participants::Participants;

/// See the module's documentation.
pub struct Equality {
    participants: Arc<Participants>,
    routed: BTreeSet<(MigrationName, OrgKey)>,
    written: BTreeSet<(MigrationName, OrgKey)>,
}

impl Equality {
    /// No org is routed to the target yet.
    pub fn new(participants: &Arc<Participants>) -> Self {
        Equality { participants: participants.clone(), routed: BTreeSet::new(), written: BTreeSet::new() }
    }

    /// Offline an org is routed when it is settled; online its flags may be early.
    fn routed_anew(&mut self, facts: &Facts, key: &FlagKey) -> Result<(), String> {
        let participants = self.participants.clone();
        let Some(org) = participants.org_of(key) else { return Ok(()) };
        for (migration, routing) in
            participants.routings.iter().filter(|(migration, _)| participants.is_offline(migration))
        {
            let place = (migration.clone(), org.key.clone());
            if facts.route(&org.name, routing) == Some(Side::Target) && self.routed.insert(place.clone()) {
                let found = facts.stores.standing(migration, Side::Target, &org.key);
                if found.is_none_or(|found| found.mode != Mode::Settled) {
                    return Err(format!("{} is routed to the target, where its rows are {found:?}", org.name));
                }
                if !self.written.contains(&place) {
                    equal(facts, migration, &org.key)?;
                }
            }
        }
        Ok(())
    }
}

fn equal(facts: &Facts, migration: &MigrationName, key: &OrgKey) -> Result<(), String> {
    let (source, target) =
        (facts.stores.rows(migration, Side::Source, key), facts.stores.rows(migration, Side::Target, key));
    if source == target {
        return Ok(());
    }
    Err(format!("{migration} {key}: the source has {source:?}, the target {target:?}"))
}

/// Whether an org has left a store, or has come to live in one.
fn changes_hands(before: Option<Standing>, after: Mode) -> bool {
    let before = before.map(|before| before.mode);
    match after {
        Mode::Moved => before != Some(Mode::Moved),
        Mode::Settled | Mode::Capturing => matches!(before, Some(Mode::Incoming | Mode::Moved | Mode::Discarded)),
        Mode::Incoming | Mode::Discarded => false,
    }
}

impl Observer for Equality {
    fn name(&self) -> &'static str {
        "P1 equality"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        match event {
            Event::Stands { migration, key, before, after, .. } if changes_hands(*before, after.mode) => {
                equal(facts, migration, key)
            }
            Event::Flagged { key, .. } => self.routed_anew(facts, key),
            Event::RowsChanged { migration, side: Side::Target, key, by: Hand::Client(_) } => {
                self.written.insert((migration.clone(), key.clone()));
                Ok(())
            }
            Event::Stands { .. }
            | Event::Moved { .. }
            | Event::FlagsLost
            | Event::RowsChanged { .. }
            | Event::WriterWaited { .. } => Ok(()),
        }
    }
}
