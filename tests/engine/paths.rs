//! Names without a schema are the role's to look up, wherever they lead; operators are those of the types.

use crate::one_org::OneOrg;
use mover::config::SqlStep;
use mover::engine::{PgEngine, Store};
use mover_actors::domain::ids::OrgName;

use crate::world::{World, carry, definition, keyed, lease, migration, refused_copy, store, via};

const SCHEMA: &str = "CREATE SCHEMA inner_part; SET search_path = inner_part;
    CREATE TABLE orgs (id int PRIMARY KEY, name text); INSERT INTO orgs VALUES (1, 'org 1'), (2, 'org 2');
    CREATE TABLE notes (id int PRIMARY KEY, org int, body text); CREATE INDEX ON notes (org);
    RESET search_path; ALTER ROLE mover SET search_path = inner_part";

#[tokio::test]
async fn tables_are_found_where_the_path_of_the_role_leads() {
    let world = World::with_schema(SCHEMA).await;
    world.old.batch_execute("INSERT INTO inner_part.notes VALUES (1, 1, 'a'), (2, 2, 'b')").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    let found = engine.find_org(&migration(), &OrgName::new("org 1").unwrap()).await.unwrap();
    assert_eq!(found.unwrap().as_str(), "1");
    assert_eq!(carry(&engine, &lease("1", 1)).await.rows, 1);
    assert_eq!(world.count(&world.new, "inner_part.notes").await, 1);
}

#[tokio::test]
async fn steps_are_looked_up_as_the_role_would_and_leave_nothing_behind() {
    let world = World::with_schema(SCHEMA).await;
    let helper = "SET search_path = inner_part; CREATE FUNCTION noted(org int) RETURNS bool LANGUAGE sql
        AS 'SELECT EXISTS (SELECT FROM notes WHERE notes.org = noted.org)'; RESET search_path";
    world.new.batch_execute(helper).await.unwrap();
    for sql in ["ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"] {
        world.new.batch_execute(sql).await.unwrap();
    }
    let step = |name: &str, sql: &str| SqlStep {
        name: name.into(),
        sql: sql.into(),
        check: Some("SELECT noted($1::int)".into()),
        undo: None,
    };
    let lazily = "WITH lazy AS (SELECT set_config('synchronous_commit', 'off', false)) INSERT INTO notes
        SELECT 10 + $1::int, $1::int, 'lazily' FROM lazy";
    let mut of_steps = definition(vec![]);
    of_steps.steps = vec![step("note", "INSERT INTO notes VALUES ($1::int, $1::int, 'x')"), step("lazily", lazily)];
    // One connection for everything, so that what a step sets would be there for the next.
    let open = |name: &str| Store::open(store(name), &world.server.url(name), 1).unwrap();
    let engine = PgEngine::new([open("old"), open("new")], [of_steps]);
    let report = engine.check(&migration()).await;
    assert!(report.findings.iter().any(|found| found.text.contains("understood by store new")), "{report:?}");
    assert_eq!(engine.copy(&lease("1", 1)).await.unwrap().rows, 2);
    world.server.crash().await;
    let new = world.server.connect("new").await;
    assert_eq!(world.count(&new, "inner_part.notes").await, 2);
}

const TEXTS: &str = "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
    CREATE TABLE orgs (id ext.citext PRIMARY KEY, name text);
    CREATE TABLE groups (code ext.citext PRIMARY KEY, org ext.citext);
    CREATE TABLE members (id ext.citext PRIMARY KEY, code ext.citext REFERENCES groups); CREATE INDEX ON members (code);
    CREATE TABLE files (id int PRIMARY KEY, code ext.citext)";

#[tokio::test]
async fn texts_that_are_equal_for_their_type_are_equal_wherever_the_type_is() {
    let world = World::with_schema(TEXTS).await;
    let rows = "INSERT INTO groups VALUES ('A', 'ORG'), ('b', 'org'), ('c', 'other');
        INSERT INTO members VALUES ('m1', 'a'), ('m2', 'B'), ('m3', 'c'); INSERT INTO files VALUES (1, 'a'), (2, 'C')";
    world.old.batch_execute(rows).await.unwrap();
    let tables = vec![
        keyed("groups", "org"),
        via("members", &[("code", "groups", "code")]),
        via("files", &[("code", "groups", "code")]),
    ];
    let engine = world.engine(tables);
    assert_eq!(carry(&engine, &lease("org", 1)).await.rows, 5);
}

#[tokio::test]
async fn a_function_that_does_not_find_what_it_names_is_named_itself() {
    let world = World::with_schema(SCHEMA).await;
    world.old.batch_execute("INSERT INTO inner_part.notes VALUES (1, 1, 'a')").await.unwrap();
    let limited = "CREATE FUNCTION inner_part.few() RETURNS bool LANGUAGE plpgsql
            AS $$ BEGIN RETURN (SELECT count(*) < 100 FROM notes); END $$;
        ALTER TABLE inner_part.notes ADD CHECK (inner_part.few())";
    world.new.batch_execute(limited).await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    let (reason, _) = refused_copy(&engine, &lease("1", 1)).await;
    assert!(reason.contains("\"notes\" does not exist") && reason.contains("give inner_part.few()"), "{reason}");
    world.new.batch_execute("ALTER FUNCTION inner_part.few() SET search_path = inner_part").await.unwrap();
    assert_eq!(carry(&engine, &lease("1", 1)).await.rows, 1);
}
