//! Stores in other encodings: every statement must be sayable in them.

use crate::one_org::OneOrg;
use mover::engine::Level;

use crate::checking::{found, has, online};
use crate::world::{World, keyed, lease, refused_copy, verify};

#[tokio::test]
async fn orgs_move_from_a_store_in_latin_1() {
    let world = World::empty().await;
    let postgres = world.server.connect("postgres").await;
    postgres.batch_execute("DROP DATABASE old WITH (FORCE)").await.unwrap();
    let create = "CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";
    postgres.batch_execute(create).await.unwrap();
    let old = world.server.connect("old").await;
    let schema = "CREATE TABLE orgs (id int PRIMARY KEY, name text); CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text)";
    old.batch_execute(&format!("{schema}; INSERT INTO notes VALUES (1, 1, 'größe'), (2, 2, 'é')")).await.unwrap();
    world.new.batch_execute(schema).await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    has(
        &found(&online(&world, "mover", vec![keyed("notes", "org")]), Level::Warning).await,
        &["store old", "LATIN1", "not rolled back"],
    );
    engine.drain(&lease("1", 1)).await.unwrap();
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes WHERE body = 'größe'").await, 1);
}

#[tokio::test]
async fn rows_whose_bytes_are_no_utf_8_are_named() {
    let world = World::empty().await;
    let postgres = world.server.connect("postgres").await;
    postgres.batch_execute("DROP DATABASE old WITH (FORCE)").await.unwrap();
    let create = "CREATE DATABASE old TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'";
    postgres.batch_execute(create).await.unwrap();
    let old = world.server.connect("old").await;
    let schema = "CREATE TABLE orgs (id int PRIMARY KEY, name text); CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text); CREATE INDEX ON notes (org)";
    let rows = r"INSERT INTO orgs VALUES (1, 'one'); INSERT INTO notes VALUES (1, 1, 'größe'), (7, 2, 'fine'), (8, 2, convert_from('\x6772f6df65', 'SQL_ASCII'))";
    old.batch_execute(&format!("{schema}; {rows}")).await.unwrap();
    world.new.batch_execute(schema).await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    has(&found(&engine, Level::Warning).await, &["store old", "SQL_ASCII"]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    let (reason, place) = refused_copy(&engine, &lease("2", 2)).await;
    assert_eq!((place.table.as_deref(), place.row.as_deref()), (Some("notes"), Some("(id)=(8)")), "{reason}");
    assert_eq!(place.columns, ["body"]);
    let set = reason.split_once("for this row: ").unwrap().1;
    old.batch_execute(&format!("UPDATE notes {set} WHERE id = 8")).await.unwrap();
    engine.copy(&lease("2", 2)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes WHERE body = 'größe'").await, 2);
}
