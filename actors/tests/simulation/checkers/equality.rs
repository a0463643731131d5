//! P1: when an org is routed to the target, its rows are the same in both stores.

use std::collections::BTreeSet;
use std::sync::Arc;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::ports::Side;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Guard, GuardMode, Hand, Observer};
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

    fn routed_anew(&mut self, facts: &Facts, key: &FlagKey) -> Result<(), String> {
        let participants = self.participants.clone();
        let Some(org) = participants.org_of(key) else { return Ok(()) };
        for (migration, routing) in participants.routings.iter() {
            let place = (migration.clone(), org.key.clone());
            if facts.route(&org.name, routing) == Some(Side::Target) && self.routed.insert(place.clone()) {
                let guard = facts.stores.guard(migration, &org.key);
                if guard.is_none_or(|guard| guard.mode != GuardMode::Settled) {
                    return Err(format!("{} is routed to the target, where its rows are {guard:?}", org.name));
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

impl Observer for Equality {
    fn name(&self) -> &'static str {
        "P1 equality"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        let settled = |guard: &Option<Guard>| guard.is_some_and(|guard| guard.mode == GuardMode::Settled);
        match event {
            Event::Guarded { migration, key, before, after, .. } if settled(after) && !settled(before) => {
                equal(facts, migration, key)
            }
            Event::Flagged { key, .. } => self.routed_anew(facts, key),
            Event::RowsChanged { migration, side: Side::Target, key, by: Hand::Client(_) } => {
                self.written.insert((migration.clone(), key.clone()));
                Ok(())
            }
            Event::Guarded { .. } | Event::Moved { .. } | Event::FlagsLost | Event::RowsChanged { .. } => Ok(()),
        }
    }
}
