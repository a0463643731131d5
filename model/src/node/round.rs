//! The one primitive of catch-up, and the tally of `verify`.

use super::{receiving_mode, refused};
use crate::action::Doing;
use crate::model::{Cutover, is_holder};
use crate::mutations::Without;
use crate::participants::At;
use crate::setting::KEYS;
use crate::state::{Mode, NOBODY, State, Step};

/// The result of checking the leaving guard row.
pub(super) enum Entered {
    Waits,
    Refused,
    HasMoved,
    Stamped,
    AsItWas,
}

impl Cutover {
    /// The leaving guard row gets our epoch, unless it has it: from here on an overtaken node cannot commit `moved`.
    pub(super) fn enter_leaving(&self, state: &mut State, number: usize) -> Entered {
        let (node, leaving) = (state.nodes[number], state.nodes[number].step.leaving());
        let Mode::Capturing = state.stores[leaving].mode else {
            let moved = state.stores[leaving].mode == Mode::Moved;
            return if moved && self.is_current(state, number, leaving) { Entered::HasMoved } else { Entered::Refused };
        };
        if !self.is_current(state, number, leaving) {
            return Entered::Refused;
        }
        if state.stores[leaving].epoch == node.epoch || !self.has(Without::StampOnTakeOver) {
            return Entered::AsItWas;
        }
        if state.guard_is_held(leaving) {
            return Entered::Waits;
        }
        state.set_guard(leaving, Mode::Capturing, node.epoch);
        Entered::Stamped
    }

    pub(super) fn verify_begin(&self, state: &mut State, number: usize) -> Doing {
        match self.enter_leaving(state, number) {
            Entered::Waits => Doing::Waits,
            Entered::Refused | Entered::HasMoved => refused(state, number),
            Entered::AsItWas => self.round_begin(state, number),
            Entered::Stamped => {
                state.nodes[number].at = At::RoundBegin;
                Doing::Done
            }
        }
    }

    /// BEGIN on the receiving store, and its guard row FOR UPDATE: from here on rounds of this org run one by one.
    pub(super) fn round_begin(&self, state: &mut State, number: usize) -> Doing {
        if !self.has(Without::GuardLockBeforeSnapshot) {
            return super::read_leaving(state, number, At::RoundLockLate);
        }
        self.lock_receiving(state, number, At::RoundRead)
    }

    pub(super) fn round_lock_late(&self, state: &mut State, number: usize) -> Doing {
        self.lock_receiving(state, number, At::RoundApply)
    }

    fn lock_receiving(&self, state: &mut State, number: usize, then: At) -> Doing {
        let step = state.nodes[number].step;
        let receiving = step.receiving();
        if state.guard_is_held(receiving) {
            return Doing::Waits;
        }
        if state.stores[receiving].mode != receiving_mode(step) || !self.is_current(state, number, receiving) {
            return refused(state, number);
        }
        state.stores[receiving].guard_locked = number as u8;
        state.nodes[number].at = then;
        Doing::Done
    }

    /// The commit on the receiving store: the rows of the snapshot, and our epoch.
    pub(super) fn round_apply(&self, state: &mut State, number: usize) -> Doing {
        let node = state.nodes[number];
        let receiving = node.step.receiving();
        if !self.apply_seen(state, number, receiving) {
            return refused(state, number);
        }
        state.stores[receiving].guard_locked = NOBODY;
        if state.stores[receiving].epoch != node.epoch {
            let mode = state.stores[receiving].mode;
            state.set_guard(receiving, mode, node.epoch);
        }
        if node.seen == 0 {
            self.after_round(state, number, true);
        } else {
            state.nodes[number].at = At::RoundForget;
        }
        Doing::Done
    }

    pub(super) fn round_forget(&self, state: &mut State, number: usize) -> Doing {
        let leaving = state.nodes[number].step.leaving();
        self.forget_seen(state, number, leaving);
        self.after_round(state, number, false);
        Doing::Done
    }

    fn after_round(&self, state: &mut State, number: usize, nothing_left: bool) {
        let node = &mut state.nodes[number];
        node.forget_snapshot();
        node.at = match node.step {
            Step::Verify | Step::BackVerify if self.has(Without::TallyOfAll) => At::TallyLeaving,
            Step::Verify | Step::BackVerify => At::Journal,
            _ if !node.locked => At::Lock,
            _ if nothing_left => At::CommitMoved,
            _ => At::Locked,
        };
    }

    /// Applies all keys of the snapshot's entries in one transaction; returns whether the constraints accept them.
    pub(super) fn apply_seen(&self, state: &mut State, number: usize, receiving: usize) -> bool {
        let node = state.nodes[number];
        let mut keys = self.keys_of(node.seen);
        if !self.has(Without::EntriesInOneGo) {
            keys &= keys.wrapping_neg();
            state.nodes[number].seen &= self.entries_of(keys);
        }
        let mut rows = state.stores[receiving].rows;
        for key in (0..KEYS).filter(|key| keys & (1 << key) != 0) {
            rows[key] = node.rows[key];
        }
        keys == 0 || self.put(state, number, receiving, rows)
    }

    pub(super) fn forget_seen(&self, state: &mut State, number: usize, leaving: usize) {
        let seen = state.nodes[number].seen;
        state.stores[leaving].log &= if self.has(Without::ForgetOnlyVisibleEntries) { !seen } else { 0 };
        state.nodes[number].seen = 0;
    }

    /// Compares both sides without the rows whose changes were not carried over yet in the snapshot.
    pub(super) fn tally(&self, state: &mut State, number: usize) -> Doing {
        let node = state.nodes[number];
        let pending = self.keys_of(node.seen);
        let receiving = &state.stores[node.step.receiving()];
        let differ = (0..KEYS).any(|key| pending & (1 << key) == 0 && receiving.rows[key] != node.rows[key]);
        if differ {
            let was_wrong = state.left.faults != self.setting.budget.faults || self.setting.astray;
            state.ghost.false_alarm |= is_holder(state, number) && !was_wrong;
            super::fail(state, number);
            return Doing::Done;
        }
        state.nodes[number].forget_snapshot();
        state.nodes[number].at = At::Journal;
        Doing::Done
    }
}
