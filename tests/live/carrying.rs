//! Writes after the copy are carried over, whatever they do to keys, parents and unique values.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;

use crate::world::{World, caught_up, copied, lease, proven};

/// Each is made by itself, after the copy, in the leaving store.
const CHANGES: [&str; 18] = [
    "INSERT INTO accounts (org, email, m) VALUES (1, 'new@1', 'Happy')",
    "UPDATE accounts SET touched = touched + 1 WHERE org = 1 AND id % 3 = 0",
    "DELETE FROM accounts WHERE org = 1 AND id % 7 = 0",
    // Keys.
    "UPDATE accounts SET id = id + 100000 WHERE org = 1 AND id % 5 = 0",
    "UPDATE groups SET id = gen_random_uuid() WHERE org = 1 AND name = 'g1'",
    "UPDATE remarks SET id = id || '!' WHERE id LIKE 'g2%' AND group_id IN (SELECT id FROM groups WHERE org = 1)",
    // Rows that move from org to org, and their subtrees.
    "UPDATE groups SET org = 2, name = 'was of 1' WHERE org = 1 AND name = 'g3'",
    "UPDATE groups SET org = 1, name = 'was of 3' WHERE org = 3 AND name = 'g3'",
    "UPDATE accounts SET org = 1 WHERE org = 2 AND email LIKE 'a1%'",
    "UPDATE remarks SET group_id = (SELECT id FROM groups WHERE org = 2 AND name = 'g5')
     WHERE group_id = (SELECT id FROM groups WHERE org = 1 AND name = 'g5')",
    // Parents with children, down two floors.
    "DELETE FROM groups WHERE org = 1 AND name = 'g4'",
    "DELETE FROM remarks WHERE id LIKE 'g6%' AND group_id IN (SELECT id FROM groups WHERE org = 1)",
    "WITH g AS (INSERT INTO groups (org, name) VALUES (1, 'fresh') RETURNING id)
     INSERT INTO members SELECT id, now(), 'first' FROM g",
    "INSERT INTO lines (remark, n) SELECT id, 99 FROM remarks WHERE group_id IN (SELECT id FROM groups WHERE org = 1)",
    // Unique values that rows swap.
    "BEGIN; UPDATE accounts SET email = 'x' WHERE email = 'a2@1'; UPDATE accounts SET email = 'a2@1' WHERE email = 'a3@1';
     UPDATE accounts SET email = 'a3@1' WHERE email = 'x'; COMMIT",
    "BEGIN; DELETE FROM accounts WHERE email = 'a9@1'; INSERT INTO accounts (org, email) VALUES (1, 'a9@1'); COMMIT",
    // Partitions.
    "UPDATE events SET id = id + 50000, what = 'elsewhere' WHERE org = 1 AND id % 4 = 1",
    "DELETE FROM events WHERE org = 1 AND id % 4 = 2",
];

#[tokio::test]
async fn every_change_alone_is_carried_over() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    for change in CHANGES {
        println!("{change}");
        world.old.batch_execute(change).await.unwrap();
        assert!(caught_up(&engine, &lease("1", 1), Way::Forward).await > 0);
        world.assert_alike("1").await;
        proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    }
    assert_eq!(world.count(&world.old, "mover.change_log").await, 0);
}

#[tokio::test]
async fn all_changes_at_once_are_carried_over() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    let others = world.others("1").await.len();
    for change in CHANGES {
        world.old.batch_execute(change).await.unwrap();
    }
    // Logged rows do not count in the comparison, on both sides.
    proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    caught_up(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
    assert!(others > 0);
    assert_eq!(world.count(&world.new, "accounts WHERE org <> 1").await, 0);
}

