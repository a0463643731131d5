//! P8: a block ends. While nothing goes wrong it ends in time; an org that has come to an end, migrated or failed, is
//! open, unless an operator wants it closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::OrgName;
use mover_actors::domain::state::State;
use tokio::time::Instant;

use super::Calm;
use crate::memory::{Event, Facts, Hash, Observer};
use crate::operator::Operator503;
use crate::participants::Participants;

/// Pauses, leases, budgets and the wait for a worker together, with room to spare.
const BLOCK_MAX: Duration = Duration::from_secs(90);

/// Online a switch ends within a few times its bound of 500 ms, or the store ends the session that makes writers wait; until a writer has
/// its turn, it may meet a second one.
const WAIT_MAX: Duration = Duration::from_secs(8);

/// See the module's documentation.
pub struct BoundedBlock {
    participants: Arc<Participants>,
    operator_503: Operator503,
    calm: Calm,
    blocked_since: BTreeMap<OrgName, Instant>,
}

impl BoundedBlock {
    /// No org is blocked yet.
    pub fn new(participants: &Arc<Participants>, operator_503: &Operator503, calm: &Calm) -> Self {
        let (participants, operator_503, calm) = (participants.clone(), operator_503.clone(), calm.clone());
        BoundedBlock { participants, operator_503, calm, blocked_since: BTreeMap::new() }
    }

    fn is_blocked(&self, facts: &Facts, org: &OrgName) -> bool {
        self.operator_503.of(org).is_none() && facts.redis.hashes.get(&FlagKey::org(org)).is_some_and(says_503)
    }

    fn in_time(&self, org: &OrgName, since: Instant, now: Instant) -> Result<(), String> {
        let Some(calm_since) = self.calm.since() else { return Ok(()) };
        let blocked_for = now.duration_since(since.max(calm_since));
        if blocked_for <= BLOCK_MAX {
            return Ok(());
        }
        Err(format!("{org} was blocked for {blocked_for:?} while nothing was wrong"))
    }
}

fn says_503(hash: &Hash) -> bool {
    hash.get("503_mode").is_some_and(|value| value == "true")
}

impl Observer for BoundedBlock {
    fn name(&self) -> &'static str {
        "P8 bounded block"
    }

    fn saw(&mut self, facts: &Facts, event: &Event, now: Instant) -> Result<(), String> {
        match event {
            Event::Flagged { key, .. } => {
                let participants = self.participants.clone();
                let Some(org) = participants.org_of(key) else { return Ok(()) };
                if self.is_blocked(facts, &org.name) {
                    self.blocked_since.entry(org.name.clone()).or_insert(now);
                    return Ok(());
                }
                let since = self.blocked_since.remove(&org.name);
                since.map_or(Ok(()), |since| self.in_time(&org.name, since, now))
            }
            Event::FlagsLost => {
                self.blocked_since.clear();
                Ok(())
            }
            // A Redis that is being filled again may still show the block.
            Event::Moved { org, to: to @ (State::Failed | State::Migrated), .. }
                if facts.redis.whole && self.is_blocked(facts, org) =>
            {
                Err(format!("{org} is {to} and still blocked"))
            }
            Event::WriterWaited { migration, key, waited } if *waited > WAIT_MAX => {
                Err(format!("a writer of {key} in {migration} has waited for {waited:?}"))
            }
            Event::Moved { .. } | Event::RowsChanged { .. } | Event::Stands { .. } | Event::WriterWaited { .. } => {
                Ok(())
            }
        }
    }

    fn at_the_end(&mut self, facts: &Facts, _: Instant) -> Result<(), String> {
        let blocked = self.participants.orgs.iter().find(|org| self.is_blocked(facts, &org.name));
        if let Some(org) = blocked {
            return Err(format!("{} is blocked at the end", org.name));
        }
        let started = facts.log.moves().find(|record| matches!(record.state, State::Started(_)));
        started.map_or(Ok(()), |record| Err(format!("{} is {} at the end", record.org, record.state)))
    }
}
