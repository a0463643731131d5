//! The protocol holds in every small configuration, and there is always a way out.

use mover_model::{SMALL, explore, progress};

#[test]
fn every_property_holds_and_every_example_is_reached() {
    for setting in &SMALL {
        let report = explore::all(setting, 2);
        println!("{}: {} states, {} different, {:?}", setting.name, report.states, report.unique, report.took);
        for verdict in &report.verdicts {
            let trace = verdict.found.as_ref().map(|found| found.trace.join("\n")).unwrap_or_default();
            assert!(verdict.is_good(), "{}: {}\n{trace}", setting.name, verdict.property);
        }
    }
}

#[test]
fn from_every_state_there_is_a_way_to_the_end() {
    for setting in &SMALL {
        let progress = progress::walk(setting);
        println!("{}: {} states, {} done", setting.name, progress.states, progress.done);
        assert_eq!(progress.stuck, 0, "{}: {:?}", setting.name, progress.example);
    }
}
