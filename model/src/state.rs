//! What the world remembers at one moment.

use crate::setting::{Budget, KEYS, Setting};

pub(crate) const OLD: usize = 0;
pub(crate) const NEW: usize = 1;
pub(crate) const NOBODY: u8 = u8::MAX;

/// A row: absent, as it was in the beginning, or the id of the write that made it.
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

/// Where a node stands inside its step: what it will do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Idle,
    /// The first effect of the step.
    Begin,
    ListWriters,
    AwaitWriters,
    CopyRead,
    CopyApply,
    RangesRead,
    RangesCatchUp,
    RangesForget,
    RangesApply,
    RoundBegin,
    RoundRead,
    /// Only where the order of the two is wrong.
    RoundLockLate,
    RoundApply,
    RoundForget,
    TallyLeaving,
    TallyReceiving,
    Lock,
    Locked,
    CommitMoved,
    /// Only where the order of the two is wrong.
    CommitMovedLate,
    Accept,
    Desire,
    WriteFlags,
    Release,
    DiscardReceiving,
    /// An abort found that it comes too late.
    GoForward,
    /// The step failed and its connections are closed; next: store that.
    Failing,
    /// Everything is done; next: store it.
    Journal,
}

/// A worker. Everything here is lost when it crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) step: Step,
    pub(crate) epoch: u8,
    /// It believes that it holds the exclusive lock.
    pub(crate) locked: bool,
    /// A copy in ranges goes on from where another one ended.
    pub(crate) resumes: bool,
    /// Rows as a snapshot showed them.
    pub(crate) rows: Rows,
    /// Log entries that were visible in that snapshot.
    pub(crate) seen: Writes,
    /// Writers that the barrier still waits for.
    pub(crate) awaited: u8,
}

impl Node {
    pub(crate) const IDLE: Node = Node {
        at: At::Idle,
        step: Step::Capture,
        epoch: 0,
        locked: false,
        resumes: false,
        rows: [ABSENT; KEYS],
        seen: 0,
        awaited: 0,
    };

    pub(crate) fn forget_snapshot(&mut self) {
        self.rows = [ABSENT; KEYS];
        self.seen = 0;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Writing {
    /// Between transactions. What it knows of the flags may be old.
    Idle,
    /// A snapshot is taken and nothing written yet.
    Snapshot,
    /// The statement wrote its row, uncommitted; its trigger has not looked at the guard yet.
    Written,
    /// The trigger saw `capturing`: it takes the shared lock and reads the mode again.
    Guarded,
    /// The statement is through.
    Passed,
}

/// A client that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) at: Writing,
    /// The store it believes the org to be in.
    pub(crate) route: u8,
    /// Which of its transactions it is at.
    pub(crate) txn: u8,
    /// Which statement of it.
    pub(crate) statement: u8,
    /// It holds the advisory lock, shared.
    pub(crate) shared: bool,
    /// It holds the guard row FOR SHARE.
    pub(crate) guard_shared: bool,
    /// Its transaction keeps one snapshot, which is taken.
    pub(crate) keeps_snapshot: bool,
    /// The guard row changed since its snapshot.
    pub(crate) stale: bool,
    /// The mode in its snapshot; kept only where it is looked at.
    pub(crate) snapshot_mode: Mode,
    /// It writes in the new store before anything is known of the org there.
    pub(crate) astray: bool,
    /// Its uncommitted entries in the change log.
    pub(crate) logged: Writes,
}

impl Writer {
    /// It holds ROW EXCLUSIVE on the table, which the barrier waits for.
    pub(crate) fn has_table_lock(&self) -> bool {
        !matches!(self.at, Writing::Idle | Writing::Snapshot)
    }

    pub(crate) fn end(&mut self) {
        let (route, txn) = (self.route, self.txn);
        *self = Writer { route, txn, ..Writer::new() };
    }

    pub(crate) fn new() -> Self {
        Writer {
            at: Writing::Idle,
            route: OLD as u8,
            txn: 0,
            statement: 0,
            shared: false,
            guard_shared: false,
            keeps_snapshot: false,
            stale: false,
            snapshot_mode: Mode::Unknown,
            astray: false,
            logged: 0,
        }
    }
}

/// What the checker notes of the past. In a protocol that holds, only `expected` ever changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// Rows as the acknowledged writes made them.
    pub(crate) expected: Rows,
    /// The stores differed, or changes were pending, when `moved` was committed.
    pub(crate) unequal_at_switch: bool,
    /// A write was acknowledged by the store in which the org did not live.
    pub(crate) foreign_write: bool,
    /// A lower epoch replaced a higher one.
    pub(crate) epoch_fell: bool,
    /// The rightful holder was refused, or found a mismatch, though nothing had gone wrong.
    pub(crate) false_alarm: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) stores: [Store; 2],
    pub(crate) redis: Flags,
    pub(crate) log: MoveLog,
    pub(crate) nodes: [Node; 2],
    pub(crate) writers: [Writer; 2],
    pub(crate) left: Budget,
    pub(crate) ghost: Ghost,
}

impl State {
    pub(crate) fn first(setting: &Setting) -> Self {
        let rows = if setting.unique { [INITIAL, ABSENT] } else { [INITIAL; KEYS] };
        let store =
            |mode, rows| Store { mode, epoch: 0, rows, log: 0, exclusive: NOBODY, guard_locked: NOBODY, ranges: 0 };
        let flags = Flags { to: OLD as u8, epoch: 0 };
        State {
            stores: [store(Mode::Settled, rows), store(Mode::Unknown, [ABSENT; KEYS])],
            redis: flags,
            log: MoveLog { stage: Stage::Running(Step::Capture), epoch: 0, holder: NOBODY, desired: flags },
            nodes: [Node::IDLE; 2],
            writers: [Writer::new(), Writer { route: if setting.astray { NEW } else { OLD } as u8, ..Writer::new() }],
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

    /// Whether an update of the guard row, or a lock on it, has to wait.
    pub(crate) fn guard_is_held(&self, store: usize) -> bool {
        self.stores[store].guard_locked != NOBODY || self.writers_in(store).any(|writer| writer.guard_shared)
    }

    /// A committed change of the guard row.
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
