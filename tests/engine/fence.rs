//! Repeating, clearing, and refusing older epochs.

use crate::one_org::OneOrg;

use crate::world::{World, carry, keyed, lease, refused_copy, verify};

const SCHEMA: &str =
    "CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text); CREATE INDEX ON notes (org);";

async fn world() -> World {
    let world = World::with_schema(SCHEMA).await;
    world
        .old
        .batch_execute("INSERT INTO notes SELECT i, 1 + i % 2, 'note ' || i FROM generate_series(1, 100) i")
        .await
        .unwrap();
    world
}

#[tokio::test]
async fn a_copy_can_be_repeated_and_brings_what_changed() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    world
        .old
        .batch_execute("DELETE FROM notes WHERE id = 2; UPDATE notes SET body = 'new' WHERE id = 4")
        .await
        .unwrap();
    // Another process, that knows nothing, with a newer lease.
    let engine = world.engine(vec![keyed("notes", "org")]);
    carry(&engine, &lease("1", 2)).await;
    assert_eq!(world.count(&world.new, "notes").await, 49);
}

#[tokio::test]
async fn what_was_discarded_can_be_copied_again() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.discard(&lease("1", 1)).await.unwrap();
    engine.copy(&lease("1", 1)).await.unwrap();
    engine.discard(&lease("1", 1)).await.unwrap();
    engine.discard(&lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes").await, 0);
    assert!(engine.settle(&lease("1", 1)).await.is_err());
    carry(&engine, &lease("1", 2)).await;
    assert_eq!(world.count(&world.new, "notes").await, 50);
}

#[tokio::test]
async fn a_stale_claim_can_do_nothing() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 5)).await.unwrap();
    for stale in [
        engine.copy(&lease("1", 4)).await.err(),
        engine.settle(&lease("1", 4)).await.err(),
        engine.discard(&lease("1", 4)).await.err(),
    ] {
        let error = stale.expect("a stale lease is refused");
        assert!(!error.transient && error.reason.contains("newer epoch 5"), "{error}");
    }
    // Also after the newer one undid everything.
    engine.discard(&lease("1", 6)).await.unwrap();
    let (reason, _) = refused_copy(&engine, &lease("1", 5)).await;
    assert!(reason.contains("newer epoch 6"), "{reason}");
    assert_eq!(world.count(&world.new, "notes").await, 0);
}

#[tokio::test]
async fn a_settled_org_is_never_replaced_or_removed() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    carry(&engine, &lease("1", 1)).await;
    engine.settle(&lease("1", 1)).await.unwrap();
    engine.settle(&lease("1", 2)).await.unwrap();
    let (reason, _) = refused_copy(&engine, &lease("1", 3)).await;
    assert!(reason.contains("live"), "{reason}");
    let error = engine.discard(&lease("1", 3)).await.unwrap_err();
    assert!(!error.transient && error.reason.contains("live"), "{error}");
    assert_eq!(world.count(&world.new, "notes").await, 50);
}

#[tokio::test]
async fn rows_that_mover_did_not_bring_are_refused_by_table_and_number() {
    let world = world().await;
    world.new.batch_execute("INSERT INTO notes VALUES (1001, 1, 'mine'), (1002, 1, 'mine')").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    let (reason, place) = refused_copy(&engine, &lease("1", 1)).await;
    assert!(reason.contains("already holds 2 rows of org org 1"), "{reason}");
    assert_eq!((place.store.as_deref(), place.table.as_deref()), (Some("new"), Some("notes")));
    engine.discard(&lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes").await, 2, "they are not ours to remove");
}

#[tokio::test]
async fn a_copy_that_is_dropped_in_the_middle_leaves_nothing_in_the_way() {
    let world = world().await;
    world
        .old
        .batch_execute("INSERT INTO notes SELECT i, 3, repeat('x', 1000) FROM generate_series(1000, 60000) i")
        .await
        .unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    carry(&engine, &lease("1", 1)).await;
    // The writer of the target waits for this lock, with half of the rows on their way.
    world.new.batch_execute("BEGIN; LOCK TABLE notes IN SHARE MODE").await.unwrap();
    {
        let doomed = lease("3", 2);
        let copy = engine.copy(&doomed);
        let waits = async {
            let sql = "pg_locks WHERE NOT granted AND relation = 'notes'::regclass";
            while world.count(&world.new, sql).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { _ = copy => panic!("the copy cannot end"), () = waits => {} }
    }
    world.new.batch_execute("COMMIT").await.unwrap();
    carry(&engine, &lease("3", 3)).await;
    verify(&engine, &lease("1", 1)).await.unwrap();
}

#[tokio::test]
async fn two_copies_of_one_org_at_once_end_as_one() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    let (first, second) = (lease("1", 1), lease("1", 2));
    let (older, newer) = tokio::join!(engine.copy(&first), engine.copy(&second));
    newer.unwrap();
    if let Err(error) = older {
        assert!(error.reason.contains("newer epoch 2"), "{error}");
    }
    verify(&engine, &lease("1", 2)).await.unwrap();
}
