//! The calls of the original system as text: their meaning, their answers, and the messages about mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mover::command::erlang::{self, Environment, Meaning, Reply, Term};
use proptest::prelude::*;
use serde_json::json;

/// The commands of a text, and its values, in order.
fn told(text: &str) -> Vec<String> {
    let mut environment = Environment::with_sleep_time(5000);
    let mut told = Vec::new();
    for form in erlang::read(text).unwrap() {
        match environment.meaning(&form).unwrap() {
            Meaning::Value(term) => told.push(term.to_string()),
            Meaning::Commands(commands, reply) => {
                told.extend(commands.iter().map(ToString::to_string));
                environment.bind(&form, reply.term(&json!({})).unwrap()).unwrap();
            }
        }
    }
    told
}

fn mistake(text: &str) -> String {
    let read = erlang::read(text).and_then(|forms| {
        let mut environment = Environment::default();
        forms.iter().try_for_each(|form| environment.meaning(form).map(drop))
    });
    read.unwrap_err().to_string()
}

#[test]
fn every_call_of_the_original_system_means_a_command() {
    for (call, command) in [
        ("mover_manager:migrate(all, 8, mover_phase_2_migration_callback).", "migrate phase_2 all workers=8"),
        ("mover_manager:migrate(100, 1, mover_org_migration_callback).", "migrate org 100 workers=1"),
        ("mover_manager:migrate_next(mover_org_user_invites_migration_callback).", "migrate org_user_invites 1"),
        ("mover_manager:status().", "status"),
        ("mover_manager:halt_actions().", "halt"),
        ("mover_manager:set_concurrency(12).", "set concurrency 12"),
        ("mover_util:wait_for_status().", "status"),
        ("mover_util:populate_xdl_with_unmigrated_orgs().", "orgs force-old phase_2"),
        ("moser_state_tracker:ready_remaining_migration(<<\"phase_2\">>).", "orgs ready phase_2 all"),
        ("moser_state_tracker:ready_migration(<<\"acme\">>).", "orgs ready phase_2 acme"),
        ("moser_state_tracker:ready_migration(\"acme\", phase_2).", "orgs ready phase_2 acme"),
        ("moser_state_tracker:capture_full_org_state_list(ignored, phase_2).", "orgs capture phase_2"),
        ("moser_state_tracker:org_status(<<\"acme\">>).", "org acme"),
        ("mover_util:reset_org(<<\"all\">>, phase_2).", "retry phase_2 \"all\""),
        (
            "mover_util:reset_orgs([<<\"acme\">>, <<\"glob\", \" ex\"/utf8>>], phase_2).",
            "retry phase_2 acme,\"glob ex\"",
        ),
        ("mover_util:reset_orgs_from_file(\"/tmp/orgs\", phase_2).", "retry phase_2 @\"/tmp/orgs\""),
        ("mover_org_darklaunch:disable_org_creation().", "darklaunch org-creation off"),
        ("mover_org_darklaunch:enable_org_creation().", "darklaunch org-creation on"),
        ("mover_org_darklaunch:disable_org(<<\"acme\">>).", "darklaunch org acme 503 on"),
        ("mover_org_darklaunch:enable_org(<<\"acme\">>).", "darklaunch org acme 503 off"),
        (
            "mover_org_darklaunch:org_to_couch(<<\"acme\">>, [groups, containers]).",
            "darklaunch org acme couchdb_containers=true couchdb_groups=true",
        ),
        ("mover_org_darklaunch:org_to_sql(acme, [groups]).", "darklaunch org acme couchdb_groups=false"),
        ("mover_org_darklaunch:init_org_to_couch(acme, [groups]).", "darklaunch org acme couchdb_groups=true"),
        ("mover_org_darklaunch:orgs_503_endpoint_mode(\"true\").", "darklaunch orgs-503 on"),
        (
            "mover_org_darklaunch:org_related_endpoints_to_couch(\"false\").",
            "darklaunch default couchdb_association_requests=false couchdb_associations=false couchdb_organizations=false",
        ),
        ("application:set_env(mover, sleep_time, 0).", "set sleep_time 0"),
        ("init:stop().", "quit"),
    ] {
        assert_eq!(told(call), [command], "{call}");
    }
    let purged = told("moser_chef_converter:delete_all_org_and_global_groups_data().");
    let first_what_refers = ["global_groups", "org_user_invites", "org_user_association", "org"];
    assert_eq!(purged, first_what_refers.map(|migration| format!("rollback {migration} all")));
}

