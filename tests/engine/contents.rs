//! Values that do not mean the same in another database, or have no whole binary form.

use mover::engine::Level;

use crate::checking::{found, has};
use crate::world::{World, carry, keyed, lease};

async fn world(columns: &str, row: &str) -> World {
    let schema = format!(
        "CREATE TABLE orgs (id int PRIMARY KEY, name text); INSERT INTO orgs VALUES (1, 'one'); CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, {columns}); CREATE INDEX ON notes (org)"
    );
    let world = World::with_schema(&schema).await;
    world.old.batch_execute(&format!("INSERT INTO notes VALUES (1, 1, {row})")).await.unwrap();
    world
}

/// The problems of `check`, and those that are left when their statements were run in both stores.
async fn problems(world: &World) -> (Vec<String>, Vec<String>) {
    let engine = world.engine(vec![keyed("notes", "org")]);
    let report = engine.check(&crate::world::migration()).await;
    for statement in report.of_level(Level::Problem).flat_map(|problem| &problem.statements) {
        let client = if statement.store.as_str() == "old" { &world.old } else { &world.new };
        client.batch_execute(&statement.sql).await.unwrap();
    }
    let told = report.of_level(Level::Problem).map(ToString::to_string).collect();
    (told, found(&engine, Level::Problem).await)
}

#[tokio::test]
async fn numbers_of_large_objects_are_refused_and_other_oids_are_told() {
    let domain = "CREATE DOMAIN lo AS oid;";
    let world = world("body oid", "lo_from_bytea(0, 'the contract')").await;
    for client in [&world.old, &world.new] {
        client.batch_execute(&format!("{domain} ALTER TABLE notes ADD COLUMN more lo")).await.unwrap();
    }
    // A number that is no object's must not keep the remedy from running.
    let rows = "UPDATE notes SET more = lo_from_bytea(0, 'raw'); INSERT INTO notes (id, org, body) VALUES (99, 2, 0)";
    world.old.batch_execute(rows).await.unwrap();
    let (told, left) = problems(&world).await;
    has(
        &told,
        &["table notes, column body", "1 of 2 rows point to a large object", "TYPE bytea USING lo_get(\"body\")"],
    );
    has(&told, &["table notes, column more", "1 of 2 rows point to a large object"]);
    assert_eq!((told.len(), left.len()), (2, 0), "{left:#?}");
    let engine = world.engine(vec![keyed("notes", "org")]);
    carry(&engine, &lease("1", 1)).await;
    assert_eq!(world.count(&world.new, "notes WHERE body = 'the contract' AND more = 'raw'").await, 1);
}

#[tokio::test]
async fn oids_that_are_no_large_objects_are_told() {
    let world = world("body oid", "1259").await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    assert_eq!(found(&engine, Level::Problem).await, [""; 0]);
    has(&found(&engine, Level::Warning).await, &["table notes, column body", "numbers of objects"]);
}

#[tokio::test]
async fn empty_text_queries_are_refused_with_the_statement_that_removes_them() {
    let world = world("q tsquery", "''::tsquery").await;
    let (told, left) = problems(&world).await;
    has(&told, &["table notes, column q", "1 of 1 rows have an empty tsquery", "run in old: UPDATE"]);
    assert_eq!((told.len(), left.len()), (1, 0), "{left:#?}");
    carry(&world.engine(vec![keyed("notes", "org")]), &lease("1", 1)).await;
}

#[tokio::test]
async fn such_values_are_found_in_arrays_and_composites() {
    let types = "CREATE DOMAIN lo AS oid; CREATE TYPE part AS (q tsquery, bodies lo[]);";
    let world = world("qs tsquery[], ids oid[]", "ARRAY['a'::tsquery, ''], ARRAY[lo_from_bytea(0, 'raw')]").await;
    for client in [&world.old, &world.new] {
        client
            .batch_execute(&format!("{types} ALTER TABLE notes ADD COLUMN parts part[], ADD COLUMN one part"))
            .await
            .unwrap();
    }
    // A composite with one field that is NULL is not NULL.
    world.old.batch_execute("UPDATE notes SET one = ROW('', NULL)").await.unwrap();
    let part = "UPDATE notes SET parts = ARRAY[ROW('', ARRAY[lo_from_bytea(0, 'more')])::part]";
    world.old.batch_execute(part).await.unwrap();
    let problems = found(&world.engine(vec![keyed("notes", "org")]), Level::Problem).await;
    has(&problems, &["table notes, column qs", "1 of 1 rows hold an empty tsquery"]);
    has(&problems, &["table notes, column ids", "1 of 1 rows hold numbers of large objects"]);
    has(&problems, &["table notes, column parts", "1 of 1 rows hold an empty tsquery"]);
    has(&problems, &["table notes, column parts", "1 of 1 rows hold numbers of large objects"]);
    has(&problems, &["table notes, column one", "1 of 1 rows hold an empty tsquery"]);
    assert_eq!(problems.len(), 5, "{problems:#?}");
}

#[tokio::test]
async fn xml_arrives_with_its_declaration() {
    let written = "<?xml version=\"1.0\"?><a/>";
    let world = world("x xml", &format!("'{written}'")).await;
    carry(&world.engine(vec![keyed("notes", "org")]), &lease("1", 1)).await;
    let found: String = world.new.query_one("SELECT x::text FROM notes", &[]).await.unwrap().get(0);
    assert_eq!(found, written);
}

#[tokio::test]
async fn xml_that_declares_another_encoding_is_refused() {
    let world = world("x xml", "'<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><ä/>'").await;
    let (told, left) = problems(&world).await;
    has(&told, &["table notes, column x", "1 of 1 rows declare another encoding"]);
    assert_eq!((told.len(), left.len()), (1, 0), "{left:#?}");
    carry(&world.engine(vec![keyed("notes", "org")]), &lease("1", 1)).await;
    assert_eq!(world.count(&world.new, "notes WHERE x::text LIKE '%<ä/>'").await, 1);
}

#[tokio::test]
async fn xml_inside_of_arrays_is_refused() {
    let world = world("x xml[]", "ARRAY['<?xml version=\"1.0\"?><a/>'::xml]").await;
    has(&problems(&world).await.0, &["table notes, column x", "holds XML, which would lose its declarations"]);
}

#[tokio::test]
async fn fragments_of_xml_move_between_databases_that_expect_documents() {
    let world = world("x xml", "xmlparse(content 'frag<a/>ment')").await;
    for (client, name) in [(&world.old, "old"), (&world.new, "new")] {
        client.batch_execute(&format!("ALTER DATABASE {name} SET xmloption = document")).await.unwrap();
    }
    carry(&world.engine(vec![keyed("notes", "org")]), &lease("1", 1)).await;
    assert_eq!(world.count(&world.new, "notes WHERE x::text = 'frag<a/>ment'").await, 1);
}
