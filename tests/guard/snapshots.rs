//! Writers that began before an org's mode changed: no write of theirs is missed.

use crate::one_org::OneOrg;
use tokio_postgres::Client;

use crate::world::{MIGRATION, World, connect_as, lease, reason, refused, set_mode, watch};

const WITH_SNAPSHOT: [&str; 2] = ["REPEATABLE READ", "SERIALIZABLE"];
const SOMEBODY_WAITS: &str = "pg_locks WHERE locktype = 'advisory' AND NOT granted";

async fn begin(client: &Client, level: &str) {
    client.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
    // Only the first statement takes the snapshot.
    client.query("SELECT FROM notes", &[]).await.unwrap();
}

/// Takes the lock that writers of the org share, as a switch does.
async fn lock(world: &World, org: &str) {
    world.old.query_one("SELECT pg_advisory_lock(mover.org_lock($1, $2))", &[&MIGRATION, &org]).await.unwrap();
}

async fn unlock(world: &World, org: &str) {
    world.old.query_one("SELECT pg_advisory_unlock(mover.org_lock($1, $2))", &[&MIGRATION, &org]).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_from_before_the_mode_changed_fails() {
    let world = World::guarded().await;
    for level in WITH_SNAPSHOT {
        // Org 1 is in the guard's table from the start; 77 and the others appear there only with the change.
        for (org, mode) in
            [("1", "capturing"), ("1", "moved"), ("77", "capturing"), ("78", "incoming"), ("79", "moved")]
        {
            let forget = format!("DELETE FROM mover.org_guard WHERE org_key = '{org}' AND org_key > '5'");
            world.old.batch_execute(&forget).await.unwrap();
            if org == "1" {
                world.set_mode("1", "settled").await;
            }
            begin(&world.app, level).await;
            world.set_mode(org, mode).await;
            let refusal = refused(world.app.batch_execute(&format!("INSERT INTO notes VALUES (1, {org}, '')")).await);
            assert_eq!(refusal.code, "40001", "{level} {org} {mode}: {refusal:?}");
            world.app.batch_execute("ROLLBACK").await.unwrap();
            // Retried, it is treated like any other write.
            let again = world
                .app
                .batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; INSERT INTO notes VALUES (1, {org}, '')"))
                .await;
            match mode {
                "capturing" => again.unwrap(),
                _ => assert!(refused(again).code.starts_with("MV00")),
            }
            world.app.batch_execute("ROLLBACK").await.unwrap();
        }
    }
    assert_eq!(world.count("notes").await, 0);
    assert_eq!(world.logged().await, [""; 0]);
}

#[tokio::test]
async fn a_writer_with_a_snapshot_holds_the_mode_until_it_ends() {
    let world = World::guarded().await;
    for level in WITH_SNAPSHOT {
        for org in ["1", "90"] {
            watch(&world.old, org).await;
            begin(&world.app, level).await;
            world.app.batch_execute(&format!("INSERT INTO notes VALUES (1, {org}, '')")).await.unwrap();
            let change = format!("SET lock_timeout = '50ms'; INSERT INTO mover.org_guard (migration, org_key, mode, epoch)
                VALUES ('{MIGRATION}', '{org}', 'capturing', 2) ON CONFLICT (migration, org_key) DO UPDATE SET mode = 'capturing'");
            assert_eq!(refused(world.old.batch_execute(&change).await).code, "55P03", "{level}");
            world
                .app
                .batch_execute(
                    "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO notes VALUES (2, 4, ''); COMMIT",
                )
                .await
                .unwrap();
            world.old.batch_execute(&change).await.unwrap();
            world.old.batch_execute("DELETE FROM notes").await.unwrap();
            world.set_mode(org, "settled").await;
        }
    }
}

/// Before any org has moved the triggers check nothing; the capture waits for writers from that time.
#[tokio::test]
async fn a_write_from_before_the_first_capture_is_waited_for_and_copied() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let world = World::guarded().await;
        begin(&world.app, level).await;
        world.app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await.unwrap();
        let engine = world.engine();
        let capturing = tokio::spawn(async move {
            engine.capture(&lease("1")).await.unwrap();
            engine
        });
        world.wait_for("mover.org_guard WHERE org_key = '1' AND mode = 'capturing'").await;
        // It polls for remaining transactions.
        world.wait_for("pg_stat_activity WHERE query LIKE '%virtualtransaction%' AND state = 'idle'").await;
        assert!(!capturing.is_finished(), "{level}");
        world.app.batch_execute("COMMIT").await.unwrap();
        assert_eq!(world.logged().await, [""; 0]);
        let engine = capturing.await.unwrap();
        assert_eq!(engine.copy_live(&lease("1")).await.unwrap().rows, 1, "{level}");
        world.assert_logs("UPDATE notes SET body = 'x'", &["1 notes {1}"]).await;
    }
}

