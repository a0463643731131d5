//! Invalid configurations and definitions: every mistake at once, each at its place, exit code 2.

use super::workspace::{DEFINITION, PASSWORD, Workspace};

/// No connection is made to these addresses while the configuration has a mistake.
const NOWHERE: &str = "[state]\nurl = \"postgres://mover@127.0.0.1:1/mover\"\n[redis]\nurl = \"redis://127.0.0.1:1\"\n\
                       [stores.old]\nurl = \"postgres://mover@127.0.0.1:1/old\"\n\
                       [stores.new]\nurl = \"postgres://mover@127.0.0.1:1/new\"\n";

#[test]
fn every_mistake_of_the_configuration_is_told_with_its_line() {
    let place = Workspace::with(&format!(
        "[state]\nulr = \"postgres://me:{PASSWORD}@db/mover\"\n[redis]\nurl = 5\n[campaign]\nconcurrency = \"8\"\nslep = 1\n"
    ));
    for arguments in [&["status"][..], &["check"], &["health"], &["exec", "status"], &["console"]] {
        place.mover(arguments).with_code(2).complaining(&[
            "mover.toml:1:1: url is missing in [state]",
            "mover.toml:2:1: unknown key \"ulr\" in [state]; did you mean \"url\"?",
            "mover.toml:4:7: url is a text in quotes, not a number",
            "mover.toml:6:15: concurrency is a whole number from 1 to 10000",
            "mover.toml:7:1: unknown key \"slep\" in [campaign]",
        ]);
    }
}

#[test]
fn text_that_is_no_toml_is_told_with_its_line() {
    let place = Workspace::with("[redis\nurl = \"redis://localhost\"\n[campaign]\nconcurrency = = 8\n");
    place.mover(&["status"]).with_code(2).complaining(&["mover.toml:1:", "mover.toml:4:"]);
}

#[test]
fn a_configuration_that_is_not_there_is_told() {
    let place = Workspace::with("");
    place.mover(&["--config", "no/such.toml", "status"]).with_code(2).complaining(&["no/such.toml", "cannot be read"]);
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let place = Workspace::with(NOWHERE);
    let said =
        place.mover_with(&["status"], &[("MOVER__CAMPAIGN__CONCURRENCY", "many"), ("MOVER__REDIS__ULR", PASSWORD)]);
    said.with_code(2)
        .complaining(&["MOVER__CAMPAIGN__CONCURRENCY: concurrency is a whole number", "MOVER__REDIS__ULR"]);
}

#[test]
fn every_mistake_of_every_definition_is_told_with_its_line() {
    let place = Workspace::with(NOWHERE);
    place.write(
        "migrations/first.toml",
        &DEFINITION.replace("small", "fir st").replace("strategy = \"offline\"", "strategy = \"now\""),
    );
    place.write(
        "migrations/second.toml",
        &DEFINITION.replace("small", "second").replace("from = \"old\"", "from = \"odl\""),
    );
    place.write("migrations/third.toml", "name = = \"third\"\n");
    let said = place.mover(&["check"]).with_code(2).complaining(&[
        "migrations/first.toml:1:8: ",
        "migrations/first.toml:2:12: strategy",
        "migrations/second.toml:3:8: ",
        "did you mean \"old\"?",
        "migrations/third.toml:1:8: not valid TOML",
    ]);
    // A value that may be in the part that could not be read is not reported as missing.
    assert!(!said.err.contains("nothing says where an org is routed"), "{said}");
}

#[test]
fn two_definitions_of_one_name_are_told() {
    let place = Workspace::with(NOWHERE);
    place.write("migrations/twin.toml", DEFINITION);
    place
        .mover(&["check"])
        .with_code(2)
        .complaining(&["migrations/twin.toml:1:8: small is already the name", "small.toml:1:8"]);
}

#[test]
fn a_log_level_that_there_is_not_is_told() {
    Workspace::with(NOWHERE)
        .mover(&["--log", "mover=loud", "status"])
        .with_code(2)
        .complaining(&["--log", "error, warn, info"]);
}
