//! When a child is restarted, how it is stopped, and how many failures a supervisor tolerates.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::exit::Exit;

/// Which ends of a child lead to a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Every end.
    Permanent,
    /// Failures only; a normal end is an end.
    Transient,
    /// None: it lives once.
    Temporary,
}

impl Restart {
    pub(crate) fn follows(self, exit: &Exit) -> bool {
        match self {
            Restart::Permanent => true,
            Restart::Transient => exit.is_failure(),
            Restart::Temporary => false,
        }
    }
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// It is asked, and killed when it has not stopped after this long.
    Within(Duration),
    /// It is asked, and waited for without limit: right for supervisors, whose children have limits
    /// of their own.
    Unlimited,
    /// It is killed without being asked.
    Brutal,
}

/// Which children are restarted together with a failed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Only the failed child.
    OneForOne,
    /// All children.
    OneForAll,
    /// The failed child and those started after it.
    RestForOne,
}

impl Strategy {
    pub(crate) fn scope(self, fallen: usize, children: usize) -> Range<usize> {
        match self {
            Strategy::OneForOne => fallen..fallen + 1,
            Strategy::OneForAll => 0..children,
            Strategy::RestForOne => fallen..children,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
        }
    }
}

/// How many restarts a supervisor allows itself before it gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// One more than these …
    pub restarts_max: u32,
    /// … within this long is too many.
    pub within: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Intensity { restarts_max: 3, within: Duration::from_secs(5) }
    }
}

/// The restarts of the recent past, measured against an intensity.
pub(crate) struct RecentRestarts {
    pub(crate) allowed: Intensity,
    at: VecDeque<Instant>,
}

impl RecentRestarts {
    pub(crate) fn new(allowed: Intensity) -> Self {
        RecentRestarts { allowed, at: VecDeque::new() }
    }

    /// Counts one more; false when that is one too many.
    pub(crate) fn count(&mut self) -> bool {
        let now = Instant::now();
        while self.at.front().is_some_and(|first| now.duration_since(*first) > self.allowed.within) {
            self.at.pop_front();
        }
        self.at.push_back(now);
        self.at.len() <= self.allowed.restarts_max as usize
    }
}

/// A pause before a restart that doubles from `first` up to `max` while the child keeps failing. A child that was up for `max`
/// starts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first restart.
    pub first: Duration,
    /// Never longer than this.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_millis(50), max: Duration::from_secs(5) }
    }
}

/// The recent history of one child, which decides its next pause.
#[derive(Default)]
pub(crate) struct Pace {
    falls: u32,
    up_at: Option<Instant>,
}

impl Pace {
    pub(crate) fn up(&mut self) {
        self.up_at = Some(Instant::now());
    }

    /// The child failed: how long to wait before its next start.
    pub(crate) fn next_pause(&mut self, backoff: Option<Backoff>) -> Duration {
        let Some(Backoff { first, max }) = backoff else {
            return Duration::ZERO;
        };
        if self.up_at.take().is_some_and(|since| since.elapsed() >= max) {
            self.falls = 0;
        }
        let doubled = 2_u32.saturating_pow(self.falls);
        self.falls = self.falls.saturating_add(1);
        first.saturating_mul(doubled).min(max)
    }
}

/// The rules for one child, or for every child of a dynamic supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildPolicy {
    /// When it is restarted.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether it waits before a restart.
    pub backoff: Option<Backoff>,
}

impl Default for ChildPolicy {
    fn default() -> Self {
        ChildPolicy { restart: Restart::Permanent, shutdown: Shutdown::Within(Duration::from_secs(5)), backoff: None }
    }
}
