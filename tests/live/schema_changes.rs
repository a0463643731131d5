//! Schemas that are changed, and stores that crash, while orgs are on their way.

use std::process::Command;
use std::time::Duration;

use crate::one_org::OneOrg;
use mover::engine::PgEngine;
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use tokio_postgres::Client;

use crate::world::{World, backups, blocked, copied, lease, moved, proven, refusal, restored, store, switched, via};

const ADD: &str = "ALTER TABLE groups ADD COLUMN note text";

/// An engine that looks at the schemas whenever it needs a plan.
fn watchful(world: &World) -> PgEngine {
    world.engine().with_plan_age(Duration::ZERO)
}

async fn in_both(world: &World, sql: &str) {
    for client in [&world.old, &world.new] {
        client.batch_execute(sql).await.unwrap();
    }
}

/// Copied, caught up, and found equal.
async fn ready_to_switch(engine: &PgEngine, lease: &Lease) {
    copied(engine, lease).await;
    engine.catch_up(lease, Way::Forward).await.unwrap();
    proven(&engine.compare(lease, Way::Forward).await.unwrap());
}

/// Tries to switch until it is refused for good.
async fn refused_switch(engine: &PgEngine, lease: &Lease) -> String {
    loop {
        match engine.block(lease, Way::Forward).await {
            Ok(_) => panic!("it was not refused"),
            Err(error) if error.transient => {}
            Err(error) => return error.reason,
        }
    }
}

/// The effect of an abort, and what must be left of it.
async fn taken_back(world: &World, engine: &PgEngine, lease: &Lease) {
    engine.release(lease).await.unwrap();
    engine.discard(lease).await.unwrap();
    assert_eq!(world.modes(lease.key.as_str()).await, ("settled".into(), "discarded".into()));
    assert!(world.rows(&world.new, lease.key.as_str()).await.is_empty());
}

#[tokio::test]
async fn orgs_that_come_later_bring_a_column_that_was_added_in_both_stores() {
    let world = World::start().await;
    let engine = watchful(&world);
    moved(&engine, &lease("1", 1)).await;
    in_both(&world, ADD).await;
    world.old.batch_execute("UPDATE groups SET note = 'kept' WHERE org = 2").await.unwrap();
    moved(&engine, &lease("2", 2)).await;
    assert_eq!(world.count(&world.new, "groups WHERE org = 2 AND note = 'kept'").await, 12);
    world.assert_alike("2").await;
}

