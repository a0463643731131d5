//! Steps `close` and `purge`: the way back ends, then the rows in the old store go.

use super::refused;
use crate::action::Doing;
use crate::model::Cutover;
use crate::mutations::Without;
use crate::operator::release_lock;
use crate::participants::At;
use crate::setting::KEYS;
use crate::state::{ABSENT, Mode, NEW, OLD, State};

impl Cutover {
    pub(super) fn close(&self, state: &mut State, number: usize) -> Doing {
        if self.asks_again(state, number) {
            return Doing::Done;
        }
        if state.guard_is_held(NEW) {
            return Doing::Waits;
        }
        let may = matches!(state.stores[NEW].mode, Mode::Capturing | Mode::Settled);
        if !may || !self.is_current(state, number, NEW) {
            return refused(state, number);
        }
        let epoch = state.nodes[number].epoch;
        state.set_guard(NEW, Mode::Settled, epoch);
        state.stores[NEW].log = 0;
        release_lock(state, number);
        state.nodes[number].locked = false;
        state.nodes[number].at = At::Journal;
        Doing::Done
    }

    /// Batches make no difference here: these rows have no readers any more.
    pub(super) fn purge(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(OLD) && self.has(Without::PurgeLocksGuard) {
            return Doing::Waits;
        }
        if state.stores[OLD].mode != Mode::Moved || !self.is_current(state, number, OLD) {
            return refused(state, number);
        }
        if self.has(Without::PurgeLocksGuard) {
            let epoch = state.nodes[number].epoch;
            state.set_guard(OLD, Mode::Moved, epoch);
        }
        state.stores[OLD].rows = [ABSENT; KEYS];
        state.nodes[number].at = At::Journal;
        Doing::Done
    }
}
