//! Steps `capture` and `copy`.

use super::{read_leaving, refused};
use crate::action::Doing;
use crate::model::Cutover;
use crate::mutations::Without;
use crate::participants::At;
use crate::setting::KEYS;
use crate::state::{ABSENT, Mode, NEW, NOBODY, OLD, Rows, State, Step, WRONG};

impl Cutover {
    pub(super) fn capture(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(OLD) {
            return Doing::Waits;
        }
        let may = matches!(state.stores[OLD].mode, Mode::Unknown | Mode::Settled | Mode::Capturing);
        if !may || !self.is_current(state, number, OLD) {
            return refused(state, number);
        }
        if !self.has(Without::WatchAfterCommit) && !state.nodes[number].resumes {
            state.nodes[number].resumes = true;
            state.stores[OLD].watched = true;
            return Doing::Done;
        }
        let epoch = state.nodes[number].epoch;
        state.set_guard(OLD, Mode::Capturing, epoch);
        state.nodes[number].at = match (self.has(Without::WatchAfterCommit), self.has(Without::WatchBeforeWaiting)) {
            (true, true) => At::Watch,
            _ => self.after_watch(state, number),
        };
        Doing::Done
    }

    /// Makes the triggers watch the org, in the store whose guard row has just changed.
    pub(super) fn watch(&self, state: &mut State, number: usize) -> Doing {
        state.stores[changed(state, number)].watched = true;
        let has_waited = !self.has(Without::WatchBeforeWaiting) && state.nodes[number].step == Step::Capture;
        state.nodes[number].at = if has_waited { At::Journal } else { self.after_watch(state, number) };
        Doing::Done
    }

    /// Then waits for writers that read the guard row before it changed, or did not read it.
    fn after_watch(&self, state: &State, number: usize) -> At {
        let barrier = if changed(state, number) == OLD { Without::Barrier } else { Without::BarrierOnReceiving };
        if self.has(barrier) { At::ListWriters } else { At::Journal }
    }

    /// Lists the transactions that hold a writer's lock on the table, in the store whose guard row has just changed.
    pub(super) fn list_writers(&self, state: &mut State, number: usize) -> Doing {
        let changed = changed(state, number);
        let open = state.writers.iter().enumerate();
        let open = open.filter(|(_, writer)| writer.has_table_lock() && usize::from(writer.route) == changed);
        state.nodes[number].awaited = open.fold(0, |open, (writer, _)| open | 1 << writer);
        state.nodes[number].at = At::AwaitWriters;
        Doing::Done
    }

    pub(super) fn await_writers(&self, state: &mut State, number: usize) -> Doing {
        if state.nodes[number].awaited != 0 {
            return Doing::Waits;
        }
        let watches_late = !self.has(Without::WatchBeforeWaiting) && changed(state, number) == OLD;
        state.nodes[number].at = if watches_late { At::Watch } else { At::Journal };
        Doing::Done
    }

    /// The receiving guard row comes first: stale nodes are refused before our snapshot is taken.
    pub(super) fn copy_begin(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(NEW) {
            return Doing::Waits;
        }
        // A rollback left `Moved`, and the org is tried again.
        let may = matches!(state.stores[NEW].mode, Mode::Unknown | Mode::Incoming | Mode::Discarded | Mode::Moved);
        if !may || !self.is_current(state, number, NEW) {
            return refused(state, number);
        }
        if self.setting.ranges {
            if self.has_foreign_rows(state) {
                super::fail(state, number);
                return Doing::Done;
            }
            let epoch = state.nodes[number].epoch;
            state.set_guard(NEW, Mode::Incoming, epoch);
            state.nodes[number].resumes = state.stores[NEW].ranges != 0;
            state.nodes[number].at = At::RangesRead;
        } else {
            // The transaction stays open until the rows are written.
            state.stores[NEW].guard_locked = number as u8;
            state.nodes[number].at = At::CopyRead;
        }
        Doing::Done
    }

