//! Stores in other encodings: every statement must be sayable in them.

use crate::one_org::OneOrg;
use crate::world::{World, keyed, lease, verify};

#[tokio::test]
async fn orgs_move_from_a_store_in_latin_1() {
    let world = World::empty().await;
    let postgres = world.server.connect("postgres").await;
    postgres.batch_execute("DROP DATABASE old WITH (FORCE)").await.unwrap();
    let create = "CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'";
    postgres.batch_execute(create).await.unwrap();
    let old = world.server.connect("old").await;
    let schema = "CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text)";
    old.batch_execute(&format!("{schema}; INSERT INTO notes VALUES (1, 1, 'größe'), (2, 2, 'é')")).await.unwrap();
    world.new.batch_execute(schema).await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.drain(&lease("1", 1)).await.unwrap();
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes WHERE body = 'größe'").await, 1);
}
