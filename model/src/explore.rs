//! One exploration of all reachable states, and what it found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::model::Cutover;
use crate::mutations::Without;
use crate::properties::Name;
use crate::setting::Setting;
use crate::trace;

/// A path that decides a property.
#[derive(Debug)]
pub struct Found {
    /// How many actions it has.
    pub actions: usize,
    /// It, line by line.
    pub trace: Vec<String>,
}

/// What became of one property.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub property: &'static str,
    /// It is asked for at least once, rather than always.
    pub is_example: bool,
    /// An example if one is asked for, a counterexample otherwise.
    pub found: Option<Found>,
}

impl Verdict {
    /// Whether this is as it should be.
    pub fn is_good(&self) -> bool {
        self.is_example == self.found.is_some()
    }
}

/// What one exploration found.
#[derive(Debug)]
pub struct Report {
    /// States that were generated, repeats included.
    pub states: usize,
    /// Different states.
    pub unique: usize,
    /// Length of the longest of the shortest paths.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Property by property.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether every property is as it should be.
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_good)
    }
}

/// Explores everything that a setting allows.
pub fn all(setting: &Setting, threads: usize) -> Report {
    explore(Cutover::new(*setting, None), threads, None)
}

/// Explores without a measure until what it prevents has happened. One thread, so that the shortest path is found.
pub fn without(measure: Without) -> (Setting, &'static str, Report) {
    let (setting, property) = measure.breaks();
    (setting, property, explore(Cutover::new(setting, Some(measure)), 1, Some(property)))
}

fn explore(model: Cutover, threads: usize, until: Option<Name>) -> Report {
    let start = Instant::now();
    let mut checker = model.checker().threads(threads);
    if let Some(property) = until {
        checker = checker.finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])));
    }
    let checker = checker.spawn_bfs().join();
    let took = start.elapsed();
    let mut discoveries = checker.discoveries();
    let model = checker.model();
    let verdict = |property: stateright::Property<Cutover>| Verdict {
        property: property.name,
        is_example: property.expectation == Expectation::Sometimes,
        found: discoveries.remove(property.name).map(|path| {
            let path = path.into_vec();
            Found { actions: path.len() - 1, trace: trace::tell(model, &path) }
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
