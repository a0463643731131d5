//! A failover that lost commits, a store restored from a dump, a move log restored from a backup, and stores that were changed by
//! hand: noticed, and nothing moves until an operator has decided.

use std::process::Command;

use mover::embedded::ServerKind::Postgres;
use tokio_postgres::Client;

use super::gate::Gate;
use super::program::{Ended, eventually};
use super::world::{ONLINE, ORGS, World, connect};

/// The server comes back as a standby that was promoted does: on a new timeline.
async fn fail_over(world: &World) {
    let directory: String = world.old_store().await.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    world.servers.kill9(Postgres).await.unwrap();
    std::fs::write(format!("{directory}/standby.signal"), "").unwrap();
    world.servers.start_again(Postgres).await.unwrap();
    let promoted: bool = world.old_store().await.query_one("SELECT pg_promote()", &[]).await.unwrap().get(0);
    assert!(promoted);
}

/// A database as `pg_dump` writes it.
fn dump(world: &World, database: &str) -> Vec<u8> {
    let output =
        Command::new("pg_dump").args(["--format=custom", &world.servers.postgres_url(database)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Replaces a database by one that is restored from its dump. Clients write all the time, so it gets its name in the end.
async fn restore(world: &World, database: &str, dump: &[u8]) {
    world.servers.ensure_database("restored").await.unwrap();
    let file = world.dir().join("dump");
    std::fs::write(&file, dump).unwrap();
    let url = world.servers.postgres_url("restored");
    let output = Command::new("pg_restore").arg("--dbname").arg(&url).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.servers.drop_database(database).await.unwrap();
    let rename = format!("ALTER DATABASE restored RENAME TO {database}");
    run(&connect(&world.servers.postgres_url("postgres")).await, &rename).await;
}

async fn doctor(world: &World, code: i32) -> Ended {
    world.mover(&["doctor"]).await.with_code(code)
}

async fn accept(world: &World) {
    for store in ["old", "new"] {
        world.mover(&["doctor", "--accept", store]).await.with_code(0);
    }
}

/// What is said of the stores everywhere, and that no campaign begins.
async fn assert_noticed(world: &World, says: &str) {
    let before = world.states().await;
    for aim in ["migrate", "rollback", "finalize"] {
        let refused = world.exec(&format!("{aim} {ONLINE} all")).await;
        assert_ne!(refused.status.code(), Some(0), "{refused}");
        if aim == "migrate" {
            for part in [says, "mover doctor --accept old"] {
                assert!(refused.said.contains(part), "{part}: {refused}");
            }
        }
    }
    assert_eq!(world.states().await, before);
    let health = world.mover(&["health"]).await.with_code(2);
    assert!(health.answer.contains(says), "{health}");
    let checked = world.mover(&["check"]).await.with_code(1);
    assert!(checked.answer.contains(says), "{checked}");
    let found = doctor(world, 1).await;
    assert!(found.answer.contains(says), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_campaign_begins_after_a_failover_until_an_operator_has_accepted_it() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org 2").await.with_code(0);
    fail_over(&world).await;
    assert_noticed(&world, "another server has taken over, or a backup was replayed (timeline 1, now 2)").await;
    accept(&world).await;
    doctor(&world, 0).await;
    world.exec("migrate whole_org all").await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_campaign_notices_a_failover_and_moves_nothing() {
    let world = World::ready(ONLINE).await;
    world.install_guard().await;
    let gate = Gate::in_copy(&world).await;
    let mut campaign = world.start("migrate whole_org all workers=1");
    gate.is_reached().await;
    fail_over(&world).await;
    campaign.says("another server has taken over").await;
    let states = world.states().await;
    assert!(!states.contains_key("migrated"), "{states:?}");
    let accepted = world.mover(&["doctor", "--accept", "old"]).await.with_code(0);
    assert!(accepted.answer.contains("since it refuses the store as it is now, then: mover exec resume"), "{accepted}");
    campaign.kill9().await.by_sigkill();
    let refused = world.exec("resume").await.with_code(1);
    assert!(refused.said.contains("another server has taken over"), "{refused}");
    let states = world.states().await;
    assert!(!states.contains_key("migrated") && !states.contains_key("failed"), "{states:?}");
    world.mover(&["doctor", "--accept", "new"]).await.with_code(0);
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_restored_from_an_older_dump_is_noticed_and_doctor_says_which_orgs_are_in_both() {
    let world = World::ready(ONLINE).await;
    let dump = dump(&world, "old");
    world.exec("migrate whole_org 3").await.with_code(0);
    restore(&world, "old", &dump).await;
    assert_noticed(&world, "its database was created anew, from a dump perhaps").await;
    let found = doctor(&world, 1).await;
    let both =
        "both stores accept writes of the org (source: nothing, target: capturing), but the move log has it migrated";
    assert_eq!(found.answer.matches(both).count(), 3, "{found}");
    let health = world.mover(&["health"]).await.with_code(2);
    assert!(health.answer.contains("orgs that are not safe where they live: 3"), "{health}");
    // The operator's decision is about the store; the orgs are still where they should not be.
    accept(&world).await;
    doctor(&world, 1).await;
    world.mover(&["health"]).await.with_code(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_restored_into_its_database_is_noticed_by_its_epochs() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org 1").await.with_code(0);
    let keep = "CREATE TABLE public.kept AS SELECT * FROM mover.org_guard";
    world.old_store().await.batch_execute(keep).await.unwrap();
    world.exec("migrate whole_org 2").await.with_code(0);
    // The next campaign sees how far the store has come.
    world.exec("migrate whole_org 1").await.with_code(0);
    let restore =
        "TRUNCATE mover.org_guard; INSERT INTO mover.org_guard SELECT * FROM public.kept; DROP TABLE public.kept";
    world.old_store().await.batch_execute(restore).await.unwrap();
    assert_noticed(&world, "it was restored from a backup or a dump").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_log_restored_from_a_backup_is_noticed_and_doctor_says_where_orgs_are() {
    let world = World::ready(ONLINE).await;
    let dump = dump(&world, "mover");
    world.exec("migrate whole_org 3").await.with_code(0);
    restore(&world, "mover", &dump).await;
    assert_noticed(&world, "the move log was restored from a backup").await;
    let found = doctor(&world, 1).await;
    let wrong =
        "the wrong store accepts writes of the org (source: moved, target: capturing), but the move log has it ready";
    assert_eq!(found.answer.matches(wrong).count(), 3, "{found}");
    world.mover(&["health"]).await.with_code(2);
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_doctor_know_when_the_wrong_set_of_stores_accepts_writes() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    doctor(&world, 0).await;
    world.mover(&["health"]).await.with_code(0);
    let (old, new) = (world.old_store().await, world.new_store().await);
    let key = world.orgs[0].id.to_string();
    let set = |mode: &str| format!("UPDATE mover.org_guard SET mode = '{mode}' WHERE org_key = '{key}'");
    let forget = format!("DELETE FROM mover.org_guard WHERE org_key = '{key}'");
    let cases = [
        (&old, set("settled"), "both stores accept writes of the org (source: settled, target: capturing)"),
        (&old, forget.clone(), "both stores accept writes of the org (source: nothing, target: capturing)"),
        (
            &new,
            set("incoming"),
            "no store accepts writes of the org (source: moved, target: incoming), and nobody moves it",
        ),
        (&new, set("moved"), "no store accepts writes of the org (source: moved, target: moved), and nobody moves it"),
    ];
    for (client, sql, says) in cases {
        run(client, "CREATE TABLE public.kept AS SELECT * FROM mover.org_guard").await;
        run(client, &sql).await;
        let found = world.mover(&["doctor", "--fix"]).await.with_code(1);
        assert!(found.answer.contains(says) && found.answer.contains("nothing was changed"), "{says}: {found}");
        let health = world.mover(&["health"]).await.with_code(2);
        assert!(health.answer.contains(says), "{says}: {health}");
        run(client, "TRUNCATE mover.org_guard; INSERT INTO mover.org_guard SELECT * FROM kept; DROP TABLE kept").await;
    }
    doctor(&world, 0).await;
    world.mover(&["health"]).await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_doctor_know_tables_that_are_not_guarded_while_orgs_live_elsewhere() {
    let world = World::ready(ONLINE).await;
    let old = world.old_store().await;
    run(&old, "ALTER TABLE nodes DISABLE TRIGGER ALL; ALTER TABLE nodes ENABLE TRIGGER ALL").await;
    world.exec("migrate whole_org 2").await.with_code(0);
    for (spoil, mend) in [
        ("ALTER TABLE nodes DISABLE TRIGGER ALL", "ALTER TABLE nodes ENABLE TRIGGER ALL"),
        (
            "ALTER TABLE nodes DISABLE TRIGGER mover_guard_whole_org_update",
            "ALTER TABLE nodes ENABLE TRIGGER mover_guard_whole_org_update",
        ),
        (
            "ALTER TABLE nodes RENAME TO nodes_before; CREATE TABLE public.nodes (LIKE nodes_before INCLUDING ALL)",
            "DROP TABLE nodes; ALTER TABLE nodes_before RENAME TO nodes",
        ),
        (
            "ALTER TABLE nodes RENAME TO nodes_before; ALTER TABLE cookbooks RENAME TO nodes; ALTER TABLE nodes_before RENAME TO cookbooks",
            "ALTER TABLE cookbooks RENAME TO nodes_before; ALTER TABLE nodes RENAME TO cookbooks; ALTER TABLE nodes_before RENAME TO nodes",
        ),
        ("SELECT setval('mover.watched_text', 0)", "SELECT mover.watch_anew()"),
    ] {
        run(&old, spoil).await;
        let found = doctor(&world, 1).await;
        assert!(found.answer.contains("public.nodes") || spoil.contains("setval"), "{spoil}: {found}");
        assert!(found.answer.contains("in old are not guarded"), "{spoil}: {found}");
        let health = world.mover(&["health"]).await.with_code(2);
        assert!(health.answer.contains("mover guard install old whole_org"), "{spoil}: {health}");
        run(&old, mend).await;
        doctor(&world, 0).await;
        world.mover(&["health"]).await.with_code(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn once_all_orgs_are_finalized_the_guard_can_be_removed() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    let kept = world.mover(&["guard", "remove", "old"]).await.with_code(1);
    assert!(kept.said.contains(&format!("{ORGS} orgs of whole_org live in the other store")), "{kept}");
    world.exec("finalize whole_org all").await.with_code(0);
    for store in ["old", "new"] {
        world.mover(&["guard", "remove", store]).await.with_code(0);
        let sql = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'mover%'";
        let client = if store == "old" { world.old_store().await } else { world.new_store().await };
        let left = async || client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0;
        eventually("no trigger is left", left).await;
        doctor(&world, 0).await;
        world.mover(&["health"]).await.with_code(0);
    }
    // Installed again, for other orgs, it knows those that have left.
    for store in ["old", "new"] {
        world.mover(&["guard", "install", store]).await.with_code(0);
        doctor(&world, 0).await;
        world.mover(&["health"]).await.with_code(0);
    }
    let late = "INSERT INTO organizations (id, name, full_name, created_at, settings) VALUES ($1, 'late', 'late', now(), '{}')";
    let refused = world.old_store().await.execute(late, &[&world.orgs[0].id]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "MV001");
    world.assert_all_finalized().await;
}

/// The move log says of the org what was true before its move.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_move_log_was_restored_a_backup_is_loaded_as_the_guards_say() {
    let world = World::ready(ONLINE).await;
    let (dump, org) = (dump(&world, "mover"), &world.orgs[2].name);
    world.exec(&format!("migrate whole_org {org}")).await.with_code(0);
    world.exec(&format!("finalize whole_org {org}")).await.with_code(0);
    restore(&world, "mover", &dump).await;
    accept(&world).await;
    let file = std::fs::read_dir(world.dir().join("backups")).unwrap().next().unwrap().unwrap().path();
    let file = file.display().to_string();
    let restored = world.mover(&["restore", &file, "--to", "old", "--unsigned"]).await.with_code(0);
    for part in ["the wrong store accepts writes of the org (source: moved, target: ", "Next: mover doctor"] {
        assert!(restored.answer.contains(part), "{part}\n{restored}");
    }
    assert!(!restored.answer.contains("lives in old"), "{restored}");
}

/// The rows of finalized orgs are in no store then.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_finalized_orgs_of_which_a_restored_target_knows_nothing() {
    let world = World::ready(ONLINE).await;
    world.install_guard().await;
    let (dump, org) = (dump(&world, "new"), &world.orgs[2].name);
    world.exec(&format!("migrate whole_org {org}")).await.with_code(0);
    world.exec(&format!("finalize whole_org {org}")).await.with_code(0);
    restore(&world, "new", &dump).await;
    let found = doctor(&world, 1).await;
    assert!(
        found.answer.contains(&format!("{org}: it is finalized, and new, which is not the store that it was")),
        "{found}"
    );
    // Removing what is not there is no decision about the store.
    let refused = world.mover(&["guard", "remove", "new", "whole_org"]).await.with_code(1);
    assert!(refused.said.contains("mover doctor --accept new"), "{refused}");
    doctor(&world, 1).await;
}

/// Put back in place, it is the same database, and no newer campaign has looked at it.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_names_orgs_whose_target_is_of_an_earlier_round() {
    let world = World::ready(ONLINE).await;
    let org = &world.orgs[2].name;
    world.exec(&format!("migrate whole_org {org}")).await.with_code(0);
    let keep = "CREATE TABLE public.kept AS SELECT * FROM mover.org_guard";
    world.new_store().await.batch_execute(keep).await.unwrap();
    world.exec(&format!("finalize whole_org {org}")).await.with_code(0);
    let restore =
        "TRUNCATE mover.org_guard; INSERT INTO mover.org_guard SELECT * FROM public.kept; DROP TABLE public.kept";
    world.new_store().await.batch_execute(restore).await.unwrap();
    let found = doctor(&world, 1).await;
    assert!(found.answer.contains("the target is of an earlier time than the org's move there"), "{found}");
    let health = world.mover(&["health"]).await.with_code(2);
    assert!(health.answer.contains("orgs that are not safe where they live: 1"), "{health}");
}
