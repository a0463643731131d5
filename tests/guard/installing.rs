//! Installing is idempotent, and repairs manual changes of the triggers.

use crate::world::{MIGRATION, PLACES, World, define, keyed, migration, other_migration, reason, store_name, via};
use mover::engine::{PgEngine, Store};

#[tokio::test]
async fn installing_again_changes_nothing() {
    let world = World::bare().await;
    let before = world.status().await;
    assert_eq!((before.guarded.len(), before.unguarded.len()), (0, 10));
    assert_eq!(world.install().await, PLACES);
    let after = world.status().await;
    assert_eq!(after.guarded, PLACES);
    assert_eq!(after.unguarded, [""; 0]);
    // Each org that is listed has a row, on which snapshots from before a move fail.
    assert_eq!(after.orgs.settled, 5);
    let objects = "SELECT string_agg(oid || ' ' || xmin, ',' ORDER BY oid) FROM
        (SELECT oid, xmin::text FROM pg_trigger UNION ALL SELECT oid, xmin::text FROM pg_proc WHERE pronamespace = 'mover'::regnamespace) o";
    let before: String = world.old.query_one(objects, &[]).await.unwrap().get(0);
    world.set_mode("1", "moved").await;
    assert_eq!(world.install().await, [""; 0]);
    let after: String = world.old.query_one(objects, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
    assert_eq!(world.count("mover.org_guard WHERE mode = 'moved'").await, 1);
}

#[tokio::test]
async fn orgs_that_are_listed_later_are_known_after_the_next_install() {
    let world = World::guarded().await;
    world.old.batch_execute("INSERT INTO orgs VALUES (6, 'six')").await.unwrap();
    assert_eq!(world.install().await, [""; 0]);
    assert_eq!(world.status().await.orgs.settled, 6);
}

#[tokio::test]
async fn triggers_that_were_tampered_with_are_shown_and_repaired() {
    let world = World::guarded().await;
    let trigger = |event: &str| format!("mover_guard_{MIGRATION}_{event}");
    let row = world
        .old
        .query_one(
            "SELECT tgfoid::regproc::text FROM pg_trigger WHERE tgrelid = 'notes'::regclass AND tgname = $1",
            &[&trigger("insert")],
        )
        .await
        .unwrap();
    let function: String = row.get(0);
    let insert = trigger("insert");
    let body = "RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NULL; END'";
    for tampering in [
        format!("DROP TRIGGER {insert} ON notes"),
        format!("ALTER TABLE notes DISABLE TRIGGER {insert}"),
        "ALTER TABLE notes DISABLE TRIGGER USER".into(),
        format!("ALTER TABLE notes ENABLE REPLICA TRIGGER {insert}"),
        // It would fire for Mover's own writes.
        format!("ALTER TABLE notes ENABLE ALWAYS TRIGGER {insert}"),
        format!("CREATE OR REPLACE FUNCTION {function}() {body}"),
        format!("DROP FUNCTION {function}() CASCADE"),
        format!("ALTER FUNCTION {function}() SECURITY INVOKER"),
        format!("ALTER FUNCTION {function}() SET DateStyle = 'German'"),
        format!(
            "CREATE OR REPLACE TRIGGER {insert} AFTER INSERT ON notes REFERENCING NEW TABLE AS new_rows
            FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION {function}()"
        ),
        format!(
            "CREATE OR REPLACE TRIGGER {insert} AFTER INSERT ON notes
            FOR EACH ROW WHEN (new.org = 2) EXECUTE FUNCTION {function}()"
        ),
        format!(
            "CREATE OR REPLACE TRIGGER {insert} AFTER DELETE ON notes REFERENCING OLD TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        ),
        format!("ALTER TRIGGER {insert} ON notes RENAME TO something_else"),
    ] {
        world.old.batch_execute(&tampering).await.unwrap();
        assert_eq!(world.status().await.unguarded, ["public.notes"], "{tampering}");
        assert_eq!(world.install().await, ["public.notes"], "{tampering}");
        assert_eq!(world.status().await.guarded, PLACES, "{tampering}");
        assert_eq!(world.install().await, [""; 0], "{tampering}");
        world.old.batch_execute("DROP TRIGGER IF EXISTS something_else ON notes").await.unwrap();
        world.set_mode("1", "capturing").await;
        world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
        world.assert_logs("UPDATE notes SET body = 'x'; DELETE FROM notes", &["1 notes {1}", "1 notes {1}"]).await;
        world.set_mode("1", "settled").await;
    }
}

#[tokio::test]
async fn what_all_triggers_call_is_repaired_as_well() {
    let world = World::guarded().await;
    for tampering in [
        "DROP FUNCTION mover.guard_admit(text, text, text[])",
        "CREATE OR REPLACE FUNCTION mover.guard_admit(migration text, other_store text, touched text[]) RETURNS text[] LANGUAGE sql AS 'SELECT NULL::text[]'",
        "DROP TABLE mover.change_log",
    ] {
        world.old.batch_execute(tampering).await.unwrap();
        assert!(!world.status().await.unguarded.is_empty(), "{tampering}");
        world.install().await;
        assert_eq!(world.status().await.guarded, PLACES, "{tampering}");
        world.set_mode("1", "capturing").await;
        world
            .assert_logs("INSERT INTO notes VALUES (1, 1, ''); DELETE FROM notes", &["1 notes {1}", "1 notes {1}"])
            .await;
    }
}

#[tokio::test]
async fn several_processes_may_install_at_the_same_time() {
    let world = World::bare().await;
    let install = |migration| {
        let engine = world.engine();
        async move { engine.install_guard(&migration, &store_name("old")).await }
    };
    let all = [migration(), other_migration(), migration(), migration()];
    for result in futures_util::future::join_all(all.map(install)).await {
        result.unwrap();
    }
    assert_eq!(world.status().await.guarded, PLACES);
}

#[tokio::test]
async fn tables_that_cannot_be_guarded_are_refused_with_the_way_out() {
    let world = World::bare().await;
    world.old.batch_execute("CREATE TABLE public.keyless (org int); CREATE TABLE public.twins (code text, org int, id int PRIMARY KEY); CREATE TABLE public.of_twins (id int PRIMARY KEY, code text);
        CREATE TABLE public.ancestor (id int PRIMARY KEY, org int); CREATE TABLE public.heir (PRIMARY KEY (id)) INHERITS (public.ancestor);").await.unwrap();
    for (tables, says) in [
        (vec![keyed("keyless", "org")], ["keyless", "add one, or move its orgs with strategy = \"offline\""]),
        (
            vec![
                keyed("notes", "org"),
                keyed("groups", "org"),
                via("badges", &[("member", "members", "id"), ("group_id", "groups", "id")]),
            ],
            ["badges", "add members to the migration"],
        ),
        (vec![keyed("gone", "org")], ["gone", "does not exist"]),
        (vec![keyed("notes", "owner")], ["notes", "no column owner"]),
        (vec![keyed("notes", "org"), via("badges", &[("note", "notes", "id")])], ["badges", "no column note"]),
        (
            vec![via("members", &[("id", "badges", "id")]), via("badges", &[("id", "members", "id")])],
            ["members", "circle"],
        ),
        // A write by the name of the other table fires the triggers of that table only.
        (vec![keyed("events_2025", "org")], ["events_2025", "it is a part of public.events"]),
        (vec![keyed("heir", "org")], ["heir", "it is a part of public.ancestor"]),
        (vec![keyed("ancestor", "org")], ["ancestor", "public.heir inherits from it"]),
        // A row would belong to two orgs.
        (vec![keyed("twins", "org"), via("of_twins", &[("code", "twins", "code")])], ["of_twins", "unique"]),
    ] {
        let store = Store::open(store_name("old"), &world.server.url("old"), 2).unwrap();
        let engine = PgEngine::new([store], [define(MIGRATION, tables)]);
        let reason = reason(engine.install_guard(&migration(), &store_name("old")).await);
        assert!(says.iter().all(|part| reason.contains(part)), "{reason}");
    }
    assert_eq!(world.count("pg_trigger WHERE tgname LIKE 'mover%'").await, 0);
}
