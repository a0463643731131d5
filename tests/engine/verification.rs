//! A difference between the stores is found and explained.

use crate::one_org::OneOrg;

use crate::world::{World, keyed, lease, verify};

const SCHEMA: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE notes (org int, id int, part text, body text, size numeric, m mood DEFAULT 'ok', PRIMARY KEY (id, part));
    CREATE TABLE lines (org int, body text, n int);
    CREATE TABLE a_good_one (id int PRIMARY KEY, org int);
";

async fn world() -> World {
    let world = World::with_schema(SCHEMA).await;
    world
        .old
        .batch_execute("INSERT INTO notes SELECT 1, i, 'p', 'note ' || i, i FROM generate_series(1, 50) i")
        .await
        .unwrap();
    world
        .old
        .batch_execute("INSERT INTO lines SELECT 1, 'line ' || i % 10, i % 3 FROM generate_series(1, 50) i")
        .await
        .unwrap();
    world.old.batch_execute("INSERT INTO a_good_one VALUES (1, 1)").await.unwrap();
    world
}

#[tokio::test]
async fn lesson_12_verification_finds_a_mismatch_and_names_rows_and_columns() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org"), keyed("lines", "org"), keyed("a_good_one", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    let verified = verify(&engine, &lease("1", 1)).await.unwrap();
    assert_eq!(verified.tally().rows(), 101);

    world.new.batch_execute("DELETE FROM notes WHERE id = 7; UPDATE notes SET body = 'x', m = 'sad' WHERE id = 9; INSERT INTO notes VALUES (1, 99, 'p')").await.unwrap();
    let mismatch = verify(&engine, &lease("1", 1)).await.unwrap_err();
    assert_eq!((mismatch.table.as_str(), mismatch.source_rows, mismatch.target_rows), ("notes", 50, 50));
    let place = engine.explain(&lease("1", 1), &mismatch).await.unwrap();
    assert_eq!(place.table.as_deref(), Some("notes"));
    assert_eq!(place.columns, ["body", "m"]);
    assert_eq!(
        place.row.as_deref(),
        Some(
            "(id, part)=(7,p) is only in the source; (id, part)=(9,p) differs in body, m; (id, part)=(99,p) is only in the target"
        )
    );
}

#[tokio::test]
async fn values_swapped_between_rows_are_noticed() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    for change in [
        "UPDATE notes SET body = 'note ' || 3 - id WHERE id < 3",
        "UPDATE notes SET size = 1.0 WHERE id = 1",
        "UPDATE notes SET body = '' WHERE id = 1; UPDATE notes SET body = NULL WHERE id = 1",
        "UPDATE notes SET id = 101, part = 'q' WHERE id = 1",
    ] {
        let lease = lease("1", 1);
        engine.copy(&lease).await.unwrap();
        verify(&engine, &lease).await.unwrap();
        world.new.batch_execute(change).await.unwrap();
        let mismatch = verify(&engine, &lease).await.expect_err(change);
        engine.explain(&lease, &mismatch).await.unwrap();
    }
}

#[tokio::test]
async fn rows_without_a_key_are_named_by_their_contents_and_at_most_five() {
    let world = world().await;
    let engine = world.engine(vec![keyed("lines", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    world.new.batch_execute("DELETE FROM lines WHERE ctid = (SELECT min(ctid) FROM lines)").await.unwrap();
    let mismatch = verify(&engine, &lease("1", 1)).await.unwrap_err();
    let place = engine.explain(&lease("1", 1), &mismatch).await.unwrap();
    assert_eq!(place.row.as_deref(), Some("(org, body, n)=(1,\"line 1\",1) is only in the source"));
    world.new.batch_execute("DELETE FROM lines").await.unwrap();
    let place = engine.explain(&lease("1", 1), &mismatch).await.unwrap();
    assert_eq!(place.row.unwrap().matches("only in the source").count(), 5);
    engine.copy(&lease("1", 1)).await.unwrap();
    let place = engine.explain(&lease("1", 1), &mismatch).await.unwrap();
    assert!(place.row.unwrap().contains("equal by now"));
}
