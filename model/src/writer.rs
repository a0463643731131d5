//! The clients that write, and the trigger that runs in their statements.
//!
//! The trigger runs after the rows are written and locked, as triggers with transition tables do.

use crate::action::{Action, Doing, WriterDoes};
use crate::model::Cutover;
use crate::mutations::Without;
use crate::participants::Writing;
use crate::setting::{Isolation, Txn, Write};
use crate::state::{ABSENT, Mode, NOBODY, Row, State, Writes};

impl Cutover {
    fn txn(&self, state: &State, writer: usize) -> Option<&'static Txn> {
        self.setting.writers[writer].get(usize::from(state.writers[writer].txn))
    }

    pub(crate) fn writer_actions(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let Some(txn) = self.txn(state, number) else { return };
        let writer = &state.writers[number];
        let mut push = |does| actions.push(Action::Writer(number as u8, does));
        let all_passed = usize::from(writer.statement) == txn.writes.len();
        match writer.at {
            Writing::Idle => {
                if writer.route != state.redis.to {
                    push(WriterDoes::ReadFlags);
                }
                push(match txn.isolation {
                    Isolation::ReadCommitted => WriterDoes::Statement,
                    Isolation::RepeatableRead => WriterDoes::TakeSnapshot,
                });
            }
            Writing::Snapshot => push(WriterDoes::Statement),
            Writing::Written | Writing::Guarded => push(WriterDoes::Trigger),
            Writing::Passed if all_passed => push(WriterDoes::Commit),
            Writing::Passed => push(WriterDoes::Statement),
        }
        if writer.has_table_lock() {
            push(WriterDoes::GiveUp);
        }
    }

    pub(crate) fn write(&self, state: &mut State, number: usize, does: WriterDoes) -> Doing {
        let Some(txn) = self.txn(state, number) else { return Doing::Waits };
        match does {
            WriterDoes::ReadFlags => state.writers[number].route = state.redis.to,
            WriterDoes::TakeSnapshot => self.take_snapshot(state, number),
            WriterDoes::Statement => {
                if self.row_is_locked(state, number, txn.writes[usize::from(state.writers[number].statement)].key()) {
                    return Doing::Waits;
                }
                state.writers[number].at = Writing::Written;
            }
            WriterDoes::Trigger => return self.trigger(state, number, txn),
            WriterDoes::Commit => self.commit(state, number, txn),
            WriterDoes::GiveUp => end(state, number),
        }
        Doing::Done
    }

    fn take_snapshot(&self, state: &mut State, number: usize) {
        let mode = state.stores[usize::from(state.writers[number].route)].mode;
        let writer = &mut state.writers[number];
        writer.at = Writing::Snapshot;
        writer.keeps_snapshot = true;
        writer.snapshot_mode = mode;
    }

    /// Whether another open transaction has written this key in the same store.
    fn row_is_locked(&self, state: &State, number: usize, key: usize) -> bool {
        let (writer, other) = (&state.writers[number], &state.writers[1 - number]);
        let Some(txn) = self.txn(state, 1 - number) else { return false };
        let written =
            usize::from(other.statement) + usize::from(matches!(other.at, Writing::Written | Writing::Guarded));
        other.has_table_lock()
            && other.route == writer.route
            && txn.writes[..written.min(txn.writes.len())].iter().any(|write| write.key() == key)
    }

    fn trigger(&self, state: &mut State, number: usize, txn: &Txn) -> Doing {
        let writer = &state.writers[number];
        let store = &state.stores[usize::from(writer.route)];
        if writer.at == Writing::Written && !store.watched {
            // The condition is false. An org that is not watched in the new store was written there although no flag ever
            // routed it.
            let astray = matches!(store.mode, Mode::Unknown | Mode::Incoming | Mode::Discarded);
            self.obey(state, number, Mode::Settled);
            state.writers[number].astray |= astray;
            return Doing::Done;
        }
        match txn.isolation {
            Isolation::ReadCommitted => self.trigger_read_committed(state, number),
            Isolation::RepeatableRead => self.trigger_with_snapshot(state, number),
        }
    }

    /// First reads the mode without any lock. Only if the org is capturing: takes the lock, and reads again, in a new snapshot.
    fn trigger_read_committed(&self, state: &mut State, number: usize) -> Doing {
        let store = usize::from(state.writers[number].route);
        let mode = state.stores[store].mode;
        if state.writers[number].at == Writing::Written {
            if mode == Mode::Capturing {
                state.writers[number].at = Writing::Guarded;
            } else {
                self.obey(state, number, mode);
            }
            return Doing::Done;
        }
        if !state.writers[number].shared {
            return take_shared(state, number);
        }
        self.obey(state, number, if self.has(Without::RereadAfterLock) { mode } else { Mode::Capturing });
        Doing::Done
    }

    /// A kept snapshot cannot see whether the guard row changed; locking the row can. If the org is settled in the snapshot,
    /// that is all: the row lock alone keeps the mode as it is.
    fn trigger_with_snapshot(&self, state: &mut State, number: usize) -> Doing {
        let store = usize::from(state.writers[number].route);
        let guard = &state.stores[store];
        let mode = state.writers[number].snapshot_mode;
        let moves = !matches!(mode, Mode::Unknown | Mode::Settled);
        if moves && !state.writers[number].shared {
            return take_shared(state, number);
        }
        if !self.has(Without::ForShareForSnapshots) {
            self.obey(state, number, mode);
            return Doing::Done;
        }
        if guard.guard_locked != NOBODY {
            return Doing::Waits;
        }
        if state.writers[number].stale {
            // 40001, could not serialize access
            end(state, number);
            return Doing::Done;
        }
        let mode = guard.mode;
        state.writers[number].guard_shared = true;
        self.obey(state, number, mode);
        Doing::Done
    }

    fn obey(&self, state: &mut State, number: usize, mode: Mode) {
        let passes = match mode {
            Mode::Unknown | Mode::Settled | Mode::Capturing => true,
            Mode::Incoming => !self.has(Without::IncomingRefusesWriters),
            Mode::Moved | Mode::Discarded => false,
        };
        if !passes {
            // MV001 and MV002 name the other store; the writer may also read the flags again.
            let other = 1 - state.writers[number].route;
            end(state, number);
            state.writers[number].route = other;
            return;
        }
        let (txn, statement) = (state.writers[number].txn, state.writers[number].statement);
        if mode == Mode::Capturing && self.has(Without::LogWhileCapturing) {
            state.writers[number].logged |= 1 << self.write_id(number, txn, statement);
        }
        state.writers[number].astray |= mode == Mode::Unknown;
        state.writers[number].at = Writing::Passed;
        state.writers[number].statement += 1;
    }

    fn commit(&self, state: &mut State, number: usize, txn: &Txn) {
        let writer = state.writers[number];
        let store = usize::from(writer.route);
        // A write to a store that no flag routed to, before Mover was there, cannot be checked: it is not tracked.
        let follows = !writer.astray;
        state.ghost.foreign_write |= follows && store != state.owner();
        for (statement, write) in txn.writes.iter().enumerate() {
            let row = match *write {
                Write::Put(_) => row_of(self.write_id(number, writer.txn, statement as u8)),
                Write::Delete(_) => ABSENT,
            };
            state.stores[store].rows[write.key()] = row;
            if follows {
                state.ghost.expected[write.key()] = row;
            }
        }
        state.stores[store].log |= writer.logged;
        end(state, number);
        state.writers[number].txn += 1;
    }

    /// The entries that name one of these keys.
    pub(crate) fn entries_of(&self, keys: u8) -> Writes {
        let named = self.writes().enumerate().filter(|(_, write)| keys & (1 << write.key()) != 0);
        named.fold(0, |entries, (id, _)| entries | 1 << id)
    }

    /// The keys that these entries name, one bit each.
    pub(crate) fn keys_of(&self, entries: Writes) -> u8 {
        let named = self.writes().enumerate().filter(|(id, _)| entries & (1 << id) != 0);
        named.fold(0, |keys, (_, write)| keys | 1 << write.key())
    }
}

/// The advisory lock, until the end of the transaction.
fn take_shared(state: &mut State, number: usize) -> Doing {
    let writer = &mut state.writers[number];
    if state.stores[usize::from(writer.route)].exclusive != NOBODY {
        return Doing::Waits;
    }
    writer.shared = true;
    Doing::Done
}

fn row_of(write: u8) -> Row {
    write + 2
}

fn end(state: &mut State, number: usize) {
    state.writers[number].end();
    for node in &mut state.nodes {
        node.awaited &= !(1 << number);
    }
}
