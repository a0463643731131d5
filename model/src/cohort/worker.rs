//! The node that has both orgs.

use super::{Cohort, Deed, GivesUp, Pair};
use crate::Without;
use crate::action::{Action, Doing, How};
use crate::node::{can_fail, refused};
use crate::operator::close_sessions;
use crate::participants::{At, Node};
use crate::state::{NOBODY, State};

impl Cohort {
    pub(super) fn worker_deeds(&self, state: &Pair, node: usize, deeds: &mut Vec<Deed>) {
        let mut actions = Vec::new();
        for (number, org) in state.orgs.iter().enumerate() {
            if !state.together[node] {
                self.one.node_actions(org, node, &mut actions);
            } else if goes_by_itself(state, node, number) {
                actions.push(Action::Node(node as u8, How::Next));
            } else if org.nodes[node].at == At::Accept {
                // The decisions about the flags are under way beside the commit that opens the receiving store.
                actions.push(Action::Node(node as u8, How::FlagsEarly));
            }
            deeds.extend(actions.drain(..).map(|action| Deed::Of(number as u8, action)));
        }
        if state.together[node] && are_side_by_side(state, node) {
            self.common_deeds(state, node, deeds);
        }
    }

    fn common_deeds(&self, state: &Pair, node: usize, deeds: &mut Vec<Deed>) {
        let Node { at, step, .. } = state.orgs[0].nodes[node];
        let mut push = |how| deeds.push(Deed::Both(node as u8, how));
        if at != At::Lock {
            push(How::Next);
        }
        if at == At::Locked {
            push(How::BackOff);
        }
        if at == At::Lock && self.one.setting.early_rounds {
            push(How::EarlyRound);
        }
        if state.orgs[0].left.failures == 0 || !can_fail(&state.orgs[0].nodes[node]) {
            return;
        }
        let is_locked = |org: &State| usize::from(org.stores[step.leaving()].exclusive) == node && org.late == 0;
        let is_late = at == At::CommitMoved && state.orgs.iter().all(is_locked);
        let hows: &[How] = if is_late { &[How::Fail, How::FailLate] } else { &[How::Fail] };
        for how in hows {
            let who = [GivesUp::Nobody, GivesUp::Only(0), GivesUp::Only(1), GivesUp::Both];
            deeds.extend(who.map(|who| Deed::Fails(node as u8, *how, who)));
        }
    }

    /// One request about both orgs: done for both or for none.
    pub(super) fn act_for_both(&self, state: &mut Pair, node: usize, how: How) -> Doing {
        let mut after = state.orgs;
        for (number, org) in after.iter_mut().enumerate() {
            let doing = match org.nodes[node].at {
                At::CommitMoved => self.commit_moved(org, number, node),
                _ => self.one.run(org, node, how),
            };
            if doing == Doing::Waits {
                return Doing::Waits;
            }
            // The wrong variant reads the log of the first org only.
            let is_last_round = org.nodes[node].at == At::RoundApply && org.nodes[node].locked;
            if is_last_round && number > 0 && !self.has(Without::LastRoundOfAll) {
                org.nodes[node].seen = 0;
            }
        }
        if after.iter().any(|org| is_refused(org, node)) {
            self.refuse_both(state, after, node);
        } else {
            state.orgs = after;
            state.align(node);
        }
        Doing::Done
    }

    /// A request is refused because of one org or both (`after` says which). Nothing was changed: each begins the step again, alone.
    fn refuse_both(&self, state: &mut Pair, after: [State; 2], node: usize) {
        let is_moved = state.orgs[0].nodes[node].at == At::CommitMoved;
        let goes_on = is_moved && !self.has(Without::MovedAllOrNone);
        for (org, after) in state.orgs.iter_mut().zip(after) {
            match (is_refused(&after, node), goes_on) {
                (true, true) => org.nodes[node].at = At::Accept,
                (false, true) => *org = after,
                _ if self.has(Without::FaultOfOneAlone) => begin_again(org, node),
                (true, false) => *org = after,
                (false, false) => _ = refused(org, node),
            }
        }
        state.together[node] = goes_on;
    }

    /// The part of the common `moved` that is about one org. The wrong variant checks the epoch of the first org only.
    fn commit_moved(&self, org: &mut State, number: usize, node: usize) -> Doing {
        let epoch = org.nodes[node].epoch;
        if number > 0 && !self.has(Without::EpochOfEach) {
            org.nodes[node].epoch = org.stores[org.nodes[node].step.leaving()].epoch;
        }
        let doing = self.one.run(org, node, How::Next);
        org.nodes[node].epoch = epoch;
        doing
    }

