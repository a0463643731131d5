//! What came of a schedule.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use mover_actors::domain::state::{State, Step, Strategy};

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

/// Everything that must happen in some schedule.
const KINDS: [&str; 18] = [
    "writes acknowledged",
    "moved offline",
    "moved online",
    "moved in a window",
    "brought back",
    "finalized",
    "taken back",
    "way back given up",
    "taken over",
    "campaigns",
    "pieces copied",
    "late calls",
    "alone",
    "in cohorts of 2",
    "in cohorts of 3",
    "in cohorts of 4",
    "in cohorts of 5",
    "in cohorts of 6",
];

/// How much of each kind happened: a simulation in which nothing happens shows nothing.
#[derive(Debug, Clone, Default)]
pub struct Events(BTreeMap<&'static str, u64>);

impl AddAssign for Events {
    fn add_assign(&mut self, more: Self) {
        more.0.into_iter().for_each(|(kind, count)| *self.0.entry(kind).or_default() += count);
    }
}

impl Events {
    /// What the history and the stores tell, how many writes were acknowledged, and how many calls came late.
    pub fn of(facts: &Facts, acknowledged: u64, late_calls: u64) -> Self {
        let kinds = facts.log.history().iter().filter_map(|row| kind(facts, row));
        let mut events = Events(BTreeMap::new());
        kinds.for_each(|kind| *events.0.entry(kind).or_default() += 1);
        let others = [
            ("writes acknowledged", acknowledged),
            ("campaigns", facts.log.campaigns().count() as u64),
            ("pieces copied", facts.stores.pieces_copied()),
            ("late calls", late_calls),
        ];
        let cohorts = KINDS.iter().skip_while(|kind| **kind != "alone").zip(facts.stores.cohorts());
        events += Events(others.into_iter().chain(cohorts.map(|(kind, count)| (*kind, count))).collect());
        events
    }

    /// What has not happened.
    pub fn missing(&self) -> Vec<&'static str> {
        KINDS.into_iter().filter(|kind| self.0.get(kind).is_none_or(|count| *count == 0)).collect()
    }
}

fn kind(facts: &Facts, row: &HistoryRow) -> Option<&'static str> {
    let strategy = facts.log.moves().find(|record| record.id == row.id)?.strategy;
    match (row.from, row.to) {
        (from, to) if from == to => Some("taken over"),
        (State::Started(Step::Abort), State::Migrated) => Some("way back given up"),
        (State::Started(_), State::Migrated) => Some(match strategy {
            Strategy::Offline => "moved offline",
            Strategy::Online => "moved online",
            Strategy::Window => "moved in a window",
        }),
        (_, State::Failed) => Some("taken back"),
        (_, State::RolledBack) => Some("brought back"),
        (_, State::Finalized) => Some("finalized"),
        _ => None,
    }
}
