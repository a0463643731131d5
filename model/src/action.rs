//! The actions that are possible in a state.

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

/// A node's program counter says which action it takes; this says which variant, if there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Next,
    /// Releases the lock and retries later.
    BackOff,
    /// Catches up once more before requesting the lock.
    EarlyRound,
    /// Stores the desired flags before the receiving store is open: both are under way at once.
    FlagsEarly,
    /// Like `Next`, but a row is written wrong.
    Wrongly,
    /// The step fails for a reason of its own.
    Fail,
    /// It fails because `moved` got no answer, and is still on its way.
    FailLate,
}

/// Events from outside the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Claim(u8),
    Crash(u8),
    /// The lease ends though its node lives; this other node takes over.
    TakeOver(u8),
    LoseLock(u8),
    /// A `moved` arrives whose node has given up.
    LateMoved,
    /// The session that it was sent to ends first.
    LateEnds,
    Retry,
    RollBack,
    Finalize,
    /// Decisions about flags that Redis has not seen are written there.
    FlagsCaughtUp,
    /// The bits of this store are computed again.
    Install(u8),
}

/// The result of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Done,
    /// It waits for a lock.
    Waits,
}
