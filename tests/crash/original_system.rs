//! The runbooks of the original system: its calls in order, through the console and as a runbook; the shipped runbooks with the
//! same meaning; and the lessons of that system.

use std::collections::BTreeMap;

use tokio::io::AsyncWriteExt;

use super::program::{Program, eventually};
use super::quiet_stores::QuietStores;

/// Phase 2, with the calls as they are written there. `{first}` stands for the org that goes ahead.
const PHASE_2: &str = r#"
mover_manager:create_account_dets().
rr("lib/*moser*/ebin/*").
AccountInfo = mover_manager:get_account_dets().
moser_state_tracker:insert_one_org(moser_acct_processor:expand_org_info(#org_info{org_name = <<"{first}">>, account_info = AccountInfo}), mover_phase_2_migration_callback:migration_type()).
moser_state_tracker:ready_remaining_migration(mover_phase_2_migration_callback:migration_type()).
application:set_env(mover, sleep_time, 20).
mover_manager:migrate(all, 8, mover_phase_2_migration_callback).
mover_org_darklaunch:disable_org_creation().
mover_manager:create_account_dets().
application:set_env(mover, sleep_time, 0).
mover_manager:migrate(all, 1, mover_phase_2_prep_migration_callback).
application:set_env(mover, sleep_time, 5000).
/opt/redis/bin/redis-cli HMSET dl_default couchdb_containers false couchdb_groups false
mover_org_darklaunch:enable_org_creation().
application:set_env(mover, sleep_time, 20).
moser_state_tracker:ready_remaining_migration(mover_phase_2_migration_callback:migration_type()).
mover_manager:migrate(all, 8, mover_phase_2_migration_callback).
"#;

pub(crate) const WINDOW: &str = r#"
mover_org_darklaunch:orgs_503_endpoint_mode("true").
mover_manager:create_account_dets().
application:set_env(mover, sleep_time, 0).
mover_manager:migrate(all, 20, mover_org_migration_callback).
mover_manager:migrate(all, 20, mover_org_user_association_migration_callback).
mover_manager:migrate(all, 20, mover_org_user_invites_migration_callback).
mover_manager:migrate(all, 20, mover_global_groups_migration_callback).
mover_org_darklaunch:org_related_endpoints_to_couch("false").
mover_org_darklaunch:orgs_503_endpoint_mode("false").
"#;

/// Places in commands about all orgs, at which tests below kill Mover.
pub(crate) const OPERATOR_PLACES: [&str; 2] = ["prep.flags", "operator.desired"];

const WINDOW_TABLES: [&str; 4] = ["organizations", "org_user_associations", "org_user_invites", "global_groups"];

fn fields<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, String> {
    fields.into_iter().map(|(field, value)| (field.to_owned(), value.to_owned())).collect()
}

fn migrated(orgs: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([("migrated".to_owned(), orgs)])
}

impl QuietStores {
    fn phase_2(&self) -> String {
        PHASE_2.replace("{first}", self.orgs[0].name.as_str())
    }

    async fn assert_phase_2_is_done(&self, orgs: i64) {
        assert_eq!(self.states("phase_2").await, migrated(orgs));
        let on_new = fields([("couchdb_containers", "false"), ("couchdb_groups", "false")]);
        for org in &self.orgs {
            assert_eq!(self.flags(&format!("dl_org_{}", org.name)).await, on_new);
        }
        assert_eq!(self.flags("dl_default").await, on_new);
        assert_eq!(self.flags("dl_org__OC_INTERNAL_NO_ORG").await.get("disable_new_orgs"), None);
        for table in ["containers", "groups", "group_members"] {
            let (alike, rows) = self.alike(table).await;
            assert!(alike && rows > 0, "{table}");
        }
    }

    async fn assert_window_is_done(&self) {
        for migration in ["org", "org_user_association", "org_user_invites", "global_groups"] {
            let listed = self.exec(&format!("orgs list {migration}")).await;
            assert_eq!(self.states(migration).await, migrated(self.orgs.len() as i64), "{listed}");
        }
        for table in WINDOW_TABLES {
            let (alike, rows) = self.alike(table).await;
            assert!(alike && rows > 0, "{table}");
        }
        let routed = [
            ("couchdb_association_requests", "false"),
            ("couchdb_associations", "false"),
            ("couchdb_organizations", "false"),
            ("orgs_503_mode", "false"),
        ];
        assert_eq!(self.flags("dl_default").await, fields(routed));
        // All orgs were routed at once: none has flags of its own.
        assert_eq!(self.flags(&format!("dl_org_{}", self.orgs[0].name)).await, BTreeMap::new());
    }
}

#[tokio::test]
async fn phase_2_as_it_was_written_through_the_console() {
    let still = QuietStores::new().await;
    still.exec("migrate org all sleep=0").await.with_code(0);
    let done = still.console(&still.phase_2()).await.with_code(0);
    assert_eq!(done.answer.matches("{ok,burning_couches}").count(), 3, "{done}");
    assert!(done.answer.contains("[org_info]\naccount_info\nok\n{ok,1}\nok\n{ok,burning_couches}"), "{done}");
    assert!(done.answer.contains("{ok,5}"), "{done}");
    still.assert_phase_2_is_done(6).await;
}

#[tokio::test]
async fn the_window_as_it_was_written_through_the_console_and_back_to_the_beginning() {
    let still = QuietStores::new().await;
    let done = still.console(WINDOW).await.with_code(0);
    assert_eq!(done.answer.matches("{ok,burning_couches}").count(), 4, "{done}");
    still.assert_window_is_done().await;

    let back = "mover_org_darklaunch:org_related_endpoints_to_couch(\"true\").\nl(moser_chef_converter).\n\
                moser_chef_converter:delete_all_org_and_global_groups_data().\n";
    still.console(back).await.with_code(0);
    for table in WINDOW_TABLES {
        assert_eq!(still.alike(table).await.1, 0, "{table}");
    }
    assert_eq!(still.flags("dl_default").await["couchdb_organizations"], "true");
    assert_eq!(still.states("org").await, BTreeMap::from([("rolled_back".to_owned(), 6)]));
}

#[tokio::test]
async fn both_as_runbooks_with_the_calls_in_them() {
    let still = QuietStores::new().await;
    let source = format!("# Window\n\n```mover\n{WINDOW}```\n\n# Phase 2\n\n```mover\n{}```\n", still.phase_2());
    std::fs::write(still.dir().join("original.md"), source).unwrap();
    still.mover(&["run", "original.md"]).await.with_code(0);
    assert_eq!(still.states("phase_2").await, migrated(6));
    // Both add to the same default.
    assert_eq!(still.flags("dl_default").await.len(), 6);
    let history = still.exec("history limit=100").await.with_code(0);
    assert!(history.answer.contains("run 1") && history.answer.contains("migrate global_groups all"), "{history}");
}

#[tokio::test]
async fn copied_text_that_is_not_quite_a_call_is_explained_and_changes_nothing() {
    let still = QuietStores::new().await;
    let lines = "mover_org_darklaunch:disable_org_creation().'\n- application:set_env(mover, sleep_time, 0).\n\
                 `mover_org_darklaunch:disable_org_creation().`\nmover_org_darklaunch:disable_org_creations().\n\
                 mover_org_darklaunch:org_to_sql(<<“acme”>>, [groups]).\nmover_manager:migrate(some, 8, mover_phase_2_migration_callback).\n";
    let arguments = ["console", "--yes", "--keep-going"];
    let refused = Program::fed(still.dir(), &arguments, None, lines).end().await.with_code(1);
    for told in [
        "column 45: a quote is left over after the final dot",
        "column 1: a dash, as before a line of a copied list",
        "column 1: a backquote, as in copied Markdown",
        "** exception error: undefined function mover_org_darklaunch:disable_org_creations/0",
        "there is mover_org_darklaunch:disable_org_creation/0",
        "a typographic quote, as in copied text: write \"",
        "how many orgs: all, or a number from 1 on, not some",
    ] {
        assert!(refused.said.contains(told), "{told}: {refused}");
    }
    assert_eq!(still.flags("dl_org__OC_INTERNAL_NO_ORG").await, BTreeMap::new());
}

#[tokio::test]
async fn the_shipped_runbooks_of_phase_2_and_of_the_window() {
    let still = QuietStores::new().await;
    let shipped = |name: &str| format!("{}/runbooks/{name}", env!("CARGO_MANIFEST_DIR"));
    still.mover(&["run", &shipped("org_downtime_window.md"), "--yes"]).await.with_code(0);
    still.assert_window_is_done().await;
    still.mover(&["run", "--rollback", "1", "--yes"]).await.with_code(0);
    for table in WINDOW_TABLES {
        assert_eq!(still.alike(table).await.1, 0, "{table}");
    }
    assert_eq!(still.flags("dl_default").await["couchdb_organizations"], "true");
    // And once more, from the beginning.
    for migration in ["org", "org_user_association", "org_user_invites", "global_groups"] {
        let names: Vec<_> = still.orgs.iter().map(|org| org.name.as_str()).collect();
        still.exec(&format!("retry {migration} {}", names.join(","))).await.with_code(0);
    }
    still.mover(&["run", &shipped("org_downtime_window.md"), "--yes"]).await.with_code(0);
    still.assert_window_is_done().await;

    let none =
        "darklaunch default couchdb_organizations= couchdb_associations= couchdb_association_requests= orgs_503_mode=";
    still.exec(none).await.with_code(0);
    let first = format!("first={}", still.orgs[0].name);
    let arguments = ["run", &shipped("phase_2.md"), "--var", &first, "--var", "sleep=20", "--yes", "--allow-shell"];
    still.mover(&arguments).await.with_code(0);
    still.assert_phase_2_is_done(6).await;
}

#[tokio::test]
async fn the_shipped_runbooks_of_a_canary_and_of_an_upgrade() {
    let still = QuietStores::new().await;
    let shipped = |name: &str| format!("{}/runbooks/{name}", env!("CARGO_MANIFEST_DIR"));
    let online = "migration=whole_org";
    still.mover(&["run", &shipped("canary.md"), "--var", online, "--yes"]).await.with_code(0);
    assert_eq!(still.states("whole_org").await, migrated(6));
    still.mover(&["run", "--rollback", "1", "--yes"]).await.with_code(0);
    assert_eq!(still.states("whole_org").await, BTreeMap::from([("rolled_back".to_owned(), 6)]));
    // Its guard would refuse writes in the target, to which another migration moves the orgs next.
    still.mover(&["guard", "remove", "new", "whole_org"]).await.with_code(0);
    let upgrade = shipped("upgrade_stage1_stage2.md");
    let arguments = ["run", &upgrade, "--var", "migration=whole_org_offline", "--allow-shell"];
    still.mover(&arguments).await.with_code(0);
    assert_eq!(still.states("whole_org_offline").await, migrated(6));
}

#[tokio::test]
async fn a_window_is_killed_everywhere_and_comes_to_its_end() {
    let still = QuietStores::new().await;
    let names = still.orgs.iter().map(|org| org.name.as_str()).collect::<Vec<_>>().join(",");
    let places = [
        ("claim.written", "discard.begin"),
        ("drain.begin", "discard.before_commit"),
        ("drain.done", "discard.committed"),
        ("copy.before_commit", "discard.done"),
        ("copy.committed", "discard.begin"),
        ("verify.begin", "discard.committed"),
        ("verify.done", "discard.done"),
        ("migrated.written", "discard.begin"),
    ];
    for (there, back) in places {
        let killed = |command, place| Program::start(still.dir(), &["exec", "--yes", command], Some(place)).end();
        killed("migrate org all sleep=0", there).await.by_sigkill();
        still.exec("resume").await.with_code(0);
        assert_eq!(
            (still.states("org").await, still.alike("organizations").await),
            (migrated(6), (true, 6)),
            "{there}"
        );
        killed("rollback org all", back).await.by_sigkill();
        still.exec("resume").await.with_code(0);
        assert_eq!(still.states("org").await, BTreeMap::from([("rolled_back".to_owned(), 6)]), "{back}");
        assert_eq!(still.alike("organizations").await.1, 0, "{back}");
        still.exec(&format!("retry org {names}")).await.with_code(0);
    }
    // No org got flags of its own.
    assert_eq!(still.flags(&format!("dl_org_{}", still.orgs[0].name)).await, BTreeMap::new());
}

/// Statements for each org: once for each, whenever Mover is killed; checked; and undone.
#[tokio::test]
async fn steps_of_sql_are_carried_out_once_for_each_org() {
    let still = QuietStores::new().await;
    let (shipped, own) = (concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"), still.dir().join("own"));
    std::fs::create_dir(&own).unwrap();
    let definition = |sql: &str, undo: &str| {
        let head = "name = 'marks'\nkind = 'steps'\nfrom = 'old'\nto = 'new'\n[org]\ntable = 'organizations'\nname = 'name'\nkey = 'id'\n";
        let check = "SELECT count(*) = 1 FROM client_writes WHERE org_id = $1::uuid";
        let text = format!("{head}[[step]]\nname = 'mark'\nsql = \"{sql}\"\ncheck = '{check}'\n{undo}");
        std::fs::write(own.join("marks.toml"), text).unwrap();
    };
    let config = std::fs::read_to_string(still.dir().join("mover.toml")).unwrap();
    std::fs::write(still.dir().join("mover.toml"), config.replace(shipped, own.to_str().unwrap())).unwrap();
    let unfenced = still.new_store().await;
    unfenced.batch_execute("ALTER TABLE client_writes DROP CONSTRAINT client_writes_org_id_fkey").await.unwrap();

    definition("INSERT INTO client_writes SELECT $1::uuid, 1, 1, now(), nowhere", "");
    let refused = still.exec("check").await;
    assert!(refused.answer.contains("step mark") && refused.answer.contains("nowhere"), "{refused}");
    definition("INSERT INTO client_writes SELECT $1::uuid, n, 1, now(), 'x' FROM generate_series(1, 2) n", "");
    let failed = still.exec("migrate marks all sleep=0").await.with_code(1);
    assert!(failed.said.contains("its check does not hold"), "{failed}");
    assert_eq!(still.alike("client_writes").await.1, 0);

    definition("INSERT INTO client_writes SELECT $1::uuid, 1, 1, now(), 'x'", "");
    for place in ["copy.before_commit", "copy.committed", "verify.done"] {
        still.exec("retry marks failed").await.with_code(0);
        Program::start(still.dir(), &["exec", "migrate marks 2 workers=1 sleep=0"], Some(place))
            .end()
            .await
            .by_sigkill();
        still.exec("resume").await.with_code(0);
    }
    assert_eq!((still.states("marks").await, still.alike("client_writes").await.1), (migrated(6), 6));
    let refused = still.exec("rollback marks all").await.with_code(1);
    assert!(refused.said.contains("step \"mark\" of marks has no undo"), "{refused}");
    definition(
        "INSERT INTO client_writes SELECT $1::uuid, 1, 1, now(), 'x'",
        "undo = 'DELETE FROM client_writes WHERE org_id = $1::uuid'",
    );
    Program::start(still.dir(), &["exec", "--yes", "rollback marks all"], Some("discard.committed"))
        .end()
        .await
        .by_sigkill();
    still.exec("resume").await.with_code(0);
    assert_eq!(still.alike("client_writes").await.1, 0);
}

/// Scripts of that time match these terms.
#[tokio::test]
async fn the_manager_and_the_tracker_answer_as_they_did() {
    let still = QuietStores::new().await;
    still.exec("orgs capture phase_2").await.with_code(0);
    let lines = "mover_manager:halt_actions().\nmover_manager:set_concurrency(3).\nmover_manager:status().\n\
                 moser_state_tracker:ready_migration(<<\"org_0001\">>).\nmoser_state_tracker:ready_migration(<<\"org_0001\">>).\n\
                 mover_util:populate_xdl_with_unmigrated_orgs().\nmover_util:wait_for_status().\n\
                 moser_state_tracker:migrated_orgs(phase_2).\n";
    let arguments = ["console", "--yes", "--keep-going"];
    let told = Program::fed(still.dir(), &arguments, None, lines).end().await.with_code(1);
    let ready = "[{state,ready},{orgs_completed,0},{objects_remaining,0},{objects_requested,0},{objects_in_progress,0},\
                 {objects_failed,0},{fatal_stop,false}]";
    let expected = format!(
        "{{error,not_now_dear}}\n{{error,bad_state}}\n{{ok,{ready}}}\nok\n{{error,not_in_expected_state,\"holding\"}}\n\
         [ok,ok,ok,ok,ok,ok]\n{ready}\nno_orgs_in_state\n"
    );
    assert_eq!(told.answer, expected, "{told}");
    // What an org's own flags say already stays.
    let on_old = fields([("couchdb_containers", "true"), ("couchdb_groups", "true")]);
    assert_eq!(still.flags("dl_org_org_0006").await, on_old);
    let again = still.exec("orgs force-old phase_2").await.with_code(0);
    assert!(again.answer.contains("0 orgs are forced") && again.answer.contains("6 had such flags"), "{again}");
}

/// The flag comes first: killed in between, an org is routed to the old store and not captured, and the next try completes it.
#[tokio::test]
async fn lesson_07_a_crash_in_prep_misroutes_nobody() {
    let still = QuietStores::new().await;
    let prep = ["exec", "migrate phase_2_prep all"];
    Program::start(still.dir(), &prep, Some(OPERATOR_PLACES[0])).end().await.by_sigkill();
    assert_eq!(still.states("phase_2").await, BTreeMap::new());
    let on_old = fields([("couchdb_containers", "true"), ("couchdb_groups", "true")]);
    for org in &still.orgs {
        assert_eq!(still.flags(&format!("dl_org_{}", org.name)).await, on_old);
    }
    still.mover(&prep).await.with_code(0);
    assert_eq!(still.states("phase_2").await, BTreeMap::from([("holding".to_owned(), 6)]));
    // Known orgs are left alone.
    let again = still.mover(&prep).await.with_code(0);
    assert!(again.answer.contains("0 orgs are forced") && again.answer.contains("6 were known"), "{again}");
}

#[tokio::test]
async fn prep_is_refused_while_flags_cannot_be_written() {
    let still = QuietStores::new().await;
    still.exec("flags check").await.with_code(0);
    still.stop_redis().await;
    let refused = still.exec("migrate phase_2_prep all").await.with_code(1);
    assert!(refused.said.contains("Redis cannot be reached"), "{refused}");
    assert_eq!(still.states("phase_2").await, BTreeMap::new());
    still.start_redis().await;
    still.exec("migrate phase_2_prep all").await.with_code(0);
    assert_eq!(still.states("phase_2").await, BTreeMap::from([("holding".to_owned(), 6)]));
}

/// Orgs that join while a console is open are captured by that same console.
#[tokio::test]
async fn lesson_11_the_list_of_orgs_is_never_old() {
    let still = QuietStores::new().await;
    still.exec("flags check").await.with_code(0);
    let (console, mut stdin) = Program::open(still.dir(), &["console"], None);
    stdin.write_all(b"orgs capture phase_2\n").await.unwrap();
    let six = BTreeMap::from([("holding".to_owned(), 6)]);
    eventually("six orgs are captured", async || still.states("phase_2").await == six).await;
    still.sign_up("latecomer").await;
    let lines = "mover_manager:create_account_dets().\nmoser_state_tracker:capture_full_org_state_list(all, phase_2).\n\
                 moser_state_tracker:unmigrated_orgs(phase_2).\ndarklaunch org-creation off\norgs capture phase_2\n";
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    let done = console.end().await.with_code(0);
    assert!(done.answer.contains("<<\"latecomer\">>") && done.answer.contains("7 were known"), "{done}");
    // Once, while orgs could still be made.
    assert_eq!(done.answer.matches("orgs can be created while this goes on").count(), 1, "{done}");
}

/// All three or none, in one write to Redis, whichever is requested.
#[tokio::test]
async fn lesson_16_flags_that_belong_together_are_set_by_one_call() {
    let still = QuietStores::new().await;
    still.console("mover_org_darklaunch:org_related_endpoints_to_couch(\"true\").\n").await.with_code(0);
    let before = still.flags("dl_default").await;
    assert_eq!(before.len(), 3);
    let call = "mover_org_darklaunch:org_related_endpoints_to_couch(\"false\").\n";
    let arguments = ["console", "--yes"];
    Program::fed(still.dir(), &arguments, Some(OPERATOR_PLACES[1]), call).end().await.by_sigkill();
    assert_eq!(still.flags("dl_default").await, before);
    // It was decided: the next Mover writes all of it to Redis.
    still.exec("flags repair").await.with_code(0);
    assert!(still.flags("dl_default").await.values().all(|value| value == "false"));
}

#[tokio::test]
async fn dangerous_commands_are_not_carried_out_unasked() {
    let still = QuietStores::new().await;
    still.exec("orgs capture whole_org").await.with_code(0);
    still.exec("orgs ready whole_org all").await.with_code(0);
    still.exec("migrate whole_org all").await.with_code(0);
    for (command, told) in [
        ("rollback whole_org all", "6 orgs of whole_org go back from new to old"),
        ("finalize whole_org 2", "The way back is closed for 2 orgs of whole_org"),
        (
            "darklaunch default cell=new",
            "dl_default, which holds for every org without such a flag of its own: cell absent -> \"new\"",
        ),
        ("darklaunch orgs-503 on", "orgs_503_mode absent -> \"true\""),
    ] {
        let refused = still.mover(&["exec", command]).await.with_code(1);
        assert!(refused.said.contains(told) && refused.said.contains("--yes"), "{refused}");
    }
    assert_eq!(still.states("whole_org").await, migrated(6));
    assert_eq!(still.flags("dl_default").await, BTreeMap::new());
    let history = still.mover(&["exec", "history"]).await.with_code(0);
    assert!(!history.answer.contains("rollback"), "what was not carried out is not in the history: {history}");
    assert!(history.answer.contains("migrate whole_org all") && history.answer.contains("exec"), "{history}");
}

#[tokio::test]
async fn a_second_campaign_is_refused_and_the_first_goes_on() {
    let still = QuietStores::new().await;
    for command in ["orgs capture whole_org_offline", "orgs ready whole_org_offline all"] {
        still.exec(command).await.with_code(0);
    }
    let mut first = Program::start(still.dir(), &["exec", "migrate whole_org_offline all workers=1 sleep=400"], None);
    first.says("whole_org_offline").await;
    let second = "mover_manager:migrate(all, 8, mover_whole_org_offline_migration_callback).\nmover_manager:ping().\n";
    // What follows a refusal in a script is not carried out, unless that is wanted.
    let told = still.console(second).await.with_code(1);
    assert_eq!(told.answer, "{error,busy_now}\n", "{told}");
    let told = Program::fed(still.dir(), &["console", "--keep-going"], None, second).end().await.with_code(1);
    assert!(told.answer.contains("{error,busy_now}\npong"), "{told}");
    first.end().await.with_code(0);
    assert_eq!(still.states("whole_org_offline").await, migrated(6));
}