    /// An action of a node with both orgs that is about one of them.
    pub(super) fn act_for_one(&self, state: &mut Pair, number: usize, node: usize, how: How) -> Doing {
        let asks_for_lock = state.orgs[number].nodes[node].at == At::Lock;
        let org = &mut state.orgs[number];
        let doing = self.one.run(org, node, how);
        if doing == Doing::Waits && asks_for_lock && self.has(Without::BusyOrgLeaves) {
            if self.has(Without::MovesOnlyLocked) {
                begin_again(org, node);
                state.together[node] = false;
            } else {
                (org.nodes[node].at, org.nodes[node].locked) = (At::Locked, true);
            }
            return Doing::Done;
        }
        // The other goes on alone.
        if matches!(org.nodes[node].at, At::Idle | At::Failing) && self.has(Without::OthersGoOn) {
            state.together[node] = false;
        }
        doing
    }

    pub(super) fn fail_for_both(&self, state: &mut Pair, node: usize, how: How, gives_up: GivesUp) -> Doing {
        for (number, org) in state.orgs.iter_mut().enumerate() {
            self.one.run(org, node, how);
            let is_given_up = match gives_up {
                GivesUp::Nobody => false,
                GivesUp::Only(only) => usize::from(only) == number,
                GivesUp::Both => true,
            };
            if !is_given_up {
                org.nodes[node].at = At::Begin;
            }
        }
        state.together[node] = gives_up == GivesUp::Nobody;
        state.late |= how == How::FailLate;
        Doing::Done
    }
}

impl Pair {
    /// After an action for both, both are at the same place, or they separate.
    fn align(&mut self, node: usize) {
        match [0, 1].map(|org: usize| self.orgs[org].nodes[node].at) {
            [one, other] if one == other => {}
            // All guard rows have the epoch before the round begins.
            [At::RoundBegin, At::RoundRead] => wait_for_the_round(&mut self.orgs[1], node),
            [At::RoundRead, At::RoundBegin] => wait_for_the_round(&mut self.orgs[0], node),
            // A round is about the entries of all.
            [At::RoundForget, _] => self.orgs[1].nodes[node].at = At::RoundForget,
            [_, At::RoundForget] => self.orgs[0].nodes[node].at = At::RoundForget,
            // One has its decision about the flags already.
            [At::Desire, At::WriteFlags] | [At::WriteFlags, At::Desire] => {}
            _ => self.together[node] = false,
        }
    }
}

fn wait_for_the_round(org: &mut State, node: usize) {
    let receiving = org.nodes[node].step.receiving();
    org.stores[receiving].guard_locked = NOBODY;
    org.nodes[node].at = At::RoundBegin;
}

fn is_refused(org: &State, node: usize) -> bool {
    org.nodes[node].at == At::Failing
}

/// The sessions are closed, and the step begins again.
fn begin_again(org: &mut State, node: usize) {
    close_sessions(org, node);
    let Node { step, epoch, .. } = org.nodes[node];
    org.nodes[node] = Node { at: At::Begin, step, epoch, ..Node::IDLE };
}

/// Whether the next action is about this org alone: a lock at the switch, one by one; the move log; the flags.
fn goes_by_itself(state: &Pair, node: usize, number: usize) -> bool {
    let other = state.orgs[1 - number].nodes[node].at;
    match state.orgs[number].nodes[node].at {
        At::Idle => false,
        At::Lock if number == 0 => other == At::Lock,
        At::Lock => other == At::Locked,
        at => !is_common(at),
    }
}

/// The place of an action that is one request for both orgs.
fn is_common(at: At) -> bool {
    let is_of_one = matches!(at, At::Idle | At::Desire | At::WriteFlags | At::Journal | At::GoForward)
        || matches!(at, At::Failing | At::RevokeReceiving | At::RevokeLeaving | At::GivenUp);
    !is_of_one
}

fn are_side_by_side(state: &Pair, node: usize) -> bool {
    let [one, other] = [0, 1].map(|org: usize| state.orgs[org].nodes[node]);
    let opens = |at| matches!(at, At::Accept | At::AcceptLate);
    one.step == other.step && is_common(one.at) && (one.at == other.at || opens(one.at) && opens(other.at))
}
