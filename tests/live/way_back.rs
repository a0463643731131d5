//! The way back when the schemas differ from those at the switch, or were never alike.

use std::time::Duration;

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;

use crate::world::{World, caught_up, lease, moved, proven, refusal, switched};

const RATED: &str = "ALTER TABLE groups ADD COLUMN rating int NOT NULL DEFAULT 3";

/// Only an org with such a row has to wait for the source to learn the label.
#[tokio::test]
async fn a_label_that_the_source_lacks_is_refused_where_a_row_has_it() {
    let world = World::start().await;
    let engine = world.engine().with_plan_age(Duration::ZERO);
    for (key, epoch) in [("1", 1), ("2", 2)] {
        moved(&engine, &lease(key, epoch)).await;
    }
    let label = "ALTER TYPE mood ADD VALUE 'angry'";
    world.new.batch_execute(label).await.unwrap();
    world.new.batch_execute("UPDATE accounts SET m = 'angry' WHERE org = 1").await.unwrap();
    let (ours, other) = (lease("1", 3), lease("2", 4));
    let reason = refusal(engine.catch_up(&ours, Way::Back).await);
    assert!(reason.contains("invalid input value for enum") && reason.contains("angry"), "{reason}");
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    caught_up(&engine, &other, Way::Back).await;
    proven(&engine.compare(&other, Way::Back).await.unwrap());
    switched(&engine, &other, Way::Back).await;
    world.old.batch_execute(label).await.unwrap();
    caught_up(&engine, &ours, Way::Back).await;
    proven(&engine.compare(&ours, Way::Back).await.unwrap());
    switched(&engine, &ours, Way::Back).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn what_was_written_to_a_column_of_the_target_alone_is_not_lost() {
    let world = World::start().await;
    world.new.batch_execute(RATED).await.unwrap();
    let engine = world.engine().with_plan_age(Duration::ZERO);
    for (key, epoch) in [("1", 1), ("2", 2)] {
        moved(&engine, &lease(key, epoch)).await;
    }
    // Where nothing was written, nothing is lost.
    caught_up(&engine, &lease("2", 3), Way::Back).await;
    proven(&engine.compare(&lease("2", 3), Way::Back).await.unwrap());
    switched(&engine, &lease("2", 3), Way::Back).await;

    world.new.batch_execute("UPDATE groups SET rating = 5 WHERE org = 1 AND name = 'g1'").await.unwrap();
    let ours = lease("1", 4);
    for reason in [
        refusal(engine.catch_up(&ours, Way::Back).await),
        refusal(engine.compare(&ours, Way::Back).await),
        refusal(engine.block(&ours, Way::Back).await.map(drop)),
    ] {
        assert!(reason.contains("1 row of the org has a value in column rating"), "{reason}");
        assert!(reason.contains("ADD COLUMN \"rating\" integer DEFAULT 3"), "{reason}");
    }
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    world.old.batch_execute(RATED).await.unwrap();
    caught_up(&engine, &ours, Way::Back).await;
    proven(&engine.compare(&ours, Way::Back).await.unwrap());
    switched(&engine, &ours, Way::Back).await;
    world.assert_alike("1").await;
    assert_eq!(world.count(&world.old, "groups WHERE org = 1 AND rating = 5").await, 1);
}

/// Written after the comparison: the round that carries the row over sees it.
#[tokio::test]
async fn a_value_that_is_written_last_is_not_lost_either() {
    let world = World::start().await;
    world.new.batch_execute(RATED).await.unwrap();
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    let ours = lease("1", 2);
    caught_up(&engine, &ours, Way::Back).await;
    proven(&engine.compare(&ours, Way::Back).await.unwrap());
    world.new.batch_execute("UPDATE groups SET rating = 5 WHERE org = 1 AND name = 'g1'").await.unwrap();
    let reason = refusal(engine.block(&ours, Way::Back).await.map(drop));
    assert!(reason.contains("1 row of the org has a value in column rating"), "{reason}");
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
}

/// Each store gives the rows values of its own; those of the store in which the org lives win.
#[tokio::test]
async fn values_that_a_new_column_gave_itself_are_carried_back() {
    let world = World::start().await;
    let engine = world.engine().with_plan_age(Duration::ZERO);
    moved(&engine, &lease("1", 1)).await;
    for client in [&world.old, &world.new] {
        let sql = "ALTER TABLE groups ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
                   ALTER TABLE accounts ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()";
        client.batch_execute(sql).await.unwrap();
    }
    let others = world.others("1").await;
    let rows = world.rows(&world.new, "1").await;
    caught_up(&engine, &lease("1", 2), Way::Back).await;
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    assert_eq!(world.rows(&world.old, "1").await, rows);
    assert_eq!(world.others("1").await, others);
}
