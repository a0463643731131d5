//! Invalid commands, and unknown names.

use super::workspace::{Served, Workspace};

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_command_is_pointed_at() {
    let served = Served::new().await;
    served.exec("orgs captur small").with_code(2).complaining(&[
        "column 6: ",
        "did you mean \"capture\"?",
        "\n  orgs captur small\n       ^^^^^^",
    ]);
    served
        .exec("migrate small")
        .with_code(2)
        .complaining(&["\n  migrate small\n", "^\nsyntax: migrate MIGRATION all |"]);
    served.exec("migrate small all workers=many").with_code(2).complaining(&["\n                            ^^^^"]);
    served.exec("set concurrency 0").with_code(2).complaining(&["^"]);
    served.exec("org \"acme").with_code(2).complaining(&["^"]);
    served.exec("frobnicate").with_code(2).complaining(&["column 1: "]);
    served.exec("").with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_are_reported_with_similar_ones() {
    let served = Served::new().await;
    for command in
        ["orgs capture smal", "migrate smal all", "status smal", "retry smal failed", "report smal", "org acme_1 smal"]
    {
        served
            .exec(command)
            .with_code(1)
            .complaining(&["unknown migration smal; known are small; did you mean small?"]);
    }
    served.make_ready();
    let unknown = "migration small has no org \"acme_11\"; did you mean \"acme_1\"";
    for command in [
        "orgs ready small acme_1,acme_11",
        "migrate small acme_1,acme_11",
        "retry small acme_11",
        "verify small acme_11",
    ] {
        served.exec(command).with_code(1).complaining(&[unknown]);
    }
    served
        .exec("org acme_11")
        .with_code(1)
        .complaining(&["no migration has an org \"acme_11\"; did you mean \"acme_1\""]);
    served.exec("orgs add globex small").with_code(1).complaining(&["does not know \"globex\"", "nothing was added"]);
    served.exec("migrate small @orgs.txt").with_code(1).complaining(&["orgs.txt: "]);
    served.write("orgs.txt", "acme_1\n# a comment\nacme_11\n");
    served.exec("migrate small @orgs.txt").with_code(1).complaining(&[unknown]);
    served.assert_nothing_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_going_on_cannot_be_steered() {
    let served = Served::new().await;
    for command in ["pause", "resume", "halt", "set concurrency 3", "set sleep_time 0"] {
        served.exec(command).with_code(1).complaining(&["no campaign is running", "`migrate MIGRATION all`"]);
    }
}

#[test]
fn every_subcommand_has_help() {
    let place = Workspace::with("");
    let overview = place.mover(&["--help"]).with_code(0);
    let (_, commands) = overview.out.split_once("Commands:\n").unwrap();
    // Lines that continue with a description are indented further.
    let named = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let names: Vec<&str> = named.filter_map(|line| line.split(' ').next().filter(|name| !name.is_empty())).collect();
    assert!(names.len() >= 7 && names.contains(&"demo") && names.contains(&"health"), "{names:?}");
    for name in names {
        let help = place.mover(&["help", name]).with_code(0);
        assert!(help.out.contains("Usage:"), "{help}");
        if name != "help" {
            assert_eq!(place.mover(&[name, "--help"]).with_code(0).out, help.out);
        }
    }
    place.mover(&["frobnicate"]).with_code(2).complaining(&["frobnicate"]);
    place.mover(&["exec"]).with_code(2).complaining(&["<COMMAND>"]);
}
