//! Each measure is needed: without it the checker finds the damage that it prevents.

use mover_model::{Without, explore};

#[test]
fn without_a_measure_a_property_breaks() {
    let mut missed = Vec::new();
    for measure in Without::ALL {
        let (setting, property, report) = explore::without(measure);
        let found = report.verdicts.iter().find(|verdict| verdict.property == property);
        let actions = found.and_then(|verdict| verdict.found.as_ref()).map(|found| found.actions);
        println!("{measure:?} in {}: {property}: {actions:?}, {:?}", setting.name, report.took);
        if actions.is_none() {
            missed.push((measure, property));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
