//! What can happen next.

/// One atomic step of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Writer(u8, WriterDoes),
    Node(u8, How),
    World(Event),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriterDoes {
    ReadFlags,
    TakeSnapshot,
    Statement,
    Trigger,
    Commit,
    GiveUp,
}

/// A node's program counter says what it does; this says which way, where there is more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Next,
    /// Release the lock and try later.
    BackOff,
    /// Catch up once more before asking for the lock.
    EarlyRound,
    /// Stores the desired flags before the receiving store is open: both are under way at once.
    FlagsEarly,
    /// As `Next`, but a row is written wrong.
    Wrongly,
    /// The step fails for a reason of its own.
    Fail,
    /// It fails because there is no answer to `moved`, which is still on its way.
    FailLate,
}

/// What comes from outside of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Claim(u8),
    Crash(u8),
    /// The lease ends though its node lives; this other node takes over.
    TakeOver(u8),
    LoseLock(u8),
    /// A `moved` whose node has given up arrives.
    LateMoved,
    /// The session that it was sent to ends before.
    LateEnds,
    Retry,
    RollBack,
    Finalize,
    /// Whatever was decided about the flags and Redis has not seen is written there.
    FlagsCaughtUp,
    /// The bits of this store are worked out again.
    Install(u8),
}

/// Whether an action changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Done,
    /// It waits for a lock.
    Waits,
}
