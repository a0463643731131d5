//! Counts of events.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counters that all tasks of the trial update.
#[derive(Debug)]
pub(crate) struct Counters {
    begun: Instant,
    pub(crate) kills: AtomicU64,
    pub(crate) moves: AtomicU64,
    pub(crate) checks: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) serialization: AtomicU64,
    pub(crate) disconnected: AtomicU64,
    pub(crate) uncertain: AtomicU64,
    pub(crate) no_flags: AtomicU64,
    waited_longest_us: AtomicU64,
    locked_out_longest_us: AtomicU64,
    named: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = AtomicU64::default;
        Self {
            begun: Instant::now(),
            kills: zero(),
            moves: zero(),
            checks: zero(),
            writes: zero(),
            refused: zero(),
            serialization: zero(),
            disconnected: zero(),
            uncertain: zero(),
            no_flags: zero(),
            waited_longest_us: zero(),
            locked_out_longest_us: zero(),
            named: Mutex::default(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn add(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Counts an event by name.
    pub(crate) fn name(&self, what: impl Into<String>) {
        *self.named.lock().unwrap_or_else(PoisonError::into_inner).entry(what.into()).or_default() += 1;
    }

    pub(crate) fn waited(&self, how_long: Duration) {
        self.waited_longest_us.fetch_max(u64::try_from(how_long.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn locked_out(&self, how_long: Duration) {
        self.locked_out_longest_us.fetch_max(u64::try_from(how_long.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Figures {
            elapsed: self.elapsed(),
            kills: read(&self.kills),
            moves: read(&self.moves),
            checks: read(&self.checks),
            writes: read(&self.writes),
            refused: read(&self.refused),
            serialization: read(&self.serialization),
            disconnected: read(&self.disconnected),
            uncertain: read(&self.uncertain),
            no_flags: read(&self.no_flags),
            locked_out_longest: Duration::from_micros(read(&self.locked_out_longest_us)),
            waited_longest: Duration::from_micros(read(&self.waited_longest_us)),
            named: self.named.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The counts up to a moment.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Time since the trial began.
    pub elapsed: Duration,
    /// How often Mover was killed.
    pub kills: u64,
    /// Moves that ended, in either direction.
    pub moves: u64,
    /// How often everything came to rest and every row was checked.
    pub checks: u64,
    /// Acknowledged writes.
    pub writes: u64,
    /// Tries that a store refused, because the org lives in the other one; each was retried.
    pub refused: u64,
    /// Serialization failures and deadlocks.
    pub serialization: u64,
    /// Tries that ended because a store went down.
    pub disconnected: u64,
    /// Of these during COMMIT, so that the outcome was unknown.
    pub uncertain: u64,
    /// Tries for which the flags could not be read.
    pub no_flags: u64,
    /// The longest time from a write's first try until it was acknowledged.
    pub waited_longest: Duration,
    /// The longest observed wait of a writer for the lock that Mover holds at a switch.
    pub locked_out_longest: Duration,
    /// All other counts, by name.
    pub named: BTreeMap<String, u64>,
}

impl Figures {
    /// All counts on one line, for a trial that is under way.
    pub fn line(&self) -> String {
        let mishaps: u64 =
            self.named.iter().filter(|(name, _)| name.starts_with("server: ")).map(|(_, times)| times).sum();
        format!(
            "{:>5.0} s  {} kills, {mishaps} mishaps of servers, {} moves, {} checks; {} writes, {} refused, {} serialization, \
             {} cut off ({} in COMMIT)",
            self.elapsed.as_secs_f64(),
            self.kills,
            self.moves,
            self.checks,
            self.writes,
            self.refused,
            self.serialization,
            self.disconnected,
            self.uncertain,
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line())?;
        writeln!(f, "longest wait for a write: {:.1} s", self.waited_longest.as_secs_f64())?;
        writeln!(f, "longest wait for Mover's lock: {:.2} s", self.locked_out_longest.as_secs_f64())?;
        for (name, times) in &self.named {
            writeln!(f, "{times:>7}  {name}")?;
        }
        Ok(())
    }
}
