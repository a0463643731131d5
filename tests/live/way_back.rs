//! The way back when the schemas differ from those at the switch, or were never alike.

use std::time::Duration;

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;

use crate::world::{UNSEEN, World, caught_up, keyed, lease, moved, proven, refusal, store, switched};

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

/// What the store that the org left has may be the only rows: the target was restored, or lost them.
#[tokio::test]
async fn rows_that_the_target_has_lost_are_not_removed_from_the_source() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    // What clients do is carried over, whatever is removed.
    let logged = "DELETE FROM groups WHERE org = 1 AND name = 'g1'; DELETE FROM accounts WHERE org = 1 AND id % 7 = 0";
    world.new.batch_execute(logged).await.unwrap();
    let lost =
        format!("{UNSEEN} DELETE FROM accounts WHERE email = 'a1@1'; UPDATE events SET what = 'older' WHERE id = 1007");
    world.new.batch_execute(&lost).await.unwrap();
    let rows = world.rows(&world.old, "1").await;
    let ours = lease("1", 2);
    let error = engine.compare(&ours, Way::Back).await.unwrap_err();
    let key: i64 = world.old.query_one("SELECT id FROM accounts WHERE email = 'a1@1'", &[]).await.unwrap().get(0);
    assert!(!error.transient, "{error}");
    assert!(error.reason.contains("rows of org org 1 are gone there, although nothing logged"), "{error}");
    assert!(error.reason.contains(&format!("(org, id)={{1,{key}}}; ")), "{error}");
    assert!(error.reason.contains("next: bring the rows back there"), "{error}");
    assert_eq!((error.place.table.as_deref(), error.place.store.as_deref()), (Some("accounts"), Some("new")));
    assert!(refusal(engine.block(&ours, Way::Back).await.map(drop)).contains("are gone there"));
    assert_eq!(world.rows(&world.old, "1").await, rows);
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    let remedied =
        format!("{UNSEEN} INSERT INTO accounts SELECT 1, {key}, 'a1@1', 'ok'; RESET session_replication_role");
    world.new.batch_execute(&remedied).await.unwrap();
    caught_up(&engine, &ours, Way::Back).await;
    proven(&engine.compare(&ours, Way::Back).await.unwrap());
    switched(&engine, &ours, Way::Back).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn rows_of_a_table_that_was_added_while_the_org_was_away_stay_in_the_source() {
    let world = World::start().await;
    let notes = "CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text); CREATE INDEX ON notes (org)";
    for client in [&world.old, &world.new] {
        client.batch_execute(notes).await.unwrap();
    }
    world.old.batch_execute("INSERT INTO notes VALUES (4, 1, 'a'), (5, 1, 'b')").await.unwrap();
    moved(&world.engine(), &lease("1", 1)).await;
    let engine = world.engine_with(keyed("notes"));
    for name in ["old", "new"] {
        engine.install_guard(&lease("1", 2).migration, &store(name)).await.unwrap();
    }
    let error = engine.compare(&lease("1", 2), Way::Back).await.unwrap_err();
    assert!(error.reason.contains("table notes") && error.reason.contains("(id)={4}, {5}; "), "{error}");
    assert!(error.reason.contains("take a table that was added out of the definition"), "{error}");
    assert_eq!(world.count(&world.old, "notes").await, 2);
}

#[tokio::test]
async fn a_target_from_an_earlier_round_is_not_rolled_back_from() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    caught_up(&engine, &lease("1", 2), Way::Back).await;
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    engine.discard_rolled_back(&lease("1", 2)).await.unwrap();
    moved(&engine, &lease("1", 3)).await;
    // A rollback that was given up leaves both as they should be.
    caught_up(&engine, &lease("1", 4), Way::Back).await;
    assert!(!engine.has_moved(&lease("1", 5), Way::Back).await.unwrap());
    caught_up(&engine, &lease("1", 6), Way::Back).await;
    let rows = world.rows(&world.old, "1").await;
    let earlier =
        format!("{UNSEEN} UPDATE mover.org_guard SET epoch = 1; UPDATE accounts SET touched = 9 WHERE org = 1");
    world.new.batch_execute(&earlier).await.unwrap();
    for number in 7..9 {
        let ours = lease("1", number);
        // Recovery must not make it look like one of this round.
        assert!(!engine.has_moved(&ours, Way::Back).await.unwrap());
        for reason in [
            refusal(engine.catch_up(&ours, Way::Back).await),
            refusal(engine.compare(&ours, Way::Back).await),
            refusal(engine.block(&ours, Way::Back).await.map(drop)),
        ] {
            assert!(reason.contains("it has org org 1 as of epoch 1, and the org left old with epoch 6"), "{reason}");
        }
    }
    assert_eq!(world.rows(&world.old, "1").await, rows);
}
