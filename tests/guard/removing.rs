//! Removing the guard: without a trace, and not while orgs need it.

use std::process::Command;
use std::time::Duration;

use crate::world::{
    MIGRATION, OTHER_MIGRATION, PLACES, World, define, keyed, lease, migration, other_migration, reason, refused,
    store_name, watch,
};
use mover::engine::{Level, LiveLimits, PgEngine, Store};

/// The schema as `pg_dump` writes it.
fn dump(world: &World) -> String {
    let output = Command::new("pg_dump").args(["--schema-only", &world.server.url("old")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Their argument is another one in every dump.
    let is_schema = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
    text.lines().filter(is_schema).collect::<Vec<_>>().join("\n")
}

/// The numbers of all objects with entries in other catalogs, which a dump would not show.
async fn leftovers(world: &World) -> i64 {
    world.count("pg_depend d WHERE d.refobjid = coalesce(to_regnamespace('mover'), 0)::oid AND d.refobjid <> 0").await
        + world.count("pg_trigger WHERE tgname LIKE 'mover%'").await
        + world.count("pg_proc WHERE proname LIKE 'guard%'").await
        + world.count("pg_description WHERE description ILIKE '%mover%'").await
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let world = World::bare().await;
    let before = dump(&world);
    assert_eq!(world.install().await, PLACES);
    assert_ne!(dump(&world), before);
    let engine = world.engine();
    assert_eq!(engine.remove_guard(&migration(), &store_name("old"), false).await.unwrap(), PLACES);
    assert_eq!(dump(&world), before);
    assert_eq!(leftovers(&world).await, 0);
    // Again, where nothing is.
    assert_eq!(engine.remove_guard(&migration(), &store_name("old"), false).await.unwrap(), [""; 0]);
    // And it can come back.
    assert_eq!(world.install().await, PLACES);
}

#[tokio::test]
async fn what_others_keep_in_schema_mover_stays() {
    let world = World::bare().await;
    world.old.batch_execute("CREATE SCHEMA mover; CREATE TABLE mover.moves (id int); CREATE TYPE mover.kind AS ENUM ('a'); CREATE TABLE public.notes_log (id int);
        CREATE FUNCTION public.log_note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER own AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION public.log_note()").await.unwrap();
    let before = dump(&world);
    world.install().await;
    world.engine().remove_guard(&migration(), &store_name("old"), false).await.unwrap();
    assert_eq!(dump(&world), before);
    world.old.batch_execute("DROP TABLE mover.moves").await.unwrap();
    let before = dump(&world);
    world.install().await;
    world.engine().remove_guard(&migration(), &store_name("old"), false).await.unwrap();
    assert_eq!(dump(&world), before);
}

#[tokio::test]
async fn an_org_that_moves_or_has_moved_keeps_the_guard() {
    let world = World::guarded().await;
    let engine = world.engine();
    for mode in ["capturing", "incoming"] {
        world.set_mode("1", mode).await;
        for force in [false, true] {
            let reason = reason(engine.remove_guard(&migration(), &store_name("old"), force).await);
            assert!(reason.contains("1 orgs") && reason.contains("finalize"), "{reason}");
        }
    }
    for mode in ["moved", "discarded"] {
        world.set_mode("1", mode).await;
        let reason = reason(engine.remove_guard(&migration(), &store_name("old"), false).await);
        assert!(reason.contains("1 orgs") && reason.contains("--force"), "{reason}");
    }
    assert_eq!(world.status().await.guarded, PLACES);
    assert_eq!(engine.remove_guard(&migration(), &store_name("old"), true).await.unwrap(), PLACES);
    world.app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await.unwrap();
    assert_eq!(leftovers(&world).await, 0);
}

#[tokio::test]
async fn migrations_do_not_disturb_each_other() {
    let world = World::bare().await;
    let engine = world.engine();
    let old = store_name("old");
    engine.install_guard(&other_migration(), &old).await.unwrap();
    let only_other = dump(&world);
    assert_eq!(world.status().await.unguarded, PLACES);
    assert_eq!(world.install().await, PLACES);
    world.set_mode("1", "capturing").await;
    let sql = format!(
        "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('{OTHER_MIGRATION}', '2', 'moved', 1)
        ON CONFLICT (migration, org_key) DO UPDATE SET mode = 'moved'"
    );
    world.old.batch_execute(&sql).await.unwrap();
    watch(&world.old, "2").await;
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
    let refusal = refused(world.app.batch_execute("INSERT INTO notes VALUES (2, 2, '')").await);
    assert!(refusal.code == "MV001" && refusal.detail.contains(OTHER_MIGRATION), "{refusal:?}");
    world
        .app
        .batch_execute("INSERT INTO groups VALUES ('00000000-0000-0000-0000-000000000001', 2, 'c')")
        .await
        .unwrap();
    world.set_mode("1", "settled").await;
    engine.remove_guard(&migration(), &old, false).await.unwrap();
    assert_eq!(dump(&world), only_other);
    assert_eq!(world.count(&format!("mover.org_guard WHERE migration = '{MIGRATION}'")).await, 0);
    assert_eq!(refused(world.app.batch_execute("INSERT INTO notes VALUES (2, 2, '')").await).code, "MV001");
    assert_eq!(engine.guard_status(&other_migration(), &old).await.unwrap().unguarded, [""; 0]);
    engine.remove_guard(&other_migration(), &old, true).await.unwrap();
    assert_eq!(leftovers(&world).await, 0);
}

#[tokio::test]
async fn triggers_on_what_is_no_part_of_the_migration_any_more_go_too() {
    let world = World::bare().await;
    let before = dump(&world);
    world.install().await;
    world.old.batch_execute("ALTER TABLE events DETACH PARTITION events_2025").await.unwrap();
    // The definition has lost most of its tables, and one of them has lost its key.
    world.old.batch_execute("ALTER TABLE notes DROP CONSTRAINT notes_pkey").await.unwrap();
    let store = Store::open(store_name("old"), &world.server.url("old"), 2).unwrap();
    let engine = PgEngine::new([store], [define(MIGRATION, vec![keyed("notes", "org"), keyed("gone", "org")])]);
    assert_eq!(engine.remove_guard(&migration(), &store_name("old"), false).await.unwrap(), PLACES);
    assert_eq!(leftovers(&world).await, 0);
    world
        .old
        .batch_execute(
            "ALTER TABLE notes ADD PRIMARY KEY (id);
        ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        )
        .await
        .unwrap();
    assert_eq!(dump(&world), before);
}

#[tokio::test]
async fn a_schema_mover_that_was_created_by_another_user_stays() {
    let world = World::bare().await;
    let rights = "CREATE ROLE plain LOGIN; CREATE SCHEMA mover; GRANT CREATE, USAGE ON SCHEMA mover TO plain;
        GRANT SET ON PARAMETER session_replication_role TO plain";
    world.old.batch_execute(rights).await.unwrap();
    world.old.batch_execute("ALTER TABLE notes OWNER TO plain; ALTER TABLE orgs OWNER TO plain").await.unwrap();
    let before = dump(&world);
    let store = Store::open(store_name("old"), &world.server.url_as("plain", "old"), 2).unwrap();
    let engine = PgEngine::new([store], [define(MIGRATION, vec![keyed("notes", "org")])]);
    assert_eq!(engine.install_guard(&migration(), &store_name("old")).await.unwrap(), ["public.notes"]);
    assert_eq!(engine.remove_guard(&migration(), &store_name("old"), false).await.unwrap(), ["public.notes"]);
    assert_eq!(dump(&world), before);
}

/// A role with all that an installation needs, on tables of which it does not own one.
async fn owned_but_for_notes(world: &World) -> PgEngine {
    let role = "CREATE ROLE plain LOGIN; GRANT SET ON PARAMETER session_replication_role TO plain;
        GRANT CREATE ON DATABASE old TO plain; GRANT CREATE ON DATABASE new TO plain";
    world.old.batch_execute(role).await.unwrap();
    let rights = r#"ALTER SCHEMA "Odd {schema}" OWNER TO plain; GRANT CREATE ON SCHEMA public TO plain;
        DO $$ DECLARE t record; BEGIN
            FOR t IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relname <> 'notes'
                AND c.relnamespace::regnamespace::text !~ '^pg_|^information_schema' LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO plain', t.name);
            END LOOP;
        END $$;
        GRANT SELECT, INSERT, DELETE, TRIGGER ON notes TO plain"#;
    for client in [&world.old, &world.new] {
        client.batch_execute(rights).await.unwrap();
    }
    world.engine_as("plain")
}

#[tokio::test]
async fn without_the_right_to_remove_all_of_it_nothing_is_removed_and_the_owners_statements_are_named() {
    let world = World::bare().await;
    let engine = owned_but_for_notes(&world).await;
    let old = store_name("old");
    let checked = engine.check(&migration()).await;
    let warning =
        checked.of_level(Level::Warning).map(ToString::to_string).find(|text| text.contains("not removed again"));
    let warning = warning.unwrap();
    assert!(warning.contains("public.notes") && warning.contains("GRANT mover TO plain"), "{warning}");
    assert_eq!(engine.install_guard(&migration(), &old).await.unwrap(), PLACES);
    let before = dump(&world);
    world.set_mode("1", "moved").await;
    let reason = reason(engine.remove_guard(&migration(), &old, true).await);
    assert_eq!(dump(&world), before);
    assert_eq!(world.status().await.guarded, PLACES);
    assert_eq!(refused(world.app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await).code, "MV001");
    // What is printed can be pasted.
    let statements = reason.split_once("BEGIN;").unwrap().1;
    world.old.batch_execute(&format!("BEGIN;{}", statements.split_once("COMMIT;").unwrap().0)).await.unwrap();
    world.old.batch_execute("COMMIT").await.unwrap();
    engine.remove_guard(&migration(), &old, true).await.unwrap();
    assert_eq!(leftovers(&world).await, 0);
}

#[tokio::test]
async fn while_one_table_is_in_use_no_table_loses_its_triggers() {
    let world = World::guarded().await;
    let mut reader = world.another_app().await;
    let transaction = reader.transaction().await.unwrap();
    // The last of them.
    transaction.execute("SELECT FROM stickers", &[]).await.unwrap();
    let limits = LiveLimits { lock_budget: Duration::from_millis(300), ..LiveLimits::default() };
    let engine = world.engine().with_live_limits(limits);
    let reason = reason(engine.remove_guard(&migration(), &store_name("old"), false).await);
    assert!(reason.contains("public.stickers was busy"), "{reason}");
    assert_eq!(world.status().await.guarded, PLACES);
    transaction.rollback().await.unwrap();
    assert_eq!(engine.remove_guard(&migration(), &store_name("old"), false).await.unwrap(), PLACES);
    assert_eq!(leftovers(&world).await, 0);
}

#[tokio::test]
async fn finalized_orgs_do_not_keep_it_and_others_do() {
    let world = World::guarded().await;
    let old = store_name("old");
    for org in ["1", "2"] {
        world.set_mode(org, "moved").await;
    }
    let (first, second) = (lease("1").key, lease("2").key);
    let engine = world.engine();
    let reason = reason(engine.remove_guard_after(&migration(), &old, false, &[&first]).await);
    assert!(reason.contains("1 orgs") && reason.contains("finalize"), "{reason}");
    assert_eq!(engine.remove_guard_after(&migration(), &old, false, &[&first, &second]).await.unwrap(), PLACES);
    assert_eq!(leftovers(&world).await, 0);
}
