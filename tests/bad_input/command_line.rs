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

/// A variable that is set for good must not be ignored by some commands: what they would find here is not what is meant.
#[test]
fn mover_connect_holds_for_every_command_or_is_refused() {
    let place = Workspace::with("");
    let away = [("MOVER_CONNECT", "http://127.0.0.1:1"), ("MOVER_TOKEN", "mover_0000")];
    for arguments in [&["status"][..], &["exec", "status"], &["check"], &["run", "--list"]] {
        place.mover_with(arguments, &away).with_code(1).complaining(&["Mover at http://127.0.0.1:1 cannot be reached"]);
    }
    let health = place.mover_with(&["health", "--json"], &away).with_code(2);
    assert_eq!(health.json()["level"], "critical");
    for arguments in [
        &["demo"][..],
        &["serve"],
        &["token", "list"],
        &["guard", "status", "old"],
        &["doctor"],
        &["clean", "--yes"],
        &["restore", "file", "--to", "old"],
        &["check", "--sql"],
    ] {
        place
            .mover_with(arguments, &away)
            .with_code(2)
            .complaining(&["MOVER_CONNECT leads to http://127.0.0.1:1", "next: env -u MOVER_CONNECT"]);
    }
    place.assert_nothing_was_started();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_the_wrong_directory_says_so_and_clean_asks() {
    let empty = Workspace::empty();
    let status = empty.mover(&["status"]).with_code(0);
    let first = status.err.lines().next().unwrap_or_default();
    assert!(first.starts_with("note: there is no mover.toml in /") && first.contains("starts"), "{status}");
    let again = empty.mover(&["status"]).with_code(0);
    assert!(again.err.contains("Mover uses the private servers in .mover/ there"), "{again}");
    empty.mover(&["clean"]).with_code(1).complaining(&["there is no terminal to confirm this on", "--yes confirms it"]);
    assert!(empty.has_private_servers());
    empty.mover(&["clean", "--yes"]).with_code(0).answering(&[".mover/ is gone"]);
    empty.mover(&["clean"]).with_code(0).answering(&["there is no .mover/ here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_json_where_json_is_asked_for() {
    let served = Served::new().await;
    for (command, problem, code) in [
        ("migrate smal all", "not-found", 1),
        ("pause", "nothing-to-do", 1),
        ("frobnicate", "not-a-command", 2),
        ("darklaunch default cell=new", "confirmation-needed", 1),
    ] {
        let said = served.mover(&["exec", "--json", command]).with_code(code);
        let json = said.json();
        assert_eq!(json["problem"], problem, "{said}");
        assert!(said.err.contains(json["detail"].as_str().unwrap()), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_one_form_of_time_and_no_noise_in_its_numbers() {
    let served = Served::ready().await;
    served.exec("migrate small all").with_code(0);
    served.write("book.md", "# Book\n```mover\nstatus\n```\n");
    served.mover(&["run", "book.md"]).with_code(0);
    let asked = |arguments: &[&str]| served.mover(arguments).with_code(0).json();
    let org = asked(&["exec", "--json", "org acme_1"]);
    let history = asked(&["exec", "--json", "history"]);
    let nodes = asked(&["exec", "--json", "nodes"]);
    let report = asked(&["exec", "--json", "report small"]);
    let runs = asked(&["run", "--list", "--json"]);
    let listed = asked(&["exec", "--json", "orgs list small"]);
    for json in [&org, &history, &nodes, &report, &runs, &listed, &asked(&["status", "--json"])] {
        look(json);
    }
    assert_eq!((&runs["runs"][0]["state"], &runs["runs"][0]["title"]), (&"done".into(), &"Book".into()));
    // What its help promises: orgs moved, rows, times, failures.
    let campaign = &report["campaigns"][0];
    assert_eq!(
        (&report["status"]["migrated"], &campaign["rows"], &report["failures"]),
        (&4.into(), &24.into(), &serde_json::json!([]))
    );
    assert!(campaign["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{report}");
    let shown = report["report"].as_str().unwrap();
    assert!(shown.contains("| rows | size |") && shown.contains("| migrated | 4 |"), "{shown}");
    let help = asked(&["exec", "--json", "help orgs ready"]);
    assert_eq!(help["commands"][0]["command"], "orgs ready");
}

/// Every time is RFC 3339, and no number has more than three digits behind its point.
#[track_caller]
fn look(json: &serde_json::Value) {
    match json {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let is_time = name == "at" || name.ends_with("_at");
                if let (true, Some(text)) = (is_time, value.as_str()) {
                    let is_right = text.len() == 24 && text.ends_with('Z') && text.contains('T');
                    assert!(is_right, "{name} is {text}");
                }
                look(value);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(look),
        serde_json::Value::Number(number) => {
            let digits = number.to_string();
            let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
            assert!(behind <= 3, "{digits}");
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_orgs_list_writes_is_a_file_of_orgs() {
    let served = Served::new().await;
    served.exec("orgs capture small").with_code(0);
    let table = served.mover(&["exec", "orgs list small limit=2"]).with_code(0).out;
    served.write("table.txt", &table);
    served.exec("orgs ready small @table.txt").with_code(0).answering(&["2 orgs are ready"]);
    let json = served.mover(&["exec", "--json", "orgs list small"]).with_code(0).out;
    served.write("orgs.json", &json);
    served.exec("orgs ready small @orgs.json").with_code(0).answering(&["2 orgs are ready"]);
}

/// Whoever wants all of them again names the state; `all` would leave open which, and may be the name of an org.
#[tokio::test(flavor = "multi_thread")]
async fn failed_orgs_are_put_in_line_at_once_and_all_is_no_name() {
    let served = Served::ready().await;
    served.exec("retry small all").with_code(2).complaining(&["failed and rolled_back stand alone", "quote it"]);
    served.sql("new", "ALTER TABLE items ADD CONSTRAINT none CHECK (amount < 0)").await;
    served.exec("migrate small all").with_code(1);
    served.exec("migrate small acme_1").with_code(1).complaining(&["acme_1 is failed; next: retry small acme_1"]);
    served.exec("retry small failed").with_code(0).answering(&["4 orgs are ready again"]);
}
