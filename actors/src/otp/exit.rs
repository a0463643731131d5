//! Why a child ended, and how a supervisor reports that it gave up.

use std::any::Any;
use std::fmt;
use std::time::Duration;

/// Why one incarnation of a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was finished and stopped by itself.
    Normal,
    /// It could not continue, for this reason. Also a child whose start failed.
    Error(String),
    /// Its code panicked; this is the panic's message.
    Panic(String),
    /// Its supervisor asked it to stop, and it did.
    Shutdown,
    /// It did not stop within its time limit, or was not given any time.
    Killed,
    /// It was a supervisor, and its children failed more often than it may restart them.
    GaveUp(Box<GaveUp>),
}

impl Exit {
    /// An end that a transient child is restarted after: anything but being finished or asked to
    /// stop.
    pub fn is_failure(&self) -> bool {
        match self {
            Exit::Normal | Exit::Shutdown => false,
            Exit::Error(_) | Exit::Panic(_) | Exit::Killed | Exit::GaveUp(_) => true,
        }
    }

    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Exit {
        let message = if let Some(text) = payload.downcast_ref::<&str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a panic without a message".to_owned()
        };
        Exit::Panic(message)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal => write!(f, "normal"),
            Exit::Error(reason) => write!(f, "error: {reason}"),
            Exit::Panic(message) => write!(f, "panic: {message}"),
            Exit::Shutdown => write!(f, "shutdown"),
            Exit::Killed => write!(f, "killed"),
            Exit::GaveUp(gave_up) => write!(f, "{gave_up}"),
        }
    }
}

/// Why a supervisor gave up: the child that failed once too often, and its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct GaveUp {
    /// The path of the supervisor that gave up.
    pub supervisor: String,
    /// How many restarts it was allowed …
    pub restarts_max: u32,
    /// … within this long.
    pub within: Duration,
    /// The path of the child that failed last.
    pub culprit: String,
    /// Why that child failed.
    pub reason: Exit,
}

impl GaveUp {
    /// The path and the reason at the bottom of it: when supervisors gave up one after the other,
    /// the child that the lowest one could not keep alive.
    pub fn root_cause(&self) -> (&str, &Exit) {
        let mut at = self;
        while let Exit::GaveUp(below) = &at.reason {
            at = below;
        }
        (&at.culprit, &at.reason)
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GaveUp { supervisor, restarts_max, within, culprit, reason } = self;
        let restarts = if *restarts_max == 1 { "restart" } else { "restarts" };
        write!(f, "{supervisor} gave up after {restarts_max} {restarts} in {within:?}: ")?;
        match reason {
            // It begins with its own path, which is the culprit's.
            Exit::GaveUp(below) => write!(f, "{below}"),
            _ => write!(f, "{culprit}: {reason}"),
        }
    }
}
