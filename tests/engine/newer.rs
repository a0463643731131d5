//! What later versions of PostgreSQL have that the oldest supported one lacks. Run with these versions by scripts/versions.sh.

use crate::one_org::OneOrg;
use tokio_postgres::Client;

use crate::world::{World, keyed, lease, verify};

const SCHEMA: &str =
    "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, author int)";

async fn is_at_least(client: &Client, major: i32) -> bool {
    let number: String = client.query_one("SHOW server_version_num", &[]).await.unwrap().get(0);
    let is = number.parse::<i32>().unwrap() >= major * 10_000;
    if !is {
        println!("nothing to test before PostgreSQL {major}");
    }
    is
}

#[tokio::test]
async fn a_foreign_key_that_is_not_enforced_is_not_verified_either() {
    let world = World::with_schema(SCHEMA).await;
    if !is_at_least(&world.new, 18).await {
        return;
    }
    world.old.batch_execute("INSERT INTO notes VALUES (1, 1, 77)").await.unwrap();
    let key = "ALTER TABLE notes ADD FOREIGN KEY (author) REFERENCES users NOT ENFORCED";
    world.new.batch_execute(key).await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
}

/// The default for generated columns since 18: not stored, so `COPY` cannot read them.
#[tokio::test]
async fn virtual_generated_columns_stay_out_of_the_copy() {
    let world = World::with_schema(SCHEMA).await;
    if !is_at_least(&world.new, 18).await {
        return;
    }
    world.new.batch_execute("ALTER TABLE notes ADD twice int GENERATED ALWAYS AS (author * 2)").await.unwrap();
    world.old.batch_execute("ALTER TABLE notes ADD twice int GENERATED ALWAYS AS (author * 2) STORED").await.unwrap();
    world.old.batch_execute("INSERT INTO notes VALUES (1, 1, 21)").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes WHERE twice = 42").await, 1);
}
#[tokio::test]
async fn a_limit_for_transactions_does_not_end_those_of_a_move() {
    let world = World::with_schema(SCHEMA).await;
    for client in [&world.old, &world.new] {
        if !is_at_least(client, 17).await {
            continue;
        }
        client.batch_execute("ALTER ROLE mover SET transaction_timeout = '300ms'").await.unwrap();
    }
    world.old.batch_execute("INSERT INTO notes SELECT g, 1, g FROM generate_series(1, 300000) g").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
}
