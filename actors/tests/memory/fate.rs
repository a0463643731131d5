//! The outcome of a call to a port.

use std::time::Duration;

use tokio::time::Instant;

use super::process::ProcessId;

/// Which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Port {
    /// The move log.
    Log,
    /// Redis.
    Flags,
    /// The stores.
    Engine,
}

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// Which port.
    pub port: Port,
    /// Which method, and which part of it: `copy.commit`.
    pub method: &'static str,
}

/// Whether the call is carried out, and whether the caller hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both.
    Done,
    /// The connection broke before it was.
    NotDone,
    /// It was, and then the connection broke.
    DoneUnheard,
    /// Of many items the first half was, and then the connection broke.
    HalfDone,
    /// The server answered with an error that will come again.
    Refused,
    /// The caller's own code panics.
    Panic,
}

/// See the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// How long until the server has the call.
    pub before: Duration,
    /// What becomes of it.
    pub outcome: Outcome,
    /// How long until the caller has the answer.
    pub after: Duration,
    /// Whether the call has left the caller, so that the caller's death does not stop it.
    pub on_the_wire: bool,
}

impl Fate {
    /// Done at once.
    pub const SMOOTH: Fate =
        Fate { before: Duration::ZERO, outcome: Outcome::Done, after: Duration::ZERO, on_the_wire: false };

    /// Met at once.
    pub fn of(outcome: Outcome) -> Self {
        Fate { outcome, ..Fate::SMOOTH }
    }
}

/// Decides the fate of every call.
pub trait Faults: Send {
    /// The fate of this one.
    fn fate(&mut self, process: ProcessId, call: Call, now: Instant) -> Fate;
}

/// Nothing ever happens.
pub struct Calm;

impl Faults for Calm {
    fn fate(&mut self, _: ProcessId, _: Call, _: Instant) -> Fate {
        Fate::SMOOTH
    }
}

impl<F: FnMut(ProcessId, Call, Instant) -> Fate + Send> Faults for F {
    fn fate(&mut self, process: ProcessId, call: Call, now: Instant) -> Fate {
        self(process, call, now)
    }
}
