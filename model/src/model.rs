//! The protocol as a transition system.

use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Model, Property};

use crate::action::{Action, Doing};
use crate::mutations::Without;
use crate::setting::{Setting, Write};
use crate::state::{NOBODY, State};
use crate::{operator, properties};

/// The cutover of one org, without one measure or with all.
pub(crate) struct Cutover {
    pub(crate) setting: Setting,
    pub(crate) without: Option<Without>,
    /// Decided properties, one bit each: the first discovery is the shortest, so later ones are ignored.
    decided: AtomicU64,
}

impl Cutover {
    pub(crate) fn new(setting: Setting, without: Option<Without>) -> Self {
        Cutover { setting, without, decided: AtomicU64::new(0) }
    }

    pub(crate) fn has(&self, measure: Without) -> bool {
        self.without != Some(measure)
    }

    /// True for the first caller only.
    pub(crate) fn decide(&self, number: u32) -> bool {
        self.decided.fetch_or(1 << number, Ordering::Relaxed) & (1 << number) == 0
    }

    pub(crate) fn is_decided(&self, number: u32) -> bool {
        self.decided.load(Ordering::Relaxed) & (1 << number) != 0
    }

    /// Writes are numbered across all writers.
    pub(crate) fn write_id(&self, writer: usize, txn: u8, statement: u8) -> u8 {
        let before = self.setting.writers[..writer].iter().flat_map(|script| script.iter());
        let before = before.chain(self.setting.writers[writer][..usize::from(txn)].iter());
        before.map(|txn| txn.writes.len() as u8).sum::<u8>() + statement
    }

    /// Every write, by its id.
    pub(crate) fn writes(&self) -> impl Iterator<Item = Write> {
        self.setting.writers.into_iter().flat_map(|script| script.iter()).flat_map(|txn| txn.writes.iter().copied())
    }
}

impl Model for Cutover {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.setting)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for writer in 0..state.writers.len() {
            self.writer_actions(state, writer, actions);
        }
        for node in 0..state.nodes.len() {
            self.node_actions(state, node, actions);
        }
        operator::actions(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = *before;
        let done = match action {
            Action::Writer(writer, does) => self.write(&mut state, usize::from(writer), does),
            Action::Node(node, how) => self.run(&mut state, usize::from(node), how),
            Action::World(event) => operator::happen(self, &mut state, event),
        };
        (done == Doing::Done && state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(&self.setting)
    }
}

/// Whether this node is the owner in the move log.
pub(crate) fn is_holder(state: &State, node: usize) -> bool {
    state.log.holder != NOBODY && usize::from(state.log.holder) == node && state.log.epoch == state.nodes[node].epoch
}