#[test]
fn calls_that_only_name_things_have_values() {
    for (call, value) in [
        ("mover_manager:ping().", "pong"),
        ("mover_manager:set_concurrency(-3).", "{error,{badarg,-3}}"),
        ("mover_manager:create_account_dets().", "ok"),
        ("mover_phase_2_migration_callback:migration_type().", "<<\"phase_2\">>"),
        ("rr(\"lib/*moser*/ebin/*\").", "[org_info]"),
        ("l(moser_chef_converter).", "{module,moser_chef_converter}"),
        ("application:get_env(mover, sleep_time).", "{ok,5000}"),
        (
            "{'Odd Atom', -16#ff, 1.5, \"a\\\"b\" \"c\", <<>>, #r{f = [x]}}.",
            "{'Odd Atom',-255,1.5,\"a\\\"bc\",<<>>,#r{f = [x]}}",
        ),
    ] {
        assert_eq!(told(call), [value], "{call}");
    }
}

#[test]
fn variables_are_bound_and_used_in_nested_calls_over_several_lines() {
    let text = "AccountInfo = mover_manager:get_account_dets(), % from the source\n\
                moser_state_tracker:insert_one_org(\n  moser_acct_processor:expand_org_info(\n    \
                #org_info{org_name = <<\"acme\">>, account_info = AccountInfo}),\n  \
                mover_phase_2_migration_callback:migration_type()).\n\
                application:set_env(mover, sleep_time, 20). mover_manager:migrate(all, 1, phase_2).";
    assert_eq!(
        told(text),
        ["account_info", "orgs add acme phase_2", "set sleep_time 20", "migrate phase_2 all workers=1 sleep=20"]
    );
}

#[test]
fn mistakes_have_a_place_and_a_way_out() {
    for (text, place, problem) in [
        (
            "mover_manager:satus().",
            "column 1",
            "undefined function mover_manager:satus/0; there is mover_manager:status/0",
        ),
        (
            "mover_manager:migrate(all).",
            "column 1",
            "undefined function mover_manager:migrate/1; there is mover_manager:migrate/3",
        ),
        ("mover_manager:status()", "column 23", "the final dot is missing"),
        ("mover_manager:status(.", "column 22", "an expression is missing before the final dot"),
        ("mover_manager:status().'", "column 24", "a quote is left over after the final dot"),
        ("- mover_manager:status().", "column 1", "a dash, as before a line of a copied list"),
        ("– mover_manager:status().", "column 1", "a dash or a bullet"),
        ("mover_util:reset_org(Org, phase_2).", "column 22", "variable 'Org' is unbound"),
        ("X = 1,\nX = 2.", "line 2, column 1", "no match of right hand side value 2"),
        ("mover_util:reset_orgs(\n  [],\n  phase_2).", "line 2, column 3", "a list of orgs"),
        ("mover_util:reset_org(mover_manager:status(), phase_2).", "column 22", "this call acts"),
        ("mover_org_darklaunch:org_to_sql(<<\"acme>>, [c]).", "column 35", "this quote is never closed"),
        ("[a|b].", "column 3", "lists with a tail"),
        ("?MODULE:status().", "column 1", "macros"),
        ("1 + 2.", "column 3", "arithmetic"),
        ("99999999999999999999.", "column 1", "too big"),
    ] {
        let told = mistake(text);
        assert!(told.starts_with(&format!("{place}: ")) && told.contains(problem), "{text:?}: {told}");
    }
}

#[test]
fn erlang_is_told_from_commands() {
    for line in
        ["mover_manager:status().", "A = 1.", "rr(\"x\").", "{a}.", "- l(m).", "`f().`", "% a comment", "AccountInfo."]
    {
        assert!(erlang::is_erlang(line), "{line}");
    }
    for line in [
        "status",
        "migrate phase_2 all workers=8",
        "# a comment",
        "",
        "org acme",
        "redis-cli HGETALL dl_default",
        "orgs add A,b phase_2",
    ] {
        assert!(!erlang::is_erlang(line), "{line}");
    }
    assert!(!erlang::is_complete("mover_manager:migrate(all,"));
    assert!(erlang::is_complete("mover_manager:status(). % done"));
}

