//! The list of mutants stays valid: the text of each edit exists, and so do the tests that must notice.

#![allow(missing_docs, clippy::unwrap_used)]

use mover_mutants::{faults, list, root};

#[test]
fn every_mutant_applies_and_names_tests_that_are_there() {
    let root = root();
    let mutants = list(&root).unwrap();
    let faults = faults(&root, &mutants);
    assert!(mutants.len() > 100, "{} mutants", mutants.len());
    assert!(faults.is_empty(), "{faults:#?}");
}
