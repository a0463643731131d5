//! One exploration of all reachable states, and its result.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries};

use crate::cohort::Cohort;
use crate::explored::Explored;
use crate::model::Cutover;
use crate::mutations::Without;
use crate::properties::Name;
use crate::setting::{Orgs, Setting};

/// A path that decides a property.
#[derive(Debug)]
pub struct Found {
    /// The number of its actions.
    pub actions: usize,
    /// The path, line by line.
    pub trace: Vec<String>,
}

/// The result for one property.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub property: &'static str,
    /// Whether it must hold at least once, rather than always.
    pub is_example: bool,
    /// An example if one is required, otherwise a counterexample.
    pub found: Option<Found>,
}

impl Verdict {
    /// Whether the result is the expected one.
    pub fn is_good(&self) -> bool {
        self.is_example == self.found.is_some()
    }
}

/// The result of one exploration.
#[derive(Debug)]
pub struct Report {
    /// Generated states, including repeats.
    pub states: usize,
    /// Different states.
    pub unique: usize,
    /// Length of the longest of the shortest paths.
    pub depth: usize,
    /// The duration.
    pub took: Duration,
    /// The result for each property.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether every property has the expected result.
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_good)
    }
}

/// Explores all states of a setting.
pub fn all(setting: &Setting, threads: usize) -> Report {
    run(setting, None, threads, None)
}

/// Explores without a measure until the damage that it prevents occurs. One thread, so that the shortest path is found.
pub fn without(measure: Without) -> (Setting, &'static str, Report) {
    let (setting, property) = measure.breaks();
    (setting, property, run(&setting, Some(measure), 1, Some(property)))
}

fn run(setting: &Setting, without: Option<Without>, threads: usize, until: Option<Name>) -> Report {
    match setting.orgs {
        Orgs::One => explore(Cutover::new(*setting, without), threads, until),
        Orgs::Two | Orgs::TwoThenEach => explore(Cohort::new(*setting, without), threads, until),
    }
}

fn explore<M: Explored>(model: M, threads: usize, until: Option<Name>) -> Report {
    let start = Instant::now();
    let mut checker = model.checker().threads(threads);
    if let Some(property) = until {
        checker = checker.finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])));
    }
    let checker = checker.spawn_bfs().join();
    let took = start.elapsed();
    let mut discoveries = checker.discoveries();
    let model = checker.model();
    let verdict = |property: stateright::Property<M>| Verdict {
        property: property.name,
        is_example: property.expectation == Expectation::Sometimes,
        found: discoveries.remove(property.name).map(|path| {
            let path = path.into_vec();
            Found { actions: path.len() - 1, trace: model.tell(&path) }
        }),
    };
    let verdicts = model.properties().into_iter().map(verdict).collect();
    Report {
        states: checker.state_count(),
        unique: checker.unique_state_count(),
        depth: checker.max_depth(),
        took,
        verdicts,
    }
}
