//! Two orgs that are claimed together and go through their steps together.
//!
//! Each org is what it is alone, with its own guard rows, epoch, lock, writers and row in the move log, and with the same
//! actions. A node that has both takes an action for both at once where the product makes one request or one transaction of it,
//! and then both are done or none is. It takes the actions for each org by itself where the product does.

mod events;
mod properties;
mod trace;
mod worker;

use stateright::{Model, Property};

use crate::action::{Action, Doing, How};
use crate::explored::Explored;
use crate::model::Cutover;
use crate::setting::{Orgs, Setting};
use crate::state::{NOBODY, State};
use crate::{Without, operator};

/// The cutover of a cohort, without one measure or with all.
pub(crate) struct Cohort {
    one: Cutover,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    /// In the order of their keys. Both have the same budget, which is spent for both.
    orgs: [State; 2],
    /// By node: it has both orgs, and takes them through their steps together.
    together: [bool; 2],
    /// The `moved` on its way is about both orgs.
    late: bool,
    /// Nothing binds the two any more, and only this one is still looked at.
    alone: Option<u8>,
}

/// Who gives up when a step fails for both. Whoever does not begins the step again: both together, or one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivesUp {
    Nobody,
    Only(u8),
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Of this org alone.
    Of(u8, Action),
    /// A node acts for both orgs at once.
    Both(u8, How),
    /// A step that a node carries out for both fails for a reason of its own (`How` says whether a `moved` is on its way).
    Fails(u8, How, GivesUp),
    ClaimBoth(u8),
    TakeOverBoth(u8),
    Crash(u8),
    LoseLock(u8),
    LateMoved,
    LateEnds,
    /// Only this org is looked at from now on.
    Follow(u8),
}

impl Cohort {
    pub(crate) fn new(setting: Setting, without: Option<Without>) -> Self {
        Cohort { one: Cutover::new(setting, without) }
    }

    fn has(&self, measure: Without) -> bool {
        self.one.has(measure)
    }

    fn follow(&self, state: &mut Pair, org: u8) -> Doing {
        state.alone = Some(org);
        state.orgs[1 - usize::from(org)] =
            State { left: state.orgs[usize::from(org)].left, ..State::first(&self.one.setting) };
        Doing::Done
    }

    fn do_for_one(&self, state: &mut Pair, org: usize, action: Action) -> Doing {
        match action {
            Action::Writer(writer, does) => self.one.write(&mut state.orgs[org], usize::from(writer), does),
            Action::Node(node, how) if state.together[usize::from(node)] => {
                self.act_for_one(state, org, usize::from(node), how)
            }
            Action::Node(node, how) => self.one.run(&mut state.orgs[org], usize::from(node), how),
            Action::World(event) => operator::happen(&self.one, &mut state.orgs[org], event),
        }
    }
}

impl Model for Cohort {
    type State = Pair;
    type Action = Deed;

    fn init_states(&self) -> Vec<Pair> {
        let mut orgs = [State::first(&self.one.setting); 2];
        if self.one.setting.second_is_quiet {
            for (writer, script) in orgs[1].writers.iter_mut().zip(self.one.setting.writers) {
                writer.txn = script.len() as u8;
            }
        }
        vec![Pair { orgs, together: [false; 2], late: false, alone: None }]
    }

    fn actions(&self, state: &Pair, deeds: &mut Vec<Deed>) {
        let mut actions = Vec::new();
        if let Some(number) = state.alone {
            self.one.actions(&state.orgs[usize::from(number)], &mut actions);
            deeds.extend(actions.into_iter().map(|action| Deed::Of(number, action)));
            return;
        }
        if self.one.setting.orgs == Orgs::TwoThenEach && !state.are_bound() {
            deeds.extend([0, 1].map(Deed::Follow));
            return;
        }
        for (number, org) in state.orgs.iter().enumerate() {
            for writer in 0..org.writers.len() {
                self.one.writer_actions(org, writer, &mut actions);
            }
            deeds.extend(actions.drain(..).map(|action| Deed::Of(number as u8, action)));
        }
        for node in 0..state.together.len() {
            self.worker_deeds(state, node, deeds);
        }
        self.event_deeds(state, deeds);
    }

    fn next_state(&self, before: &Pair, deed: Deed) -> Option<Pair> {
        let mut state = *before;
        let done = match deed {
            Deed::Of(org, action) => self.do_for_one(&mut state, usize::from(org), action),
            Deed::Both(node, how) => self.act_for_both(&mut state, usize::from(node), how),
            Deed::Fails(node, how, gives_up) => self.fail_for_both(&mut state, usize::from(node), how, gives_up),
            Deed::Follow(org) => self.follow(&mut state, org),
            event => self.happen(&mut state, event),
        };
        state.share_budget(before);
        (done == Doing::Done && state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(&self.one.setting)
    }
}

impl Explored for Cohort {
    fn one(&self) -> &Cutover {
        &self.one
    }

    fn orgs(state: &Pair) -> &[State] {
        &state.orgs
    }

    fn follows(state: &Pair, org: usize) -> bool {
        state.alone.is_none_or(|alone| usize::from(alone) == org)
    }

    fn can_act(&self, state: &Pair, org: usize, node: usize) -> bool {
        let mut deeds = Vec::new();
        self.worker_deeds(state, node, &mut deeds);
        // A worker that has both orgs acts for this one when it acts for the other.
        let goes_on = |deed: &Deed| match deed {
            Deed::Of(of, Action::Node(_, How::Next)) => usize::from(*of) == org || state.together[node],
            Deed::Both(_, How::Next) => true,
            _ => false,
        };
        deeds.into_iter().filter(goes_on).any(|deed| self.next_state(state, deed).is_some())
    }

    fn writer_of(deed: Deed) -> Option<usize> {
        match deed {
            Deed::Of(org, Action::Writer(..)) => Some(usize::from(org)),
            _ => None,
        }
    }

    fn tell(&self, path: &[(Pair, Option<Deed>)]) -> Vec<String> {
        crate::trace::tell(path, trace::tell_world, |state, deed| trace::tell_deed(self, state, deed))
    }
}

impl Pair {
    /// Whether what happens to one org may still depend on the other: a node has both, or may get both again, or a message is
    /// about both. Otherwise all that can happen to one can happen whatever the other does.
    fn are_bound(&self) -> bool {
        let goes_with_another = |org: &State| events::goes_with_another(org.log.stage);
        let left = &self.orgs[0].left;
        let may_meet = left.crashes > 0 || left.expiries > 0 || self.orgs.iter().all(|org| org.log.holder == NOBODY);
        self.late || self.together.contains(&true) || may_meet && self.orgs.iter().all(goes_with_another)
    }

    /// What one org has spent, or both in one action, is spent for both.
    fn share_budget(&mut self, before: &Pair) {
        let spender = usize::from(self.orgs[0].left == before.orgs[0].left);
        let left = self.orgs[spender].left;
        self.orgs.iter_mut().for_each(|org| org.left = left);
    }
}