#[tokio::test]
async fn a_writer_that_waited_for_the_switch_is_sent_to_the_other_store() {
    let world = World::guarded().await;
    for (level, code) in [("READ COMMITTED", "MV001"), ("REPEATABLE READ", "40001"), ("SERIALIZABLE", "40001")] {
        world.set_mode("1", "capturing").await;
        let app = world.another_app().await;
        begin(&app, level).await;
        lock(&world, "1").await;
        let writing = tokio::spawn(async move { app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await });
        world.wait_for(SOMEBODY_WAITS).await;
        // Other sessions do not wait.
        world.app.batch_execute("INSERT INTO notes VALUES (2, 2, ''); DELETE FROM notes WHERE id = 2").await.unwrap();
        world.set_mode("1", "moved").await;
        unlock(&world, "1").await;
        let refusal = refused(writing.await.unwrap());
        assert_eq!(refusal.code, code, "{level}: {refusal:?}");
        assert_eq!(world.logged().await, [""; 0]);
    }
    assert_eq!(world.count("notes").await, 0);
}

#[tokio::test]
async fn a_writer_that_waited_for_a_switch_that_did_not_come_writes_and_is_logged() {
    let world = World::guarded().await;
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        world.set_mode("1", "capturing").await;
        let app = world.another_app().await;
        begin(&app, level).await;
        lock(&world, "1").await;
        let writing = tokio::spawn(async move {
            app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await.unwrap();
            app.batch_execute("DELETE FROM notes; COMMIT").await
        });
        world.wait_for(SOMEBODY_WAITS).await;
        unlock(&world, "1").await;
        writing.await.unwrap().unwrap();
        assert_eq!(world.logged().await, ["1 notes {1}", "1 notes {1}"], "{level}");
    }
}

#[tokio::test]
async fn a_writer_of_a_captured_org_keeps_the_switch_waiting_until_it_ends() {
    let world = World::guarded().await;
    world.set_mode("1", "capturing").await;
    let lock = format!("SELECT pg_try_advisory_lock(mover.org_lock('{MIGRATION}', '1'))");
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let sql = format!(
            "BEGIN ISOLATION LEVEL {level}; INSERT INTO notes VALUES (1, 1, ''); DELETE FROM notes WHERE id = 1"
        );
        world.app.batch_execute(&sql).await.unwrap();
        assert!(!world.old.query_one(&lock, &[]).await.unwrap().get::<_, bool>(0), "{level}");
        world.app.batch_execute("COMMIT").await.unwrap();
        assert!(world.old.query_one(&lock, &[]).await.unwrap().get::<_, bool>(0), "{level}");
        unlock(&world, "1").await;
    }
}

#[tokio::test]
async fn an_org_may_come_to_a_store_where_a_write_to_it_was_rolled_back() {
    let world = World::guarded().await;
    world.app.batch_execute("INSERT INTO notes VALUES (1, 4, '')").await.unwrap();
    let there = connect_as(&world.server, "app", "new").await;
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let sql = format!(
            "BEGIN ISOLATION LEVEL {level}; INSERT INTO notes VALUES (1, 4, 'stray'); DELETE FROM notes; COMMIT"
        );
        there.batch_execute(&sql).await.unwrap();
    }
    let engine = world.engine();
    engine.capture(&lease("4")).await.unwrap();
    assert_eq!(engine.copy_live(&lease("4")).await.unwrap().rows, 1);
    assert_eq!(refused(there.batch_execute("DELETE FROM notes").await).code, "MV002");
}

#[tokio::test]
async fn an_org_that_a_move_has_settled_is_not_replaced() {
    let world = World::guarded().await;
    set_mode(&world.new, "4", "settled").await;
    let engine = world.engine();
    engine.capture(&lease("4")).await.unwrap();
    assert!(reason(engine.copy_live(&lease("4")).await).contains("the org is live here"));
}
