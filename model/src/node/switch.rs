//! Step `switch`, in both directions, and the removal of the copy that ends a rollback.

use super::refused;
use super::round::Entered;
use crate::action::Doing;
use crate::model::{Cutover, is_holder};
use crate::mutations::Without;
use crate::participants::At;
use crate::setting::KEYS;
use crate::state::{ABSENT, Flags, Mode, NEW, NOBODY, State};

impl Cutover {
    /// A node that finds `moved` in the leaving store goes forward.
    pub(super) fn switch_begin(&self, state: &mut State, number: usize) -> Doing {
        match self.enter_leaving(state, number) {
            Entered::Waits => return Doing::Waits,
            Entered::Refused => return refused(state, number),
            Entered::HasMoved => state.nodes[number].at = At::Accept,
            Entered::Stamped | Entered::AsItWas => state.nodes[number].at = At::Lock,
        }
        Doing::Done
    }

    /// A wait that ends without the lock changes nothing, so it is left out: the node retries.
    pub(super) fn switch_lock(&self, state: &mut State, number: usize) -> Doing {
        let leaving = state.nodes[number].step.leaving();
        if self.has(Without::ExclusiveLock) && !take_exclusive(state, number, leaving) {
            return Doing::Waits;
        }
        state.nodes[number].locked = true;
        state.nodes[number].at = At::Locked;
        Doing::Done
    }

    pub(super) fn round_under_lock(&self, state: &mut State, number: usize) -> Doing {
        if self.has(Without::RoundUnderLock) {
            return self.round_begin(state, number);
        }
        state.nodes[number].at = At::CommitMoved;
        Doing::Done
    }

    pub(super) fn commit_moved_first(&self, state: &mut State, number: usize) -> Doing {
        if self.has(Without::LeavingBeforeReceiving) {
            self.commit_moved(state, number, At::Accept)
        } else {
            self.accept(state, number, At::CommitMovedLate)
        }
    }

    /// The point of no return.
    pub(super) fn commit_moved(&self, state: &mut State, number: usize, then: At) -> Doing {
        let node = state.nodes[number];
        let (leaving, receiving) = (node.step.leaving(), node.step.receiving());
        let lost = usize::from(state.stores[leaving].exclusive) != number
            && self.has(Without::ExclusiveLock)
            && self.has(Without::MovesOnlyLocked);
        if lost && self.has(Without::MovedOnLockSession) {
            super::fail(state, number);
            return Doing::Done;
        }
        if state.guard_is_held(leaving) {
            return Doing::Waits;
        }
        if state.stores[leaving].mode == Mode::Moved && self.is_current(state, number, leaving) {
            state.nodes[number].at = then;
            return Doing::Done;
        }
        let ours = state.stores[leaving].epoch == node.epoch || !self.has(Without::EpochCheckInStore);
        if state.stores[leaving].mode != Mode::Capturing || !ours {
            return refused(state, number);
        }
        state.set_guard(leaving, Mode::Moved, node.epoch);
        let (from, to) = (&state.stores[leaving], &state.stores[receiving]);
        state.ghost.unequal_at_switch |= from.rows != to.rows || from.log != 0;
        state.nodes[number].at = then;
        Doing::Done
    }

    /// The receiving store opens: forward it logs changes from its first write on, so that there is a way back.
    pub(super) fn accept(&self, state: &mut State, number: usize, then: At) -> Doing {
        let node = state.nodes[number];
        let receiving = node.step.receiving();
        let back = node.step.is_back();
        if state.guard_is_held(receiving) {
            return Doing::Waits;
        }
        let open = if back || !self.has(Without::ReverseCapture) { Mode::Settled } else { Mode::Capturing };
        let mode = state.stores[receiving].mode;
        if !(mode == super::receiving_mode(node.step) || mode == open) || !self.is_current(state, number, receiving) {
            return refused(state, number);
        }
        state.set_guard(receiving, open, node.epoch);
        state.nodes[number].at = then;
        Doing::Done
    }

    pub(super) fn desire(&self, state: &mut State, number: usize, then: At) -> Doing {
        if self.has(Without::EpochCheckInLog) && !is_holder(state, number) {
            return refused(state, number);
        }
        let node = &mut state.nodes[number];
        state.log.desired = Flags { to: node.step.receiving() as u8, epoch: node.epoch };
        node.at = then;
        Doing::Done
    }

    pub(super) fn write_flags(&self, state: &mut State, number: usize) -> Doing {
        let node = state.nodes[number];
        if state.redis.epoch > node.epoch {
            if self.has(Without::EpochCheckInRedis) {
                return refused(state, number);
            }
            state.ghost.epoch_fell = true;
        }
        state.redis = Flags { to: node.step.receiving() as u8, epoch: node.epoch };
        state.nodes[number].at = if node.locked { At::Release } else { At::Journal };
        Doing::Done
    }

    /// The end of a rollback: nothing of the org stays in the store that it left, and no client may write there.
    pub(super) fn discard(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(NEW) {
            return Doing::Waits;
        }
        if state.stores[NEW].mode != Mode::Moved || !self.is_current(state, number, NEW) {
            return refused(state, number);
        }
        self.remove_copy(state);
        let epoch = state.nodes[number].epoch;
        state.set_guard(NEW, Mode::Moved, epoch);
        state.nodes[number].at = At::Journal;
        Doing::Done
    }

    pub(super) fn remove_copy(&self, state: &mut State) {
        let store = &mut state.stores[NEW];
        store.rows = [ABSENT; KEYS];
        store.log = 0;
        if self.has(Without::CursorGoesWithRows) {
            store.ranges = 0;
        }
    }
}

/// Acquired at once if it is free.
pub(super) fn take_exclusive(state: &mut State, number: usize, store: usize) -> bool {
    let free = state.stores[store].exclusive == NOBODY && !state.writers_in(store).any(|writer| writer.shared);
    if free {
        state.stores[store].exclusive = number as u8;
    }
    free
}
