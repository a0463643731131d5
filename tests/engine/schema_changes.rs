//! Schemas that are changed, and stores that crash, while orgs are moved offline.

use std::time::Duration;

use crate::one_org::OneOrg;
use mover::engine::PgEngine;

use crate::world::{World, carry, keyed, lease, refused_copy, verify};

const SCHEMA: &str =
    "CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text); CREATE INDEX ON notes (org);";
const ADD: &str = "ALTER TABLE notes ADD COLUMN extra text";

async fn world() -> World {
    let world = World::with_schema(SCHEMA).await;
    let rows = "INSERT INTO notes SELECT i, 1 + i % 2, 'note ' || i FROM generate_series(1, 100) i";
    world.old.batch_execute(rows).await.unwrap();
    world
}

/// An engine that looks at the schemas whenever it needs a plan.
fn watchful(world: &World) -> PgEngine {
    world.engine(vec![keyed("notes", "org")]).with_plan_age(Duration::ZERO)
}

#[tokio::test]
async fn orgs_that_come_later_bring_a_new_column_or_are_refused() {
    let world = world().await;
    let engine = watchful(&world);
    carry(&engine, &lease("1", 1)).await;
    world.old.batch_execute(ADD).await.unwrap();
    world.old.batch_execute("UPDATE notes SET extra = 'kept' WHERE org = 2").await.unwrap();
    let (reason, _) = refused_copy(&engine, &lease("2", 2)).await;
    assert!(reason.contains("column public.notes.extra was added in old"), "{reason}");
    assert!(reason.contains("ALTER TABLE \"public\".\"notes\" ADD COLUMN \"extra\" text"), "{reason}");
    world.new.batch_execute(ADD).await.unwrap();
    carry(&engine, &lease("2", 2)).await;
    assert_eq!(world.count(&world.new, "notes WHERE extra = 'kept'").await, 50);
}

/// There is no way back from here, and the org is blocked: it is copied again.
#[tokio::test]
async fn a_column_that_was_added_after_the_proof_is_brought_before_the_org_goes_live() {
    let world = world().await;
    let engine = watchful(&world);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    world.old.batch_execute(ADD).await.unwrap();
    world.old.batch_execute("UPDATE notes SET extra = 'kept' WHERE org = 1").await.unwrap();
    let error = engine.settle(&lease("1", 1)).await.unwrap_err();
    assert!(error.reason.contains("column public.notes.extra was added in old"), "{error}");
    world.new.batch_execute(ADD).await.unwrap();
    for _ in 0..2 {
        engine.settle(&lease("1", 1)).await.unwrap();
    }
    assert_eq!(world.count(&world.new, "notes WHERE extra = 'kept'").await, 50);
}

#[tokio::test]
async fn a_copy_that_is_given_up_because_the_schemas_differ_does_not_stay() {
    let world = world().await;
    let engine = watchful(&world);
    engine.copy(&lease("1", 1)).await.unwrap();
    world.old.batch_execute(ADD).await.unwrap();
    engine.discard(&lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes").await, 0);
}

#[tokio::test]
async fn a_table_that_a_crash_has_emptied_after_the_proof_is_filled_again() {
    let world = world().await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    world.server.crash().await;
    // As an UNLOGGED table is after a crash; Mover does not copy to one.
    world.server.connect("new").await.batch_execute("TRUNCATE notes").await.unwrap();
    // The earlier connections turn out to be gone.
    while let Err(error) = engine.settle(&lease("1", 1)).await {
        assert!(error.transient, "{error}");
    }
    let new = world.server.connect("new").await;
    assert_eq!(world.count(&new, "notes").await, 50);
}
