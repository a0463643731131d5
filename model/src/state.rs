//! The state of the world at one moment.

use crate::participants::{Node, Writer, Writing};
use crate::setting::{Budget, KEYS, Setting};

pub(crate) const OLD: usize = 0;
pub(crate) const NEW: usize = 1;
pub(crate) const NOBODY: u8 = u8::MAX;
/// Holds an exclusive lock: a session that its node has given up, with a `moved` on its way to it.
pub(crate) const LATE: u8 = 2;

/// A row: absent, in its initial state, or the id of the write that made it.
pub(crate) type Row = u8;
pub(crate) const ABSENT: Row = 0;
pub(crate) const INITIAL: Row = 1;
pub(crate) const WRONG: Row = u8::MAX;
pub(crate) type Rows = [Row; KEYS];

/// Writes by their id, one bit each.
pub(crate) type Writes = u16;

/// Mode of an org's guard row in one store. `Unknown`: there is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Unknown,
    Settled,
    Capturing,
    Moved,
    Incoming,
    Discarded,
}

/// One Postgres store, as far as the org is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) mode: Mode,
    pub(crate) epoch: u8,
    /// Committed rows.
    pub(crate) rows: Rows,
    /// Committed entries of the change log, by the write that left them.
    pub(crate) log: Writes,
    /// The node whose session holds the exclusive advisory lock. Shared holders are found in the writers.
    pub(crate) exclusive: u8,
    /// The node whose open transaction has the guard row locked FOR UPDATE.
    pub(crate) guard_locked: u8,
    /// The durable cursor: ranges that are copied here.
    pub(crate) ranges: u8,
    /// The bit that makes triggers read the mode of the org. Its last value is visible to all at once.
    pub(crate) watched: bool,
}

/// Where the flags route the org, and with which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    pub(crate) to: u8,
    pub(crate) epoch: u8,
}

/// Steps as the move log stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Capture,
    Copy,
    Verify,
    Switch,
    Abort,
    BackVerify,
    BackSwitch,
    BackAbort,
    Discard,
    Close,
    Purge,
}

impl Step {
    /// Steps whose leaving store is the new one.
    pub(crate) fn is_back(self) -> bool {
        matches!(self, Step::BackVerify | Step::BackSwitch | Step::BackAbort | Step::Discard | Step::Close)
    }

    pub(crate) fn leaving(self) -> usize {
        if self.is_back() { NEW } else { OLD }
    }

    pub(crate) fn receiving(self) -> usize {
        if self.is_back() { OLD } else { NEW }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Running(Step),
    Migrated,
    Failed,
    RolledBack,
    Finalized,
}

/// The org's row in the move log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MoveLog {
    pub(crate) stage: Stage,
    pub(crate) epoch: u8,
    pub(crate) holder: u8,
    pub(crate) desired: Flags,
}

/// History that the checker records. In a correct protocol, only `expected` ever changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// The rows that result from the acknowledged writes.
    pub(crate) expected: Rows,
    /// The stores differed, or changes were pending, when `moved` was committed.
    pub(crate) unequal_at_switch: bool,
    /// A write was acknowledged by the store in which the org did not live.
    pub(crate) foreign_write: bool,
    /// A lower epoch replaced a higher one.
    pub(crate) epoch_fell: bool,
    /// The rightful owner was refused, or found a mismatch, though nothing had gone wrong.
    pub(crate) false_alarm: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) stores: [Store; 2],
    pub(crate) redis: Flags,
    pub(crate) log: MoveLog,
    pub(crate) nodes: [Node; 2],
    pub(crate) writers: [Writer; 2],
    /// The epoch with which the `moved` was sent that is still on its way; 0: there is none. The store is the one that `LATE`
    /// has locked.
    pub(crate) late: u8,
    pub(crate) left: Budget,
    pub(crate) ghost: Ghost,
}

impl State {
    pub(crate) fn first(setting: &Setting) -> Self {
        let rows = if setting.unique { [INITIAL, ABSENT] } else { [INITIAL; KEYS] };
        let store = |mode, rows| Store {
            mode,
            epoch: 0,
            rows,
            log: 0,
            exclusive: NOBODY,
            guard_locked: NOBODY,
            ranges: 0,
            watched: false,
        };
        let flags = Flags { to: OLD as u8, epoch: 0 };
        State {
            stores: [store(Mode::Settled, rows), store(Mode::Unknown, [ABSENT; KEYS])],
            redis: flags,
            log: MoveLog { stage: Stage::Running(Step::Capture), epoch: 0, holder: NOBODY, desired: flags },
            nodes: [Node::IDLE; 2],
            writers: [Writer::new(), Writer { route: if setting.astray { NEW } else { OLD } as u8, ..Writer::new() }],
            late: 0,
            left: setting.budget,
            ghost: Ghost {
                expected: rows,
                unequal_at_switch: false,
                foreign_write: false,
                epoch_fell: false,
                false_alarm: false,
            },
        }
    }

    /// The store in which the org lives.
    pub(crate) fn owner(&self) -> usize {
        match (self.stores[OLD].mode, self.stores[NEW].mode) {
            // Half way back: the point of no return is passed, and the source not open yet.
            (Mode::Moved, Mode::Moved) => OLD,
            (Mode::Moved, _) => NEW,
            _ => OLD,
        }
    }

    /// Writers with an open transaction in `store`.
    pub(crate) fn writers_in(&self, store: usize) -> impl Iterator<Item = &Writer> {
        self.writers.iter().filter(move |writer| writer.at != Writing::Idle && usize::from(writer.route) == store)
    }

    /// Whether an update of the guard row, or a lock on it, must wait.
    pub(crate) fn guard_is_held(&self, store: usize) -> bool {
        self.stores[store].guard_locked != NOBODY || self.writers_in(store).any(|writer| writer.guard_shared)
    }

    /// Commits a change of the guard row.
    pub(crate) fn set_guard(&mut self, store: usize, mode: Mode, epoch: u8) {
        let guard = &mut self.stores[store];
        self.ghost.epoch_fell |= epoch < guard.epoch;
        (guard.mode, guard.epoch) = (mode, epoch);
        for writer in &mut self.writers {
            if writer.keeps_snapshot && usize::from(writer.route) == store {
                writer.stale = true;
            }
        }
    }
}
