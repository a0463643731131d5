//! P2: at any instant at most one store accepts writes of an org. Offline the flags decide: the source until the drain, the target once
//! its rows are live, neither in between. It holds for the stores that the flags route to, and of each write that a client commits. Online
//! the stores decide: the org lives in one of them, or for a moment of its move in none. It holds for where the org stands, and of each
//! write.

use std::sync::Arc;

use mover_actors::domain::flags::{FlagKey, Routing};
use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::state::{State, Step};
use mover_actors::ports::Side;
use mover_actors::protocol::Mode;
use tokio::time::Instant;

use crate::memory::{Event, Facts, Hand, Observer};
use crate::participants::{Org, Participants, record};

/// See the module's documentation.
pub struct OneWriter {
    participants: Arc<Participants>,
}

impl OneWriter {
    /// For these orgs.
    pub fn new(participants: &Arc<Participants>) -> Self {
        OneWriter { participants: participants.clone() }
    }

    fn check_routes(&self, facts: &Facts, org: &Org) -> Result<(), String> {
        let mut offline =
            self.participants.routings.iter().filter(|(migration, _)| self.participants.is_offline(migration));
        offline.try_for_each(|(migration, routing)| check_route(facts, org, migration, routing))
    }
}

fn is_live_in_target(facts: &Facts, migration: &MigrationName, key: &OrgKey) -> bool {
    facts.stores.standing(migration, Side::Target, key).is_some_and(|found| found.mode == Mode::Settled)
}

/// Whether a store takes writes of an org that moves while it is written. The source has every org of which nothing is known.
fn lives_in(facts: &Facts, migration: &MigrationName, side: Side, key: &OrgKey) -> bool {
    match facts.stores.standing(migration, side, key).map(|found| found.mode) {
        None => side == Side::Source,
        Some(Mode::Settled | Mode::Capturing) => true,
        Some(Mode::Moved | Mode::Incoming | Mode::Discarded) => false,
    }
}

/// An org that moves while it is written lives in one store at most.
fn lives_once(facts: &Facts, migration: &MigrationName, key: &OrgKey) -> Result<(), String> {
    match [Side::Source, Side::Target].iter().all(|side| lives_in(facts, migration, *side, key)) {
        true => Err(format!("{migration} {key} lives in both stores")),
        false => Ok(()),
    }
}

/// An org of which no move is in flight lives in a store, and nothing that comes late changes that.
fn lives_somewhere(facts: &Facts, migration: &MigrationName, key: &OrgKey) -> Result<(), String> {
    let state = record(facts, migration, key).map(|record| record.state);
    let is_in_flight = matches!(state, Some(State::Started(_)));
    match is_in_flight || [Side::Source, Side::Target].iter().any(|side| lives_in(facts, migration, *side, key)) {
        true => Ok(()),
        false => Err(format!("{migration} {key} is {state:?} and lives in no store")),
    }
}

fn write_online(facts: &Facts, migration: &MigrationName, side: Side, key: &OrgKey) -> Result<(), String> {
    lives_once(facts, migration, key)?;
    match lives_in(facts, migration, side, key) {
        true => Ok(()),
        false => Err(format!(
            "{migration} {key} was written in the {side:?}, where it is {:?}",
            facts.stores.standing(migration, side, key)
        )),
    }
}

/// New requests: none from the end of the block on.
fn check_route(facts: &Facts, org: &Org, migration: &MigrationName, routing: &Routing) -> Result<(), String> {
    let state = record(facts, migration, &org.key).map(|record| record.state);
    let live_in_target = is_live_in_target(facts, migration, &org.key);
    match facts.routed_to(&org.name, routing) {
        None => Ok(()),
        Some(Side::Target) if live_in_target => Ok(()),
        Some(Side::Target) => Err(format!("{} is open on the target, and not live there ({state:?})", org.name)),
        Some(Side::Source) if live_in_target => {
            Err(format!("{} is open on the source, and live in the target ({state:?})", org.name))
        }
        Some(Side::Source) => match state {
            Some(State::Started(Step::Drain | Step::Copy | Step::Verify | Step::Switch | Step::Unblock)) => {
                Err(format!("{} is open on the source in {state:?}", org.name))
            }
            Some(State::Migrated) => Err(format!("{} is open on the source and migrated", org.name)),
            Some(
                State::Holding
                | State::Ready
                | State::Failed
                | State::RolledBack
                | State::Started(Step::Block | Step::Abort | Step::Capture | Step::CatchUp | Step::Discard),
            )
            | None => Ok(()),
            Some(State::Finalized | State::Started(Step::BackUp | Step::Close | Step::Purge)) => {
                Err(format!("{} is open on the source in {state:?}", org.name))
            }
        },
    }
}

/// Requests that were admitted: none ends after the drain.
fn write(facts: &Facts, migration: &MigrationName, side: Side, key: &OrgKey) -> Result<(), String> {
    let state = record(facts, migration, key).map(|record| record.state);
    let live_in_target = is_live_in_target(facts, migration, key);
    match (side, state) {
        (Side::Target, _) if live_in_target => Ok(()),
        (Side::Target, _) => Err(format!("{key} was written in the target, where it is not live ({state:?})")),
        (Side::Source, _) if live_in_target => {
            Err(format!("{key} was written in the source, and it is live in the target ({state:?})"))
        }
        (Side::Source, Some(State::Started(Step::Copy | Step::Verify | Step::Switch | Step::Unblock))) => {
            Err(format!("{key} was written in the source in {state:?}"))
        }
        (Side::Source, _) => Ok(()),
    }
}

impl Observer for OneWriter {
    fn name(&self) -> &'static str {
        "P2 one writer"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, _: Instant) -> Result<(), String> {
        match event {
            Event::Flagged { key, .. } => match self.participants.org_of(key) {
                Some(org) => self.check_routes(facts, org),
                None if *key == FlagKey::default_hash() || *key == FlagKey::override_hash() => {
                    self.participants.orgs.iter().try_for_each(|org| self.check_routes(facts, org))
                }
                None => Ok(()),
            },
            Event::Moved { migration, org, .. } => {
                let Some(org) = self.participants.orgs.iter().find(|one| one.name == *org) else { return Ok(()) };
                if self.participants.is_online(migration) {
                    lives_somewhere(facts, migration, &org.key)?;
                }
                self.check_routes(facts, org)
            }
            Event::Stands { migration, key, .. } if self.participants.is_online(migration) => {
                lives_once(facts, migration, key)?;
                lives_somewhere(facts, migration, key)
            }
            Event::Stands { key, .. } => {
                let org = self.participants.orgs.iter().find(|one| one.key == *key);
                org.map_or(Ok(()), |org| self.check_routes(facts, org))
            }
            Event::RowsChanged { migration, side, key, by: Hand::Client(_) } => {
                match self.participants.is_online(migration) {
                    true => write_online(facts, migration, *side, key),
                    false => write(facts, migration, *side, key),
                }
            }
            Event::RowsChanged { .. } | Event::FlagsLost | Event::WriterWaited { .. } => Ok(()),
        }
    }

    /// Whoever reads the flags finds the org where it lives.
    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        for (org, migration, routing) in
            self.participants.pairs().filter(|(_, migration, _)| self.participants.is_online(migration))
        {
            let routed = facts.route(&org.name, routing);
            if !routed.is_some_and(|side| lives_in(facts, migration, side, &org.key)) {
                return Err(format!("{} is routed to {routed:?} in {migration}, and does not live there", org.name));
            }
        }
        Ok(())
    }
}
