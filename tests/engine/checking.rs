//! `check` finds problems, says what to do, and changes nothing.

use mover::config::{Definition, TableRule};
use mover::engine::{Level, PgEngine, Store};
use mover_actors::domain::state::Strategy;

use crate::world::{World, definition, keyed, migration, store, via};

pub(crate) const GOOD: &str = "
    CREATE TABLE orgs (id int PRIMARY KEY, name text);
    CREATE TABLE notes (id int PRIMARY KEY, org_id int NOT NULL, body text);
    CREATE INDEX ON notes (org_id);
    INSERT INTO orgs VALUES (1, 'one');
";

/// Findings of a level as lines.
pub(crate) async fn found(engine: &PgEngine, level: Level) -> Vec<String> {
    engine.check(&migration()).await.of_level(level).map(ToString::to_string).collect()
}

pub(crate) fn has(lines: &[String], parts: &[&str]) {
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
    has(&warnings, &["public.forgotten:", "points to notes", "via = \"note -> notes.id\""]);
    has(&warnings, &["public.forgotten_2:", "has a column org_id", "key = \"org_id\""]);
}

#[tokio::test]
async fn missing_rights_are_told_with_the_command_that_grants_them() {
    let world = World::with_schema(GOOD).await;
    world.server.everywhere("CREATE ROLE lesser LOGIN").await;
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
async fn a_schema_that_may_not_be_used_is_told_with_the_grant() {
    let world = World::with_schema(
        "CREATE SCHEMA \"In side\"; CREATE TABLE \"In side\".notes (id int PRIMARY KEY, org_id int)",
    )
    .await;
    world.server.everywhere("CREATE ROLE lesser LOGIN").await;
    for client in [&world.old, &world.new] {
        client.batch_execute("GRANT ALL ON \"In side\".notes TO lesser").await.unwrap();
    }
    let engine = world.engine_as("lesser", vec![keyed("\"In side\".notes", "org_id")]);
    let problems = found(&engine, Level::Problem).await;
    has(&problems, &["store old", "may not use schema \"In side\"", "GRANT USAGE ON SCHEMA \"In side\" TO lesser"]);
}

/// Foreign keys of one org's rows to rows of another.
#[tokio::test]
async fn rows_that_reference_rows_of_another_org_are_told() {
    let schema = format!(
        "{GOOD} CREATE TABLE links (id int PRIMARY KEY, org_id int NOT NULL, note int REFERENCES notes); CREATE INDEX ON links (org_id)"
    );
    let world = World::with_schema(&schema).await;
    world
        .old
        .batch_execute("INSERT INTO notes VALUES (1, 1), (2, 2); INSERT INTO links VALUES (1, 1, 1), (2, 2, 2)")
        .await
        .unwrap();
    let engine = world.engine(vec![keyed("orgs", "id"), keyed("notes", "org_id"), keyed("links", "org_id")]);
    assert_eq!(found(&engine, Level::Warning).await, [""; 0]);
    // Through a partition, and with a key that is another type's.
    let parts = "CREATE TABLE parts (id int, org_id numeric, PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE INDEX ON parts (org_id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9); CREATE TABLE uses (id int PRIMARY KEY, org_id numeric, part int REFERENCES parts_1);
        CREATE INDEX ON uses (org_id)";
    for client in [&world.old, &world.new] {
        client.batch_execute(parts).await.unwrap();
    }
    world
        .old
        .batch_execute("INSERT INTO parts VALUES (1, 1), (2, 2); INSERT INTO uses VALUES (1, 1.00, 1)")
        .await
        .unwrap();
    let by_part = world.engine(vec![
        keyed("orgs", "id"),
        keyed("notes", "org_id"),
        keyed("links", "org_id"),
        keyed("parts", "org_id"),
        keyed("uses", "org_id"),
    ]);
    let told = |lines: Vec<String>| lines.into_iter().filter(|line| line.contains("another org")).collect::<Vec<_>>();
    assert_eq!(told(found(&by_part, Level::Warning).await), [""; 0]);
    world.old.batch_execute("INSERT INTO uses VALUES (2, 1, 2)").await.unwrap();
    has(&told(found(&by_part, Level::Warning).await), &["table uses in old", "1 of 2 rows", "uses_part_fkey"]);
    world.old.batch_execute("INSERT INTO links VALUES (3, 1, 2)").await.unwrap();
    has(
        &found(&engine, Level::Warning).await,
        &["table links in old", "1 of 3 rows", "another org through links_note_fkey"],
    );
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

/// An engine that moves orgs while they are written.
pub(crate) fn online(world: &World, role: &str, tables: Vec<TableRule>) -> PgEngine {
    let open = |name: &str| Store::open(store(name), &world.server.url_as(role, name), 4).unwrap();
    PgEngine::new([open("old"), open("new")], [Definition { strategy: Strategy::Online, ..definition(tables) }])
}

#[tokio::test]
async fn a_good_online_migration_has_neither_problems_nor_warnings() {
    let world = World::with_schema(GOOD).await;
    let engine = online(&world, "mover", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
    let report = engine.check(&migration()).await;
    assert_eq!(report.worst(), Level::Ok, "{:#?}", report.findings);
    has(&found(&engine, Level::Ok).await, &["guard in old", "can be installed"]);
    for client in [&world.old, &world.new] {
        assert_eq!(world.count(client, "pg_namespace WHERE nspname = 'mover'").await, 0);
    }
}

#[tokio::test]
async fn values_that_could_not_come_back_are_named_online() {
    let world = World::empty().await;
    let schema = |labels: &str| {
        format!(
            "CREATE TYPE mood AS ENUM ({labels}); CREATE TABLE notes (id int PRIMARY KEY, org_id int, m mood); CREATE INDEX ON notes (org_id)"
        )
    };
    world.old.batch_execute(&schema("'sad'")).await.unwrap();
    world.new.batch_execute(&schema("'sad', 'ok'")).await.unwrap();
    let tables = || vec![keyed("notes", "org_id")];
    let warnings = found(&online(&world, "mover", tables()), Level::Warning).await;
    has(&warnings, &["column m", "a rollback is refused", "lacks the value 'ok'"]);
    assert!(!found(&world.engine(tables()), Level::Warning).await.concat().contains("rollback"));
}

#[tokio::test]
async fn a_guard_that_is_not_complete_is_told() {
    let world = World::with_schema(GOOD).await;
    let engine = online(&world, "mover", vec![keyed("orgs", "id"), keyed("notes", "org_id")]);
    for name in ["old", "new"] {
        engine.install_guard(&migration(), &store(name)).await.unwrap();
    }
    assert_eq!(engine.check(&migration()).await.worst(), Level::Ok);
    has(&found(&engine, Level::Ok).await, &["guard in new", "on 2 tables"]);
    world.old.batch_execute("ALTER TABLE notes DISABLE TRIGGER mover_guard_phase_2_insert").await.unwrap();
    let warnings = found(&engine, Level::Warning).await;
    has(&warnings, &["guard in old", "public.notes lack triggers", "mover guard install old phase_2"]);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
}

#[tokio::test]
async fn tables_whose_changes_could_not_be_followed_are_refused_online_only() {
    let world = World::with_schema(GOOD).await;
    let schema = "
        CREATE EXTENSION citext WITH SCHEMA public;
        CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE public.keyless (org_id int); CREATE INDEX ON public.keyless (org_id);
        CREATE TABLE public.shared (id int PRIMARY KEY, note_id int NOT NULL, code int);
        CREATE TABLE public.below (id int PRIMARY KEY, shared_id int); CREATE INDEX ON public.below (shared_id);
        CREATE TABLE public.coded (id int PRIMARY KEY, code int); CREATE INDEX ON public.coded (code);
        CREATE TABLE public.folded (id int PRIMARY KEY, org_id citext); CREATE INDEX ON public.folded (org_id);
        CREATE TABLE public.sorted (id int PRIMARY KEY, org_id text COLLATE nocase); CREATE INDEX ON public.sorted (org_id)";
    for client in [&world.old, &world.new] {
        client.batch_execute(schema).await.unwrap();
    }
    let below = via("below", &[("shared_id", "shared", "id"), ("note_id", "notes", "id")]);
    for (table, says) in [
        (
            keyed("keyless", "org_id"),
            ["table keyless in", "no primary key", "add one, or move its orgs with strategy = \"offline\""],
        ),
        (below, ["table below in", "through shared, which the migration does not move", "add shared to the migration"]),
        (
            via("coded", &[("code", "shared", "code")]),
            ["table coded in", "which is not unique", "make a unique index on it"],
        ),
        (keyed("folded", "org_id"), ["table folded in", "citext, which takes keys for equal", "change its type"]),
        (keyed("sorted", "org_id"), ["table sorted in", "collation of its key column org_id", "change it"]),
    ] {
        let mut tables = vec![keyed("orgs", "id"), keyed("notes", "org_id"), table];
        if says[1].contains("unique") {
            tables.push(via("shared", &[("note_id", "notes", "id")]));
        }
        let problems = found_of_moved(&online(&world, "mover", tables.clone())).await;
        for name in ["old", "new"] {
            let subject = format!("{} {name}: ", says[0]);
            has(&problems, &[&subject, says[1], says[2]]);
        }
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert_eq!(found_of_moved(&world.engine(tables)).await, [""; 0]);
    }
}

/// Problems but for those of tables that are not moved.
async fn found_of_moved(engine: &PgEngine) -> Vec<String> {
    let problems = found(engine, Level::Problem).await;
    problems.into_iter().filter(|line| !line.contains("no part of this migration")).collect()
}

#[tokio::test]
async fn rights_that_an_online_move_needs_are_told_for_both_stores() {
    let world = World::with_schema(GOOD).await;
    let events = "CREATE TABLE events (org_id int, id int, PRIMARY KEY (org_id, id)) PARTITION BY RANGE (id);
        CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10)";
    world.server.everywhere("CREATE ROLE lesser LOGIN").await;
    for client in [&world.old, &world.new] {
        client.batch_execute(events).await.unwrap();
        client.batch_execute("GRANT SELECT, INSERT, DELETE ON orgs, notes, events TO lesser").await.unwrap();
    }
    world.old.batch_execute("REVOKE INSERT, DELETE ON orgs FROM lesser").await.unwrap();
    world.new.batch_execute("GRANT TRIGGER ON orgs, notes, events TO lesser").await.unwrap();
    let tables = vec![keyed("orgs", "id"), keyed("notes", "org_id"), keyed("events", "org_id")];
    let engine = online(&world, "lesser", tables.clone());
    let problems = found(&engine, Level::Problem).await;
    for name in ["old", "new"] {
        let subject = format!("store {name}: ");
        has(
            &problems,
            &[&subject, "may not write without triggers", "GRANT SET ON PARAMETER session_replication_role"],
        );
        has(
            &problems,
            &[&subject, "schema mover", &format!("run in {name}: CREATE SCHEMA mover; GRANT CREATE, USAGE")],
        );
        has(&problems, &[&format!("table events in {name}"), "public.events_1", "GRANT TRIGGER ON public.events_1"]);
    }
    has(&problems, &["table orgs in old", "may not be written", "GRANT SELECT, INSERT, DELETE ON \"public\".\"orgs\""]);
    for table in ["orgs", "notes", "events"] {
        has(&problems, &[&format!("table {table} in old"), &format!("GRANT TRIGGER ON public.{table} TO")]);
    }
    assert_eq!(problems.len(), 4 + 2 + 1 + 3, "{problems:#?}");
    world.server.everywhere("REVOKE TEMPORARY ON DATABASE old FROM PUBLIC").await;
    let temporary = found(&engine, Level::Problem).await;
    has(&temporary, &["store old: ", "no temporary tables", "run in old: GRANT TEMPORARY ON DATABASE old TO lesser"]);
    world.server.everywhere("GRANT TEMPORARY ON DATABASE old TO lesser").await;
    // The report lists all that is missing.
    world.old.batch_execute("GRANT SET ON PARAMETER session_replication_role TO lesser").await.unwrap();
    for client in [&world.old, &world.new] {
        let grants = "CREATE SCHEMA mover; GRANT CREATE, USAGE ON SCHEMA mover TO lesser;
            GRANT SELECT, INSERT, DELETE ON orgs TO lesser; GRANT TRIGGER ON public.orgs, public.notes, public.events, public.events_1 TO lesser";
        client.batch_execute(grants).await.unwrap();
    }
    let engine = online(&world, "lesser", tables);
    assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
    for name in ["old", "new"] {
        assert_eq!(engine.install_guard(&migration(), &store(name)).await.unwrap().len(), 4);
    }
}

/// What is found when the stores, or the tables of both, differ by this.
pub(crate) async fn differing(here: &str, there: &str, tables: Vec<TableRule>) -> (Vec<String>, Vec<String>) {
    let world = World::with_schema(GOOD).await;
    world.old.batch_execute(here).await.unwrap();
    world.new.batch_execute(there).await.unwrap();
    let tables = [vec![keyed("orgs", "id"), keyed("notes", "org_id")], tables].concat();
    let engine = online(&world, "mover", tables);
    (found(&engine, Level::Problem).await, found(&engine, Level::Warning).await)
}

#[tokio::test]
async fn primary_keys_that_differ_are_a_problem() {
    let there = "ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (org_id, id)";
    let (problems, _) = differing("", there, vec![]).await;
    let remedy = "run in new: ALTER TABLE \"public\".\"notes\" DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (\"id\")";
    has(&problems, &["table notes", "(id) in old and (org_id, id) in new", remedy]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    // The order of their columns does not matter.
    let keys = |columns| format!("ALTER TABLE notes DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY ({columns})");
    let (problems, _) = differing(&keys("id, org_id"), &keys("org_id, id"), vec![]).await;
    assert_eq!(problems, [""; 0]);
}

#[tokio::test]
async fn columns_that_a_rollback_would_drop_are_told() {
    let there = "ALTER TABLE notes ADD COLUMN fresh text NOT NULL DEFAULT 'd', ADD COLUMN \"Odd\" numeric(5,2)";
    let (problems, warnings) = differing("", there, vec![]).await;
    assert_eq!(problems, [""; 0]);
    let add = "run in old: ALTER TABLE \"public\".\"notes\" ADD COLUMN";
    let fresh = format!("{add} \"fresh\" text NOT NULL DEFAULT 'd'::text");
    has(&warnings, &["table notes, column fresh", "a rollback drops what was written", &fresh]);
    has(&warnings, &["table notes, column Odd", &format!("{add} \"Odd\" numeric(5,2)")]);
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
}

#[tokio::test]
async fn what_only_one_store_holds_its_rows_to_is_told() {
    let function = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';";
    let (_, good) = differing(function, function, vec![]).await;
    assert_eq!(good, [""; 0]);
    for (sql, parts) in [
        (
            "CREATE UNIQUE INDEX lone ON notes (body) WHERE id > 5",
            ["unique index lone", "CREATE UNIQUE INDEX lone ON public.notes"],
        ),
        (
            "ALTER TABLE notes ADD CONSTRAINT c UNIQUE (body)",
            ["unique index c ((body))", "CREATE UNIQUE INDEX c ON public.notes"],
        ),
        (
            "ALTER TABLE notes ADD CONSTRAINT f FOREIGN KEY (org_id) REFERENCES orgs",
            [
                "foreign key f",
                "ALTER TABLE public.notes ADD CONSTRAINT f FOREIGN KEY (org_id) REFERENCES public.orgs(id)",
            ],
        ),
        ("ALTER TABLE notes ADD CONSTRAINT p CHECK (id > 0)", ["check p", "ADD CONSTRAINT p CHECK"]),
        (
            "CREATE TRIGGER t BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION touch()",
            ["trigger t", "CREATE TRIGGER t BEFORE INSERT ON public.notes"],
        ),
        (
            "ALTER TABLE notes ALTER COLUMN body SET DEFAULT 'x'",
            ["default body", "ALTER COLUMN body SET DEFAULT 'x'::text"],
        ),
        ("ALTER TABLE notes ALTER COLUMN body SET NOT NULL", ["NOT NULL", "body"]),
    ] {
        let both = format!("{function} {sql}");
        for (here, there) in [(both.as_str(), function), (function, both.as_str())] {
            let (problems, warnings) = differing(here, there, vec![]).await;
            assert_eq!(problems, [""; 0], "{sql}");
            has(&warnings, &["notes", parts[0], parts[1]]);
            assert_eq!(warnings.len(), 1, "{sql}: {warnings:#?}");
        }
    }
}

#[tokio::test]
async fn rows_that_could_not_be_found_through_their_parents_are_told() {
    const COLLATIONS: &str = "CREATE EXTENSION citext; CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
    for (parent, child, is_good) in [
        ("uuid", "text", false),
        ("text", "uuid", false),
        ("int", "bigint", true),
        ("text", "varchar(5)", true),
        ("numeric", "int", true),
        ("text", "citext", false),
        ("text", "char(5)", false),
        ("timestamp", "timestamptz", false),
        ("text", "text COLLATE nocase", false),
        ("float8", "int", false),
    ] {
        let schema = format!(
            "{COLLATIONS} CREATE TABLE p (id {parent} PRIMARY KEY, org_id int); CREATE INDEX ON p (org_id);
             CREATE TABLE c (id int PRIMARY KEY, p_id {child}); CREATE INDEX ON c (p_id)"
        );
        let tables = vec![keyed("p", "org_id"), via("c", &[("p_id", "p", "id")])];
        let (problems, _) = differing(&schema, &schema, tables).await;
        match is_good {
            true => assert_eq!(problems, [""; 0], "{parent} and {child}"),
            false => {
                for store in ["old", "new"] {
                    let remedy = format!("run in {store}: ALTER TABLE \"public\".\"c\" ALTER COLUMN \"p_id\" TYPE");
                    has(&problems, &[&format!("table c in {store}"), "p_id", "p.id", &remedy]);
                }
                assert_eq!(problems.len(), 2, "{parent} and {child}: {problems:#?}");
            }
        }
    }
}

#[tokio::test]
async fn lines_of_the_directory_that_name_no_org_are_counted() {
    let world = World::with_schema(
        "CREATE TABLE orgs (id text, name text); CREATE TABLE notes (org_id int, id int, PRIMARY KEY (org_id, id))",
    )
    .await;
    let rows =
        "INSERT INTO orgs VALUES ('1', 'one'), ('x', 'bad'), ('y', 'worse'), ('7', 'a'), ('07', 'b'), (NULL, 'c')";
    world.old.batch_execute(rows).await.unwrap();
    let engine = online(&world, "mover", vec![keyed("notes", "org_id")]);
    // It blocks nothing.
    assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
    let warnings = found(&engine, Level::Warning).await;
    has(&warnings, &["org directory orgs", "2 lines", "cannot be a value of notes.org_id (integer)"]);
    has(&warnings, &["org directory orgs", "2 lines", "is also the key of another org", "UPDATE \"orgs\" SET \"id\""]);
}

#[tokio::test]
async fn keys_that_may_be_equal_and_written_differently_are_refused_online() {
    for written in ["interval", "jsonb", "int[]", "numrange"] {
        let schema = format!("CREATE TABLE odd (id int PRIMARY KEY, org_id {written}); CREATE INDEX ON odd (org_id)");
        let (problems, _) = differing(&schema, &schema, vec![keyed("odd", "org_id")]).await;
        has(
            &problems,
            &["table odd in old", "which takes keys for equal that are written differently", "change its type"],
        );
    }
}

#[tokio::test]
async fn rows_whose_key_is_written_otherwise_than_their_orgs_are_told() {
    const ID: &str = "0a0b0c0d-0000-4000-8000-00000000abcd";
    for (directory, key, written, is_meant) in [
        ("uuid", ID, ID.to_uppercase(), true),
        ("uuid", ID, format!("{{{ID}}}"), true),
        ("text", ID, ID.replace('-', ""), true),
        ("int", "7", "007".into(), true),
        ("int", "7", "7.0".into(), true),
        ("int", "7", "+7".into(), true),
        ("int", "7", "70".into(), false),
        ("text", "acme", "Acme".into(), false),
        ("text", ID, ID.into(), false),
    ] {
        let world = World::with_schema(&format!(
            "CREATE TABLE orgs (id {directory} PRIMARY KEY, name text); CREATE TABLE kept (org text, id int, PRIMARY KEY (org, id))"
        ))
        .await;
        let rows =
            format!("INSERT INTO orgs VALUES ('{key}', 'one'); INSERT INTO kept VALUES ('{key}', 1), ('{written}', 2)");
        world.old.batch_execute(&rows).await.unwrap();
        let problems = found(&online(&world, "mover", vec![keyed("kept", "org")]), Level::Problem).await;
        if is_meant {
            let remedy = format!("UPDATE \"public\".\"kept\" SET \"org\" = '{key}' WHERE \"org\" = '{written}'");
            has(&problems, &["table kept in old", "1 keys in org are keys of orgs, but written otherwise", &remedy]);
        }
        assert_eq!(problems.len(), usize::from(is_meant), "{key} {written}: {problems:#?}");
    }
}