#[test]
fn answers_are_terms() {
    let status = json!({ "phase": "running", "migrated": 3, "rate": 0.5, "reason": null, "paused": false });
    let term = Term::from_json(&status).to_string();
    for part in ["{phase,<<\"running\">>}", "{migrated,3}", "{rate,0.5}", "{reason,undefined}", "{paused,false}"] {
        assert!(term.contains(part), "{term}");
    }
    assert_eq!(Reply::Count("ready").term(&json!({ "ready": 7 })).unwrap().to_string(), "{ok,7}");
    let orgs = json!({ "orgs": [{ "org": "a", "state": "migrated" }, { "org": "b", "state": "ready" }] });
    assert_eq!(Reply::Unmigrated.term(&orgs).unwrap().to_string(), "[<<\"b\">>]");
    assert_eq!(Reply::busy().to_string(), "{error,busy_now}");
}

/// Word for word as the original system answered, whose scripts match these terms.
#[test]
fn answers_are_those_of_the_original_system() {
    let told = |reply: Reply, json: serde_json::Value| reply.term(&json).unwrap().to_string();
    let campaign = |phase: &str, requested: serde_json::Value| {
        json!({ "campaign": {
            "phase": phase, "requested": requested, "claimed": 5, "migrated": 2, "failed": 1, "in_flight": 2,
            "halted_by_failures": false,
        }})
    };
    assert_eq!(
        told(Reply::Status, campaign("running", json!(8))),
        "{ok,[{state,working},{orgs_completed,3},{objects_remaining,3},{objects_requested,8},{objects_in_progress,2},\
         {objects_failed,1},{fatal_stop,false}]}"
    );
    assert!(
        told(Reply::Status, campaign("running", json!(null)))
            .contains("{objects_remaining,all},{objects_requested,all}")
    );
    assert!(told(Reply::Status, campaign("halting", json!(null))).starts_with("{ok,[{state,halting},"));
    assert!(
        told(Reply::Waits, campaign("ended", json!(null)))
            .starts_with("[{state,ready},{orgs_completed,3},{objects_remaining,0}")
    );
    assert!(
        told(Reply::Status, json!({ "campaign": null }))
            .starts_with("{ok,[{state,ready},{orgs_completed,0},{objects_remaining,0}")
    );

    let was = |phase: &str, concurrency: u32| json!({ "was": { "phase": phase, "concurrency": concurrency } });
    assert_eq!(told(Reply::Halting, was("running", 8)), "{ok,halting}");
    assert_eq!(told(Reply::Halting, was("halting", 8)), "{error,not_now_dear}");
    assert_eq!(Reply::Halting.idle().unwrap().to_string(), "{error,not_now_dear}");
    assert_eq!(told(Reply::Concurrency(12), was("running", 8)), "{ok,modified,8}");
    assert_eq!(told(Reply::Concurrency(8), was("running", 8)), "{ok,no_change}");
    assert_eq!(Reply::Concurrency(8).idle().unwrap().to_string(), "{error,bad_state}");
    assert_eq!(
        told(Reply::InState("ready", "holding"), json!({ "ready": 0 })),
        "{error,not_in_expected_state,\"holding\"}"
    );
    assert_eq!(told(Reply::InState("ready", "holding"), json!({ "ready": 1 })), "ok");
    assert_eq!(told(Reply::Each("forced"), json!({ "forced": 2 })), "[ok,ok]");
    assert_eq!(told(Reply::Migrated, json!({ "orgs": [] })), "no_orgs_in_state");
}

fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        ".{1,12}".prop_map(Term::Atom),
        any::<i64>().prop_filter("its minus is no number", |number| *number != i64::MIN).prop_map(Term::Integer),
        ".{0,12}".prop_map(Term::Text),
        ".{0,12}".prop_map(Term::Binary),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Term::List),
            prop::collection::vec(inner, 0..4).prop_map(Term::Tuple),
        ]
    })
}

proptest! {
    #[test]
    fn a_term_that_is_shown_is_read_as_the_same_again(term in term()) {
        let forms = erlang::read(&format!("{term}.")).unwrap();
        prop_assert_eq!(Environment::default().meaning(&forms[0]).unwrap(), Meaning::Value(term));
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in "(?s).{0,60}|[a-zA-Z_:(){}<>\"'#=,. \n%|-]{0,80}") {
        erlang::is_erlang(&text);
        let mut environment = Environment::default();
        let read = erlang::read(&text);
        let read = read.and_then(|forms| forms.iter().try_for_each(|form| environment.meaning(form).map(drop)));
        if let Err(error) = read {
            let line = text.split('\n').nth(error.line() - 1).unwrap();
            prop_assert!(error.column() <= line.chars().count() + 1, "{error} in {text:?}");
        }
    }
}
