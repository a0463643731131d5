//! What came of a schedule.

use std::ops::AddAssign;

use mover_actors::domain::state::State;

use crate::memory::{Facts, HistoryRow, Violation};

/// What came of a schedule.
pub struct Verdict {
    /// What must not be, and was.
    pub violations: Vec<Violation>,
    /// What happened in it.
    pub events: Events,
    /// The trees at the end, to explain the verdict.
    pub trees: String,
}

/// How much happened: a simulation in which nothing happens shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Events {
    /// Writes that clients were told of.
    pub acknowledged: u64,
    /// Moves that came to their end.
    pub migrated: u64,
    /// Moves that were taken back.
    pub failed: u64,
    /// Moves that another node continued with.
    pub taken_over: u64,
    /// Campaigns.
    pub campaigns: u64,
}

impl AddAssign for Events {
    fn add_assign(&mut self, more: Self) {
        self.acknowledged += more.acknowledged;
        self.migrated += more.migrated;
        self.failed += more.failed;
        self.taken_over += more.taken_over;
        self.campaigns += more.campaigns;
    }
}

impl Events {
    /// What the history tells.
    pub fn of(facts: &Facts) -> Self {
        let count = |which: fn(&HistoryRow) -> bool| facts.log.history().iter().filter(|row| which(row)).count() as u64;
        Events {
            acknowledged: 0,
            migrated: count(|row| row.to == State::Migrated),
            failed: count(|row| row.to == State::Failed),
            taken_over: count(|row| row.from == row.to),
            campaigns: facts.log.campaigns().count() as u64,
        }
    }
}
