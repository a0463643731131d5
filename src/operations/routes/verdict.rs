//! What it means that the flags of an org say what they say, while it lives where it does.

use mover_actors::domain::effective::{Destination, EffectiveRoute};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{State, Step, Strategy};
use mover_actors::ports::Side;

use crate::operations::location::home;

/// What is wrong with the flags of an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Misroute {
    /// They lead to the store in which it does not live.
    Elsewhere,
    /// They lead some of its requests there.
    Partly,
    /// They lead nowhere.
    Nowhere,
    /// They let writers in while it is copied offline.
    LetIn,
}

impl Misroute {
    /// Whether writes can be lost or refused.
    pub(super) fn is_grave(self, record: &MoveRecord) -> bool {
        match self {
            Misroute::Elsewhere | Misroute::Partly | Misroute::LetIn => true,
            // Where an org has not moved, its flags may not be complete yet.
            Misroute::Nowhere => home(record) == Some(Side::Target),
        }
    }
}

/// What is wrong with the route of an org; nothing while it changes stores, and where the operator routes.
pub(super) fn misroute(record: &MoveRecord, route: &EffectiveRoute) -> Option<Misroute> {
    let home = home(record)?;
    match (home, route.destination) {
        (Side::Source, Destination::Target) | (Side::Target, Destination::Source) => Some(Misroute::Elsewhere),
        (_, Destination::Both) => Some(Misroute::Partly),
        (_, Destination::Unknown) | (Side::Target, Destination::Unrouted) => Some(Misroute::Nowhere),
        (Side::Source, Destination::Source | Destination::Unrouted) | (Side::Target, Destination::Target) => {
            (must_be_shut(record) && !route.blocked).then_some(Misroute::LetIn)
        }
    }
}

/// Whether a move relies on the 503 of its org now. The first step sets it and the last one ends it, so these say nothing.
fn must_be_shut(record: &MoveRecord) -> bool {
    match record.state {
        State::Started(Step::Unblock) => false,
        State::Started(step) => record.strategy == Strategy::Offline && record.course().shuts_out(step),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName};
    use mover_actors::domain::state::Aim;

    use super::*;

    fn record(strategy: Strategy, aim: Aim, state: State) -> MoveRecord {
        MoveRecord {
            id: MoveId(1),
            migration: MigrationName::new("phase_2").unwrap(),
            org: OrgName::new("acme").unwrap(),
            key: OrgKey::new("1").unwrap(),
            strategy,
            aim,
            state,
            epoch: Epoch(1),
            campaign: None,
            attempts: 0,
            verified: None,
            failure: None,
            backup: None,
        }
    }

    fn route(destination: Destination, blocked: bool) -> EffectiveRoute {
        EffectiveRoute { destination, shut: blocked, blocked, by: Vec::new() }
    }

    fn found(state: State, destination: Destination) -> Option<Misroute> {
        misroute(&record(Strategy::Online, Aim::Migrate, state), &route(destination, false))
    }

    #[test]
    fn an_org_must_be_routed_to_where_it_lives() {
        use Destination::{Both, Source, Target, Unknown, Unrouted};
        for state in [State::Holding, State::Ready, State::Failed, State::RolledBack, State::Started(Step::Copy)] {
            assert_eq!(found(state, Source), None, "{state}");
            assert_eq!(found(state, Unrouted), None, "{state}");
            assert_eq!(found(state, Target), Some(Misroute::Elsewhere), "{state}");
            assert_eq!(found(state, Both), Some(Misroute::Partly), "{state}");
            assert_eq!(found(state, Unknown), Some(Misroute::Nowhere), "{state}");
        }
        for state in [State::Migrated, State::Finalized] {
            assert_eq!(found(state, Target), None, "{state}");
            assert_eq!(found(state, Source), Some(Misroute::Elsewhere), "{state}");
            assert_eq!(found(state, Unrouted), Some(Misroute::Nowhere), "{state}");
        }
        // On the way back it lives in the target, and then in the source.
        let back =
            |step, to| misroute(&record(Strategy::Online, Aim::RollBack, State::Started(step)), &route(to, false));
        assert_eq!(back(Step::CatchUp, Source), Some(Misroute::Elsewhere));
        assert_eq!(back(Step::Discard, Target), Some(Misroute::Elsewhere));
    }

    #[test]
    fn nothing_is_said_of_an_org_that_changes_stores_or_is_routed_by_the_operator() {
        for to in [Destination::Source, Destination::Target, Destination::Both, Destination::Unrouted] {
            assert_eq!(found(State::Started(Step::Switch), to), None);
            let window = record(Strategy::Window, Aim::Migrate, State::Migrated);
            assert_eq!(misroute(&window, &route(to, false)), None);
        }
    }

    #[test]
    fn an_org_that_is_copied_offline_must_be_shut() {
        let offline = |step| record(Strategy::Offline, Aim::Migrate, State::Started(step));
        for step in [Step::Drain, Step::Copy, Step::Verify] {
            assert_eq!(misroute(&offline(step), &route(Destination::Source, false)), Some(Misroute::LetIn), "{step}");
            assert_eq!(misroute(&offline(step), &route(Destination::Source, true)), None, "{step}");
        }
        for (step, to) in [(Step::Block, Destination::Source), (Step::Unblock, Destination::Target)] {
            assert_eq!(misroute(&offline(step), &route(to, false)), None, "{step}");
        }
    }
}
