//! What nodes and writers remember, and lose when they crash.

use crate::setting::KEYS;
use crate::state::{ABSENT, Mode, OLD, Rows, Step, Writes};

/// The position of a node inside its step: its next action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Idle,
    /// The first effect of the step.
    Begin,
    /// Makes the triggers watch the org.
    Watch,
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
    /// Only in the variant with the wrong order.
    RoundLockLate,
    RoundApply,
    RoundForget,
    TallyLeaving,
    TallyReceiving,
    Lock,
    Locked,
    CommitMoved,
    /// Only in the variant with the wrong order.
    CommitMovedLate,
    Accept,
    /// The flags are decided already.
    AcceptLate,
    Desire,
    WriteFlags,
    Release,
    DiscardReceiving,
    /// An abort found that the org has moved.
    GoForward,
    /// The step failed and its connections are closed; next: get a new epoch to give it up with.
    Failing,
    /// Makes the receiving store refuse the former epoch.
    RevokeReceiving,
    /// Makes the leaving store refuse the former epoch, and asks whether the org has moved.
    RevokeLeaving,
    /// It is given up; next: store that.
    GivenUp,
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
    /// A copy in ranges continues an interrupted one.
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
    /// Between transactions. Its knowledge of the flags may be stale.
    Idle,
    /// A snapshot is taken and nothing written yet.
    Snapshot,
    /// The statement wrote its row, uncommitted; its trigger has not read the guard yet.
    Written,
    /// The trigger saw `capturing`: it takes the shared lock and reads the mode again.
    Guarded,
    /// The statement has ended.
    Passed,
}

/// A client that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) at: Writing,
    /// The store in which it believes the org to be.
    pub(crate) route: u8,
    /// The number of its transaction.
    pub(crate) txn: u8,
    /// The number of the statement in it.
    pub(crate) statement: u8,
    /// It holds the advisory lock, shared.
    pub(crate) shared: bool,
    /// It holds the guard row FOR SHARE.
    pub(crate) guard_shared: bool,
    /// Its transaction keeps one snapshot, which is taken.
    pub(crate) keeps_snapshot: bool,
    /// The guard row changed since its snapshot.
    pub(crate) stale: bool,
    /// The mode in its snapshot; kept only if it is used.
    pub(crate) snapshot_mode: Mode,
    /// It writes in the new store before that has a guard row of the org.
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
