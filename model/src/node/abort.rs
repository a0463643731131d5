//! Step `abort`, in both directions.

use super::refused;
use super::round::Entered;
use super::switch::take_exclusive;
use crate::action::Doing;
use crate::model::{Cutover, is_holder};
use crate::mutations::Without;
use crate::operator::release_lock;
use crate::participants::At;
use crate::state::{Mode, NEW, OLD, State, Step};

impl Cutover {
    /// Requests of the step may still be on their way, so it is given up under an epoch under which nothing was sent. The
    /// stores say whether a switch may be given up. A step past the point of no return is retried.
    pub(super) fn renew(&self, state: &mut State, number: usize) -> Doing {
        let step = state.nodes[number].step;
        let is_forward = matches!(step, Step::Abort | Step::BackAbort | Step::Discard | Step::Close | Step::Purge);
        if is_forward || !is_holder(state, number) {
            return self.journal_failure(state, number);
        }
        if self.has(Without::GiveUpRenews) {
            state.log.epoch += 1;
            state.nodes[number].epoch = state.log.epoch;
        }
        let is_switch = matches!(step, Step::Switch | Step::BackSwitch);
        state.nodes[number].at = if is_switch { At::RevokeReceiving } else { At::GivenUp };
        Doing::Done
    }

    pub(super) fn revoke_receiving(&self, state: &mut State, number: usize) -> Doing {
        let receiving = state.nodes[number].step.receiving();
        if state.guard_is_held(receiving) {
            return Doing::Waits;
        }
        let (mode, epoch) = (state.stores[receiving].mode, state.nodes[number].epoch);
        if mode != Mode::Unknown && state.stores[receiving].epoch < epoch {
            state.set_guard(receiving, mode, epoch);
        }
        state.nodes[number].at = At::RevokeLeaving;
        Doing::Done
    }

    pub(super) fn revoke_leaving(&self, state: &mut State, number: usize) -> Doing {
        let leaving = state.nodes[number].step.leaving();
        if state.guard_is_held(leaving) {
            return Doing::Waits;
        }
        if !self.is_current(state, number, leaving) {
            return refused(state, number);
        }
        let (mode, epoch) = (state.stores[leaving].mode, state.nodes[number].epoch);
        if !state.nodes[number].step.is_back() || self.has(Without::BackAbortStamps) {
            state.set_guard(leaving, mode, epoch);
        }
        let too_late = mode == Mode::Moved && self.has(Without::AbortChecksMoved);
        state.nodes[number].at = if too_late { At::GoForward } else { At::GivenUp };
        Doing::Done
    }

    /// The exclusive lock, to let writes pass again without a log: no writer has pending entries then.
    pub(super) fn open_lock(&self, state: &mut State, number: usize, measure: Without) -> Doing {
        let leaving = state.nodes[number].step.leaving();
        if self.has(measure) && !take_exclusive(state, number, leaving) {
            return Doing::Waits;
        }
        state.nodes[number].locked = self.has(measure);
        state.nodes[number].at = At::Locked;
        Doing::Done
    }

    /// An action on the session with the lock cannot run once the session is lost: the lock must be taken again.
    pub(super) fn asks_again(&self, state: &mut State, number: usize) -> bool {
        let leaving = state.nodes[number].step.leaving();
        let lost = state.nodes[number].locked && usize::from(state.stores[leaving].exclusive) != number;
        if lost {
            state.nodes[number].locked = false;
            state.nodes[number].at = At::Begin;
        }
        lost
    }

    /// One transaction on the session with the lock, which is then released.
    pub(super) fn abort_settle(&self, state: &mut State, number: usize) -> Doing {
        if self.asks_again(state, number) {
            return Doing::Done;
        }
        if state.guard_is_held(OLD) {
            return Doing::Waits;
        }
        if !self.is_current(state, number, OLD) {
            return refused(state, number);
        }
        if state.stores[OLD].mode == Mode::Moved && self.has(Without::AbortChecksMoved) {
            state.nodes[number].at = At::GoForward;
        } else {
            let epoch = state.nodes[number].epoch;
            state.set_guard(OLD, Mode::Settled, epoch);
            state.stores[OLD].log = 0;
            state.nodes[number].at = At::DiscardReceiving;
        }
        release_lock(state, number);
        state.nodes[number].locked = false;
        Doing::Done
    }

    /// The row stays, or is created: it refuses stale nodes that have not copied yet.
    pub(super) fn abort_discard(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(NEW) {
            return Doing::Waits;
        }
        let mode = state.stores[NEW].mode;
        let may = matches!(mode, Mode::Unknown | Mode::Incoming | Mode::Discarded | Mode::Moved);
        if !may || !self.is_current(state, number, NEW) {
            return refused(state, number);
        }
        if mode != Mode::Unknown {
            self.remove_copy(state);
        }
        if mode != Mode::Unknown || self.has(Without::AbortLeavesDiscarded) {
            let epoch = state.nodes[number].epoch;
            state.set_guard(NEW, Mode::Discarded, epoch);
            state.stores[NEW].watched = true;
        }
        state.nodes[number].at = At::Journal;
        Doing::Done
    }

    /// A rollback has changed nothing that must be undone; but a stale node must not be able to finish it any more.
    pub(super) fn back_abort(&self, state: &mut State, number: usize) -> Doing {
        if !self.has(Without::BackAbortStamps) {
            let moved = state.stores[NEW].mode == Mode::Moved;
            state.nodes[number].at = if moved { At::GoForward } else { At::Journal };
            return Doing::Done;
        }
        match self.enter_leaving(state, number) {
            Entered::Waits => return Doing::Waits,
            Entered::Refused => return refused(state, number),
            Entered::HasMoved => state.nodes[number].at = At::GoForward,
            Entered::Stamped | Entered::AsItWas => state.nodes[number].at = At::Journal,
        }
        Doing::Done
    }
}
