//! What happens to both orgs at once: claims, the death of a node, the end of a session, a late `moved`.

use super::{Cohort, Deed, Pair};
use crate::Without;
use crate::action::{Action, Doing, Event};
use crate::operator;
use crate::participants::At;
use crate::state::{Mode, NOBODY, OLD, Stage, State, Step};

impl Cohort {
    pub(super) fn event_deeds(&self, state: &Pair, deeds: &mut Vec<Deed>) {
        let mut actions = Vec::new();
        for (number, org) in state.orgs.iter().enumerate() {
            operator::actions(org, &mut actions);
            let is_of_one = |action: &Action| match action {
                Action::World(Event::Crash(_)) => false,
                Action::World(Event::LateMoved | Event::LateEnds) => !state.late,
                Action::World(Event::LoseLock(node)) => !state.together[usize::from(*node)],
                // The first claim is of both.
                Action::World(Event::Claim(_)) => org.log.epoch > 0,
                _ => true,
            };
            deeds.extend(actions.drain(..).filter(is_of_one).map(|action| Deed::Of(number as u8, action)));
        }
        for node in 0..state.together.len() {
            node_deeds(state, node, deeds);
        }
        if state.late {
            deeds.extend([Deed::LateMoved, Deed::LateEnds]);
        }
    }

    pub(super) fn happen(&self, state: &mut Pair, deed: Deed) -> Doing {
        let (event, node) = match deed {
            Deed::ClaimBoth(node) => (Event::Claim(node), node),
            Deed::TakeOverBoth(node) => (Event::TakeOver(node), node),
            Deed::Crash(node) => (Event::Crash(node), node),
            Deed::LoseLock(node) => (Event::LoseLock(node), node),
            Deed::LateMoved => return self.late_moved(state),
            Deed::LateEnds => return self.late_ends(state),
            Deed::Of(..) | Deed::Both(..) | Deed::Fails(..) | Deed::Follow(_) => return Doing::Waits,
        };
        for org in &mut state.orgs {
            operator::happen(&self.one, org, event);
        }
        match event {
            Event::Claim(_) | Event::TakeOver(_) => state.together[usize::from(node)] = true,
            Event::Crash(_) => state.together[usize::from(node)] = false,
            _ => {}
        }
        Doing::Done
    }

    /// One statement for both orgs: if one of them is not as it was, the other does not move either.
    fn late_moved(&self, state: &mut Pair) -> Doing {
        let before = state.orgs;
        for (number, org) in state.orgs.iter_mut().enumerate() {
            if number > 0 && !self.has(Without::EpochOfEach) {
                org.late = org.stores[OLD].epoch;
            }
            if operator::happen(&self.one, org, Event::LateMoved) == Doing::Waits {
                return Doing::Waits;
            }
        }
        state.late = false;
        let has_moved = |org: usize| state.orgs[org].stores[OLD].mode == Mode::Moved;
        if !(has_moved(0) && has_moved(1)) && self.has(Without::MovedAllOrNone) {
            state.orgs = before;
            return self.late_ends(state);
        }
        Doing::Done
    }

    fn late_ends(&self, state: &mut Pair) -> Doing {
        state.late = false;
        for org in &mut state.orgs {
            operator::happen(&self.one, org, Event::LateEnds);
        }
        Doing::Done
    }
}

/// Whether an org is at a step that it may go through with another: an abort goes org by org.
pub(super) fn goes_with_another(stage: Stage) -> bool {
    matches!(stage, Stage::Running(Step::Capture | Step::Copy | Step::Verify | Step::Switch))
}

fn node_deeds(state: &Pair, node: usize, deeds: &mut Vec<Deed>) {
    let number = node as u8;
    let [one, other] = &state.orgs;
    let left = &one.left;
    let is_free = |node: usize| state.orgs.iter().all(|org| org.nodes[node].at == At::Idle);
    if left.crashes > 0 && !is_free(node) {
        deeds.push(Deed::Crash(number));
    }
    let has_lock = |org: &State| org.stores.iter().any(|store| store.exclusive == number);
    if left.lost_locks > 0 && state.together[node] && state.orgs.iter().any(has_lock) {
        deeds.push(Deed::LoseLock(number));
    }
    if one.log.stage != other.log.stage || !goes_with_another(one.log.stage) || !is_free(node) {
        return;
    }
    let is_held_by = |holder: u8| state.orgs.iter().all(|org| org.log.holder == holder);
    // Free nodes are symmetric, so only the first of them claims.
    if is_held_by(NOBODY) && !(0..node).any(is_free) {
        deeds.push(Deed::ClaimBoth(number));
    }
    if is_held_by(1 - number) && left.expiries > 0 {
        deeds.push(Deed::TakeOverBoth(number));
    }
}