#[tokio::test]
async fn a_column_that_only_the_source_has_lets_no_org_pass_and_says_what_to_do() {
    let world = World::start().await;
    let engine = watchful(&world);
    ready_to_switch(&engine, &lease("1", 1)).await;
    world.old.batch_execute(ADD).await.unwrap();
    let remedy = "ALTER TABLE \"public\".\"groups\" ADD COLUMN \"note\" text";
    for reason in [refusal(engine.capture(&lease("2", 2)).await), refused_switch(&engine, &lease("1", 1)).await] {
        assert!(reason.contains("column public.groups.note was added in old") && reason.contains(remedy), "{reason}");
    }
    taken_back(&world, &engine, &lease("1", 1)).await;
    world.new.batch_execute(remedy).await.unwrap();
    moved(&engine, &lease("1", 3)).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_harmless_change_before_the_switch_costs_another_comparison() {
    let world = World::start().await;
    let engine = world.engine();
    ready_to_switch(&engine, &lease("1", 1)).await;
    in_both(&world, "CREATE INDEX ON groups (name); ALTER TABLE groups ADD COLUMN note text DEFAULT 'none'").await;
    switched(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
    assert_eq!(world.count(&world.new, "groups WHERE org = 1 AND note = 'none'").await, 12);
}

#[tokio::test]
async fn a_change_while_writers_wait_lets_them_go_on() {
    let world = World::start().await;
    let engine = world.engine();
    ready_to_switch(&engine, &lease("1", 1)).await;
    let mut block = blocked(&engine, &lease("1", 1)).await;
    in_both(&world, "ALTER TABLE groups ADD COLUMN token uuid DEFAULT gen_random_uuid()").await;
    let error = block.leave().await.unwrap_err();
    assert!(error.transient && error.reason.contains("a schema was changed"), "{error}");
    drop(block);
    world.old.batch_execute("UPDATE accounts SET touched = 5 WHERE org = 1").await.unwrap();
    let reason = refused_switch(&engine, &lease("1", 1)).await;
    assert!(reason.contains("groups differs") && reason.contains("column public.groups.token was added"), "{reason}");
    taken_back(&world, &engine, &lease("1", 1)).await;
    moved(&engine, &lease("1", 2)).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_change_of_either_store_while_writers_wait_is_noticed() {
    let world = World::start().await;
    let engine = world.engine();
    for (epoch, changed) in [(1, &world.old), (2, &world.new)] {
        let ours = lease("1", epoch);
        ready_to_switch(&engine, &ours).await;
        let mut block = blocked(&engine, &ours).await;
        changed.batch_execute("CREATE INDEX ON groups (name)").await.unwrap();
        let error = block.leave().await.unwrap_err();
        assert!(error.transient && error.reason.contains("a schema was changed"), "{error}");
        drop(block);
        taken_back(&world, &engine, &ours).await;
    }
    moved(&engine, &lease("1", 3)).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_column_that_was_renamed_or_dropped_is_noticed() {
    let world = World::start().await;
    let engine = world.engine();
    for (epoch, change, mend) in [
        (1, "ALTER TABLE accounts RENAME touched TO touches", "ALTER TABLE accounts RENAME touches TO touched"),
        (2, "ALTER TABLE lines DROP COLUMN n", "ALTER TABLE lines ADD COLUMN n int"),
    ] {
        let ours = lease("1", epoch);
        ready_to_switch(&engine, &ours).await;
        world.new.batch_execute(change).await.unwrap();
        let reason = refused_switch(&engine, &ours).await;
        assert!(reason.contains("the target lacks column") && reason.contains("in new"), "{reason}");
        taken_back(&world, &engine, &ours).await;
        world.new.batch_execute(mend).await.unwrap();
    }
    moved(&engine, &lease("1", 3)).await;
    world.assert_alike("1").await;
}

/// The new table has the same rows, but no triggers: writes to it would be missed.
#[tokio::test]
async fn a_table_that_was_swapped_by_renaming_is_noticed() {
    let world = World::start().await;
    let engine = world.engine();
    ready_to_switch(&engine, &lease("1", 1)).await;
    world
        .old
        .batch_execute(
            "BEGIN; ALTER TABLE members RENAME TO members_before; CREATE TABLE members (LIKE members_before INCLUDING ALL);
             INSERT INTO members SELECT * FROM members_before; COMMIT",
        )
        .await
        .unwrap();
    let reason = refused_switch(&engine, &lease("1", 1)).await;
    assert!(reason.contains("members"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
}

#[tokio::test]
async fn the_backup_has_what_was_added_before_it_and_before_the_rows_are_removed() {
    let world = World::start().await;
    let engine = watchful(&world).with_backups_in(backups().join("added"));
    moved(&engine, &lease("1", 1)).await;
    world.old.batch_execute(ADD).await.unwrap();
    let reason = refusal(engine.back_up(&lease("1", 2)).await);
    assert!(reason.contains("the target lacks column note; next: run there: ALTER TABLE"), "{reason}");
    world.new.batch_execute(ADD).await.unwrap();
    let filled = "SET session_replication_role = replica; UPDATE groups SET note = 'filled' WHERE org = 1";
    world.old.batch_execute(filled).await.unwrap();
    // What is written in the target since the switch is logged, and may be like that in the source or not.
    world.new.batch_execute("UPDATE groups SET note = 'filled' WHERE org = 1").await.unwrap();
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    in_both(&world, "ALTER TABLE accounts ADD COLUMN late text").await;
    world.old.batch_execute("UPDATE accounts SET late = 'filled' WHERE org = 1").await.unwrap();
    let rows = world.rows(&world.old, "1").await;
    assert_eq!(engine.purge(&lease("1", 2), &backup).await.unwrap(), backup.rows);
    assert_eq!(restored(&engine, &backup.file.path, "old").await.unwrap(), backup.rows);
    assert_eq!(world.rows(&world.old, "1").await, rows);
    assert_eq!(world.count(&world.old, "groups WHERE org = 1 AND note = 'filled'").await, 12);
    assert!(world.count(&world.old, "accounts WHERE org = 1 AND late = 'filled'").await > 0);
}

#[derive(Clone, Copy)]
enum Crash {
    /// The whole server.
    Server,
    /// One of its processes: the others are ended and started again by the same server.
    Process,
}

/// A table may be empty after a crash, as an UNLOGGED one is, although it was found equal before.
async fn crash_between_verify_and_switch(crash: Crash) {
    let mut world = World::start().await;
    let engine = world.engine();
    ready_to_switch(&engine, &lease("1", 1)).await;
    assert!(world.count(&world.new, "lines").await > 0);
    match crash {
        Crash::Server => world.server.crash().await,
        Crash::Process => {
            let pid: i32 = world.new.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        }
    }
    (world.old, world.new) = (connected(&world, "old").await, connected(&world, "new").await);
    let emptied = "SET session_replication_role = replica; TRUNCATE lines; RESET session_replication_role";
    world.new.batch_execute(emptied).await.unwrap();
    let reason = refused_switch(&engine, &lease("1", 1)).await;
    assert!(reason.contains("lines differs") && reason.contains("store new was started again"), "{reason}");
    taken_back(&world, &engine, &lease("1", 1)).await;
    moved(&engine, &lease("1", 2)).await;
    world.assert_alike("1").await;
}

/// As soon as the server has recovered.
async fn connected(world: &World, database: &str) -> Client {
    loop {
        if let Ok((client, connection)) =
            tokio_postgres::connect(&world.server.url(database), tokio_postgres::NoTls).await
        {
            let connection = tokio::spawn(connection);
            // The server may not have noticed yet that it is to recover.
            if client.batch_execute("SELECT count(*) FROM lines").await.is_ok() && !connection.is_finished() {
                return client;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_crash_of_the_target_between_verify_and_switch_is_noticed() {
    crash_between_verify_and_switch(Crash::Server).await;
}

#[tokio::test]
async fn a_crash_of_one_of_its_processes_is_noticed() {
    crash_between_verify_and_switch(Crash::Process).await;
}

#[tokio::test]
async fn a_process_that_was_started_again_compares_before_it_switches() {
    let world = World::start().await;
    ready_to_switch(&world.engine(), &lease("1", 1)).await;
    world.new.batch_execute("SET session_replication_role = replica; DELETE FROM lines").await.unwrap();
    let reason = refused_switch(&world.engine(), &lease("1", 2)).await;
    assert!(reason.contains("lines differs"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
}

const PARTITION: &str = "CREATE TABLE later (LIKE stamps INCLUDING ALL); \
    ALTER TABLE stamps ATTACH PARTITION later FOR VALUES FROM (1000) TO (2000)";

/// A migration with one more table, partitioned by a column that the stores can have new partitions for.
async fn with_stamps(world: &World) -> PgEngine {
    in_both(
        world,
        "CREATE TABLE stamps (id int PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE) PARTITION BY RANGE (id);
         CREATE INDEX ON stamps (group_id);
         CREATE TABLE stamps_first PARTITION OF stamps FOR VALUES FROM (0) TO (1000)",
    )
    .await;
    let engine = world.engine_with(via("stamps", ("group_id", "groups", "id"))).with_plan_age(Duration::ZERO);
    for name in ["old", "new"] {
        engine.install_guard(&lease("1", 1).migration, &store(name)).await.unwrap();
    }
    world.old.batch_execute("INSERT INTO stamps SELECT 1, id FROM groups WHERE org = 1 LIMIT 1").await.unwrap();
    engine
}

#[tokio::test]
async fn a_partition_that_is_attached_in_mid_move_is_guarded_and_does_not_park_other_orgs() {
    let world = World::start().await;
    let engine = with_stamps(&world).await;
    ready_to_switch(&engine, &lease("1", 1)).await;
    in_both(&world, PARTITION).await;
    // By the partition's own name, which no trigger sees yet.
    let unseen = "INSERT INTO later SELECT 1001, id FROM groups WHERE org = 1 LIMIT 1";
    world.old.batch_execute(unseen).await.unwrap();
    let reason = refused_switch(&engine, &lease("1", 1)).await;
    assert!(reason.contains("stamps") && reason.contains("since the org was compared"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
    // Now it is guarded: another org moves, and this one at its next try, with all that is written.
    moved(&engine, &lease("2", 2)).await;
    taken_back(&world, &engine, &lease("1", 1)).await;
    ready_to_switch(&engine, &lease("1", 3)).await;
    let seen = "INSERT INTO later SELECT 1002, id FROM groups WHERE org = 1 LIMIT 1";
    world.old.batch_execute(seen).await.unwrap();
    switched(&engine, &lease("1", 3), Way::Forward).await;
    assert_eq!(world.count(&world.new, "stamps").await, 3);
    let stale = world.old.batch_execute("UPDATE later SET id = 1500 WHERE id = 1001").await.unwrap_err();
    assert_eq!(stale.code().unwrap().code(), "MV001");
}

#[tokio::test]
async fn a_trigger_that_was_disabled_for_a_moment_is_noticed_before_the_switch() {
    let world = World::start().await;
    let engine = watchful(&world);
    ready_to_switch(&engine, &lease("1", 1)).await;
    world.old.batch_execute("ALTER TABLE accounts DISABLE TRIGGER ALL").await.unwrap();
    world.old.batch_execute("UPDATE accounts SET touched = 77 WHERE org = 1").await.unwrap();
    world.old.batch_execute("ALTER TABLE accounts ENABLE TRIGGER ALL").await.unwrap();
    let reason = refused_switch(&engine, &lease("1", 1)).await;
    assert!(reason.contains("accounts") && reason.contains("was changed in old"), "{reason}");
    assert_eq!(world.modes("1").await, ("capturing".into(), "incoming".into()));
}

#[tokio::test]
async fn orgs_are_not_switched_while_a_trigger_is_disabled() {
    let world = World::start().await;
    let engine = watchful(&world);
    ready_to_switch(&engine, &lease("1", 1)).await;
    for (client, table) in [(&world.old, "events_1"), (&world.new, "lines")] {
        client.batch_execute(&format!("ALTER TABLE {table} DISABLE TRIGGER USER")).await.unwrap();
        let reason = refused_switch(&engine, &lease("1", 1)).await;
        assert!(reason.contains("it is not guarded"), "{table}: {reason}");
        client.batch_execute(&format!("ALTER TABLE {table} ENABLE TRIGGER USER")).await.unwrap();
    }
    switched(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}
