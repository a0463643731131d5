//! `check` finds what would go wrong, says what to do, and changes nothing.

use mover::engine::{Level, PgEngine, Store};

use crate::world::{World, definition, keyed, migration, store, via};

const GOOD: &str = "
    CREATE TABLE orgs (id int PRIMARY KEY, name text);
    CREATE TABLE notes (id int PRIMARY KEY, org_id int NOT NULL, body text);
    CREATE INDEX ON notes (org_id);
    INSERT INTO orgs VALUES (1, 'one');
";

/// Findings of a level as lines.
async fn found(engine: &PgEngine, level: Level) -> Vec<String> {
    engine.check(&migration()).await.of_level(level).map(ToString::to_string).collect()
}

fn has(lines: &[String], parts: &[&str]) {
    assert!(lines.iter().any(|line| parts.iter().all(|part| line.contains(part))), "no {parts:?} in {lines:#?}");
}

#[tokio::test]
async fn a_good_migration_has_neither_problems_nor_warnings() {
    let world = World::with_schema(GOOD).await;
    let engine = world.engine(vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
    let report = engine.check(&migration()).await;
    assert_eq!(report.worst(), Level::Ok, "{:#?}", report.findings);
    assert_eq!(world.count(&world.new, "pg_namespace WHERE nspname = 'mover'").await, 0);
}

#[tokio::test]
async fn schemas_that_do_not_match_are_told_all_at_once() {
    let world = World::with_schema(GOOD).await;
    world.old.batch_execute("
        CREATE TYPE mood AS ENUM ('sad', 'ok');
        CREATE TABLE gone (org_id int); CREATE TABLE drifted (id int PRIMARY KEY, org_id int, a int, b text, c varchar(20), m mood, r regclass);
        CREATE TABLE keyless (org_id int);
        CREATE VIEW seen AS SELECT * FROM notes;
        CREATE TABLE forgotten (id int, note int REFERENCES notes); CREATE TABLE forgotten_2 (org_id int)").await.unwrap();
    world.new.batch_execute("
        CREATE TYPE mood AS ENUM ('sad');
        CREATE TABLE drifted (id int PRIMARY KEY, org_id int, b jsonb, c varchar(10), m mood, r regclass, extra int NOT NULL);
        CREATE TABLE keyless (org_id int);
        CREATE VIEW seen AS SELECT * FROM notes").await.unwrap();
    let engine = world.engine(vec![
        keyed("notes", "org_id"),
        keyed("gone", "org_id"),
        keyed("drifted", "org_id"),
        keyed("keyless", "nowhere"),
        keyed("seen", "org_id"),
        via("orgs", &[("id", "nothing", "id")]),
    ]);
    let problems = found(&engine, Level::Problem).await;
    has(&problems, &["table gone", "store new does not have it"]);
    has(&problems, &["column a", "the target lacks it"]);
    has(&problems, &["column b", "text in the source, jsonb in the target"]);
    has(&problems, &["column m", "lacks the value 'ok'"]);
    has(&problems, &["column r", "regclass"]);
    has(&problems, &["column extra", "the target wants a value"]);
    has(&problems, &["table keyless", "no column nowhere"]);
    has(&problems, &["table seen", "no table"]);
    has(&problems, &["table orgs", "nothing does not exist"]);
    let warnings = found(&engine, Level::Warning).await;
    has(&warnings, &["column c", "character varying(20) in the source, character varying(10) in the target"]);
    has(
        &warnings,
        &["table drifted in old", "no index begins with org_id", "CREATE INDEX CONCURRENTLY ON \"public\".\"drifted\""],
    );
    has(&warnings, &["table keyless", "no primary key"]);
    has(&warnings, &["forgotten:", "points to notes"]);
    has(&warnings, &["forgotten_2", "has a column org_id"]);
}

#[tokio::test]
async fn missing_rights_are_told_with_the_command_that_grants_them() {
    let world = World::with_schema(GOOD).await;
    world.old.batch_execute("CREATE ROLE lesser LOGIN").await.unwrap();
    for (client, database) in [(&world.old, "old"), (&world.new, "new")] {
        client
            .batch_execute(&format!(
                "REVOKE ALL ON DATABASE {database} FROM public; GRANT CONNECT ON DATABASE {database} TO lesser"
            ))
            .await
            .unwrap();
    }
    world
        .old
        .batch_execute("GRANT SELECT ON orgs TO lesser; ALTER TABLE orgs ENABLE ROW LEVEL SECURITY")
        .await
        .unwrap();
    let engine = world.engine_as("lesser", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
    let problems = found(&engine, Level::Problem).await;
    has(&problems, &["notes in old", "run in old: GRANT SELECT ON \"public\".\"notes\""]);
    has(&problems, &["notes in new", "GRANT SELECT, INSERT, DELETE"]);
    has(&problems, &["orgs in old", "row-level security"]);
    has(&problems, &["store new", "mover.org_guard", "CREATE SCHEMA mover"]);
    has(&found(&engine, Level::Warning).await, &["store new", "GRANT SET ON PARAMETER session_replication_role"]);
}

#[tokio::test]
async fn stores_that_cannot_be_used_are_told_apart() {
    let world = World::with_schema(GOOD).await;
    let open = |name: &str, url: &str| Store::open(store(name), url, 2).unwrap();
    let old = || open("old", &world.server.url("old"));
    for (stores, says) in [
        (vec![old()], "store new: is not configured"),
        (vec![old(), open("new", &world.server.url("old"))], "same database"),
        (vec![old(), open("new", &world.server.url("nowhere"))], "unknown database"),
        (vec![old(), open("new", "postgres://u:secret@127.0.0.1:1/x")], "cannot be reached"),
        (vec![old(), open("new", &world.server.url_as("nobody", "new"))], "role \"nobody\" does not exist"),
    ] {
        let engine = PgEngine::new(stores, [definition(vec![keyed("notes", "org_id")])]);
        let problems = found(&engine, Level::Problem).await;
        has(&problems, &[says]);
        assert!(!problems.concat().contains("secret"));
    }
}