    pub(super) fn copy_apply(&self, state: &mut State, number: usize) -> Doing {
        let node = state.nodes[number];
        if self.has_foreign_rows(state) {
            super::fail(state, number);
            return Doing::Done;
        }
        if !self.put(state, number, NEW, node.rows) {
            return refused(state, number);
        }
        state.stores[NEW].guard_locked = NOBODY;
        state.set_guard(NEW, Mode::Incoming, node.epoch);
        state.nodes[number].forget_snapshot();
        state.nodes[number].at = At::Watch;
        Doing::Done
    }

    pub(super) fn ranges_read(&self, state: &mut State, number: usize) -> Doing {
        let catches_up = state.nodes[number].resumes && self.has(Without::ResumeCatchesUp);
        let doing = read_leaving(state, number, if catches_up { At::RangesCatchUp } else { At::RangesApply });
        if !catches_up {
            state.nodes[number].seen = 0;
        }
        doing
    }

    /// Every transaction on the receiving store checks the guard row itself.
    fn may_fill(&self, state: &State, number: usize) -> bool {
        state.stores[NEW].mode == Mode::Incoming && self.is_current(state, number, NEW)
    }

    pub(super) fn ranges_catch_up(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(NEW) {
            return Doing::Waits;
        }
        if !self.may_fill(state, number) {
            return refused(state, number);
        }
        if !self.apply_seen(state, number, NEW) {
            return refused(state, number);
        }
        state.nodes[number].at = At::RangesForget;
        Doing::Done
    }

    pub(super) fn ranges_forget(&self, state: &mut State, number: usize) -> Doing {
        self.forget_seen(state, number, OLD);
        state.nodes[number].at = At::RangesApply;
        Doing::Done
    }

    /// Copies the next missing range, from the one snapshot.
    pub(super) fn range_apply(&self, state: &mut State, number: usize) -> Doing {
        if state.guard_is_held(NEW) {
            return Doing::Waits;
        }
        if !self.may_fill(state, number) {
            return refused(state, number);
        }
        let store = &state.stores[NEW];
        if let Some(range) = (0..KEYS).find(|range| store.ranges & (1 << range) == 0) {
            let occupied = store.rows[range] != ABSENT;
            let mut rows = store.rows;
            rows[range] = state.nodes[number].rows[range];
            if occupied && !self.has(Without::RangeDeletesFirst) || !self.put(state, number, NEW, rows) {
                return refused(state, number);
            }
            state.stores[NEW].ranges |= 1 << range;
        }
        if state.stores[NEW].ranges.count_ones() as usize == KEYS {
            state.nodes[number].forget_snapshot();
            state.nodes[number].resumes = false;
            state.nodes[number].at = At::Watch;
        }
        Doing::Done
    }

    /// Mover must not replace rows that existed before.
    fn has_foreign_rows(&self, state: &State) -> bool {
        state.stores[NEW].mode == Mode::Unknown && state.stores[NEW].rows != [ABSENT; KEYS]
    }

    /// Whether the constraints of the store accept these rows.
    pub(super) fn put(&self, state: &mut State, number: usize, store: usize, rows: Rows) -> bool {
        if self.setting.unique && rows.iter().all(|row| *row != ABSENT) {
            return false;
        }
        state.ghost.epoch_fell |= state.stores[store].epoch > state.nodes[number].epoch;
        state.stores[store].rows = rows;
        true
    }

    /// Writes a wrong row: by a bug in Mover, or by a trigger of the application.
    pub(super) fn wrongly(&self, state: &mut State, number: usize) -> Doing {
        let node = state.nodes[number];
        let key = match node.at {
            At::RoundApply | At::RangesCatchUp => self.keys_of(node.seen).trailing_zeros() as usize,
            At::RangesApply => (!state.stores[NEW].ranges).trailing_zeros() as usize,
            _ => 0,
        };
        if key >= KEYS {
            return Doing::Waits;
        }
        let changes = matches!(node.at, At::RoundApply | At::RangesCatchUp);
        if changes && self.has(Without::VerifyOfChanges) {
            // The comparison inside the transaction detects it: nothing is committed.
            super::fail(state, number);
            return Doing::Done;
        }
        state.nodes[number].rows[key] = WRONG;
        self.next(state, number)
    }
}

/// The store whose guard row the step has changed.
fn changed(state: &State, number: usize) -> usize {
    if state.nodes[number].step == Step::Capture { OLD } else { NEW }
}