#[tokio::test]
async fn rows_of_other_orgs_in_the_target_are_not_touched() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("2", 1)).await;
    let before = world.rows(&world.new, "2").await;
    copied(&engine, &lease("1", 2)).await;
    // Org 1 logs keys that belong to org 2 by now, in both stores.
    world.old.batch_execute("UPDATE groups SET name = 'of 1' WHERE org = 1 AND name = 'g1'").await.unwrap();
    world
        .old
        .batch_execute(
            "INSERT INTO mover.change_log SELECT migration, '1', 'groups', ARRAY[g.id::text], true
             FROM mover.change_log, groups g WHERE g.org = 2;
             INSERT INTO mover.change_log SELECT 'whole_org', '1', 'members', ARRAY[m.since::text, m.group_id::text], false
             FROM members m JOIN groups g ON g.id = m.group_id WHERE g.org = 2",
        )
        .await
        .unwrap();
    caught_up(&engine, &lease("1", 2), Way::Forward).await;
    assert_eq!(world.rows(&world.new, "2").await, before);
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_key_that_is_written_in_other_ways_is_one_row() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world
        .old
        .batch_execute(
            "INSERT INTO mover.change_log (migration, org_key, table_name, row_key, subtree)
             SELECT 'whole_org', '1', 'members', ARRAY[written, m.group_id::text], false
             FROM members m JOIN groups g ON g.id = m.group_id,
                  unnest(ARRAY[m.since::text, to_char(m.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')]) written
             WHERE g.org = 1",
        )
        .await
        .unwrap();
    assert!(caught_up(&engine, &lease("1", 1), Way::Forward).await > 60);
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_row_that_the_target_refuses_is_named_and_nothing_is_forgotten() {
    let world = World::start().await;
    world.new.batch_execute("ALTER TABLE accounts ADD CHECK (touched < 1000)").await.unwrap();
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world.old.batch_execute("UPDATE accounts SET touched = 1000 WHERE email = 'a1@1'").await.unwrap();
    for _ in 0..2 {
        let error = engine.catch_up(&lease("1", 1), Way::Forward).await.unwrap_err();
        assert!(!error.transient && error.reason.contains("accounts_touched_check"), "{error}");
        assert_eq!(error.place.table.as_deref(), Some("accounts"));
        assert!(error.place.row.as_deref().unwrap().contains("a1@1"), "{error:?}");
    }
    world.old.batch_execute("UPDATE accounts SET touched = 5 WHERE email = 'a1@1'").await.unwrap();
    caught_up(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_row_that_points_to_nothing_in_the_target_is_named() {
    let world = World::start().await;
    for client in [&world.old, &world.new] {
        client
            .batch_execute(
                "CREATE TABLE kinds (name text PRIMARY KEY); INSERT INTO kinds VALUES ('event');
                ALTER TABLE events ADD CONSTRAINT of_kind FOREIGN KEY (what) REFERENCES kinds",
            )
            .await
            .unwrap();
    }
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world
        .old
        .batch_execute("INSERT INTO kinds VALUES ('new'); UPDATE events SET what = 'new' WHERE id = 1007")
        .await
        .unwrap();
    let error = engine.catch_up(&lease("1", 1), Way::Forward).await.unwrap_err();
    assert!(!error.transient && error.reason.contains("of_kind"), "{error}");
    assert_eq!(error.place.row.as_deref(), Some("(1007)"));
    world.new.batch_execute("INSERT INTO kinds VALUES ('new')").await.unwrap();
    caught_up(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn rows_that_differ_although_they_were_not_written_are_found() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world.new.batch_execute("SET session_replication_role = replica").await.unwrap();
    world.new.batch_execute("UPDATE accounts SET touched = 7 WHERE email = 'a5@1'").await.unwrap();
    let (old, new) = engine.compare(&lease("1", 1), Way::Forward).await.unwrap();
    assert_ne!(old, new);
    assert_eq!(old.0["events"], new.0["events"]);
}

/// The cascade of the second statement is not logged row by row, and in the copy the rows still have the old parent.
#[tokio::test]
async fn a_row_that_goes_with_its_new_parent_takes_along_what_hangs_on_it() {
    let world = World::start().await;
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    let reassign = "UPDATE remarks SET group_id = (SELECT id FROM groups WHERE org = 1 AND name = 'g2') WHERE id = 'g1 \"ä\", {101}'";
    world.old.batch_execute(reassign).await.unwrap();
    world.old.batch_execute("DELETE FROM groups WHERE org = 1 AND name = 'g2'").await.unwrap();
    caught_up(&engine, &lease("1", 1), Way::Forward).await;
    let orphans = "lines l WHERE NOT EXISTS (SELECT FROM remarks r WHERE r.id = l.remark)";
    assert_eq!(world.count(&world.old, orphans).await, 0);
    assert_eq!(world.count(&world.new, orphans).await, 0, "rows without a parent are left in the copy");
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_carried_over_row_that_breaks_a_deferred_unique_constraint_is_named() {
    let world = World::start().await;
    for client in [&world.old, &world.new] {
        let constraint = "ALTER TABLE accounts ADD COLUMN place int, ADD CONSTRAINT placed UNIQUE (place) DEFERRABLE";
        client.batch_execute(constraint).await.unwrap();
    }
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world
        .new
        .batch_execute("INSERT INTO accounts (org, email, place) VALUES (99, 'taken@example.com', 10)")
        .await
        .unwrap();
    let one = "UPDATE accounts SET place = 10 WHERE (org, id) = (SELECT org, min(id) FROM accounts WHERE org = 1 GROUP BY org)";
    world.old.batch_execute(one).await.unwrap();
    let error = engine.catch_up(&lease("1", 1), Way::Forward).await.unwrap_err();
    assert!(error.reason.contains("(place)=(10), which another row in this store has, too"), "{error}");
    world.new.batch_execute("DELETE FROM accounts WHERE org = 99").await.unwrap();
    caught_up(&engine, &lease("1", 1), Way::Forward).await;
    world.assert_alike("1").await;
}
