//! Runbooks as text: what is a step, and where a mistake is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mover::runbook::{Action, Runbook, Values, read};
use proptest::prelude::*;

fn good(source: &str, given: &[(&str, &str)]) -> Runbook {
    let given: Values = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    read("book.md", source, &given).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn told(source: &str) -> Vec<String> {
    let mistakes = read("book.md", source, &Values::new()).unwrap_err();
    mistakes.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn blocks_become_steps_with_their_sections_and_lines() {
    let source = "+++\ntitle = \"Move\"\n[vars]\norg = { about = \"which\", default = \"acme\" }\nworkers = 8\n+++\n\n# First\n\n\
        Prose with `code`.\n\n```mover confirm=\"Does {{org}} move?\"\n# a comment\norgs ready m {{ org }}\n\nmigrate m {{org}} workers={{workers}}\n```\n\n\
        ## Second\n\n1. in a list:\n\n   ```expect\n   m failed = 0 within 10m\n   ```\n\n```json\n{\"no\": \"step\"}\n```\n\n```sh\necho a\necho {{org}}\n```\n\n\
        ## Rollback\n\n### How\n\n```mover\nrollback m {{org}}\n```\n\n## Afterwards\n\n```mover\nstatus\n```\n";
    let book = good(source, &[("org", "globex")]);
    assert_eq!(book.title, "Move");
    let steps: Vec<_> = book.steps.iter().map(|step| (step.line, step.shown(), step.confirm.clone())).collect();
    let expected = [
        (14, "First · orgs ready m globex", Some("Does globex move?")),
        (16, "First · migrate m globex workers=8", None),
        (24, "Second · expect m failed = 0 within 10m", None),
        (31, "Second · sh: echo a …", None),
        (47, "Afterwards · status", None),
    ];
    let expected: Vec<_> =
        expected.map(|(line, shown, confirm)| (line, shown.to_owned(), confirm.map(str::to_owned))).into();
    assert_eq!(steps, expected);
    assert_eq!(book.steps[3].action, Action::Shell);
    assert_eq!(book.steps[3].text, "echo a\necho globex");
    assert_eq!(book.rollback.iter().map(|step| step.shown()).collect::<Vec<_>>(), ["How · rollback m globex"]);
}

#[test]
fn calls_of_the_original_system_are_steps_and_variables_hold_to_the_end() {
    let source = "# Calls\n```mover\nInfo = mover_manager:get_account_dets().\napplication:set_env(mover, sleep_time, 7).\n```\n\
        ```mover\nmoser_state_tracker:insert_one_org(\n  moser_acct_processor:expand_org_info(\n    #org_info{org_name = \"{{org}}\", account_info = Info}),\n  \
        phase_2).\nmover_manager:halt_actions(). mover_manager:migrate(1, 2, phase_2).\nstatus\n```\n## Rollback\n```mover\n\
        mover_manager:set_concurrency(1).\n```\n";
    let book = good(&format!("+++\nvars.org = 'acme'\n+++\n{source}"), &[]);
    let commands: Vec<_> = book
        .steps
        .iter()
        .chain(&book.rollback)
        .map(|step| match &step.action {
            Action::Command(command) => (step.line, command.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (10, "orgs add acme phase_2"),
        (14, "halt"),
        (14, "migrate phase_2 1 workers=2 sleep=7"),
        (15, "status"),
        (19, "set concurrency 1"),
    ];
    assert_eq!(commands, expected.map(|(line, command)| (line, command.to_owned())));
}

#[test]
fn mistakes_have_their_place() {
    for (source, expected) in [
        ("no step", "book.md:1:1: it has no step: a step is a fenced block"),
        ("+++\ntitle = 5\n+++\n```mover\nstatus\n```", "book.md:2:9: invalid type"),
        ("+++\ntitel = \"x\"\n+++\n```mover\nstatus\n```", "book.md:2:1: unknown field `titel`"),
        ("```mover\nstatus\n  migrat m all\n```", "book.md:3:3: "),
        ("```mover\nquit\n```", "book.md:2:1: quit has no place in a runbook"),
        ("```mover\nstatus {{who\n```", "book.md:2:8: {{ without }}"),
        ("```mover confirm=now\nstatus\n```", "book.md:1:10: \"confirm=now\" is unknown here"),
        ("é\n```expect\nm failed = many\n```", "book.md:3:1: \"many\" is no number of orgs"),
        ("```expect\nm faild = 0\n```", "book.md:2:1: "),
        ("```expect\nm failed = 0 within soon\n```", "book.md:2:1: \"soon\" is no span of time"),
        ("```expect\nflag dl_default a < b\n```", "book.md:2:1: a flag is a text"),
        ("```expect\nhttp GET here\n```", "book.md:2:1: an expectation is"),
        ("```expect\nhttp GET here status 200\n```", "book.md:2:1: \"here\" is no address"),
        ("```expect\nhttp GET https://a status 200\n```", "book.md:2:1: https is not in this version"),
        ("```expect\nhttp FETCH http://a status 200\n```", "book.md:2:1: \"FETCH\" is no method of HTTP"),
        ("```expect\nhttp GET http://a status = 2000\n```", "book.md:2:1: \"2000\" is no status of HTTP"),
        ("```mover\nmover_manager:ping().\n  mover_manager:migrate(\n  all).\n```", "book.md:3:3: ** exception error"),
        ("```mover\nmover_manager:status()\n```", "book.md:2:23: the final dot is missing"),
    ] {
        let told = told(source);
        assert!(told.len() == 1 && told[0].starts_with(expected), "{source:?}: {told:#?}");
    }
}

proptest! {
    /// Whatever the text is, it is read or has mistakes that lie in it.
    #[test]
    fn any_text_is_read_or_has_mistakes_with_places(parts in prop::collection::vec(prop_oneof![
        Just("```mover\n"), Just("```\n"), Just("```expect\n"), Just("```sh x\n"), Just("+++\n"), Just("# Rollback\n"), Just("\n"),
        Just("status\n"), Just("{{"), Just("}}"), Just("é{{ü}}\n"), Just("> "), Just("   "), Just("confirm=\""), Just("m failed = 0"),
        Just("a = 1\n"), Just("\r\n"), Just("\0"), Just("title = \""), Just("[vars]\n"), "\\PC{0,12}".prop_map(|text| &*text.leak()),
    ], 0..24)) {
        let source = parts.concat();
        if let Err(mistakes) = read("book.md", &source, &Values::new()) {
            let lines = source.lines().count().max(1);
            for mistake in mistakes.all() {
                prop_assert!((1..=lines + 1).contains(&mistake.line), "{mistake:?} of {lines} lines in {source:?}");
                prop_assert!(mistake.column >= 1 && !mistake.problem.is_empty());
            }
        }
    }
}
