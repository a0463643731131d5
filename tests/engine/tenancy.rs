//! Rows without an org column of their own are found through their parents.

use crate::one_org::OneOrg;

use crate::world::{World, carry, keyed, lease, refused_copy, via};

const SCHEMA: &str = "
    CREATE TABLE orgs (id int PRIMARY KEY, name text);
    CREATE TABLE groups (id int PRIMARY KEY, org_id int NOT NULL REFERENCES orgs, boss int);
    CREATE TABLE members (id int PRIMARY KEY, group_id int NOT NULL REFERENCES groups);
    CREATE TABLE notes (id int PRIMARY KEY, member_id int REFERENCES members, answers int REFERENCES notes);
    ALTER TABLE groups ADD FOREIGN KEY (boss) REFERENCES members;
    CREATE TABLE badges (id int PRIMARY KEY, code text);
    CREATE TABLE worn (id int PRIMARY KEY, badge_code text);
";

const ROWS: &str = "
    INSERT INTO orgs VALUES (1, 'one'), (2, 'two');
    INSERT INTO groups VALUES (10, 1), (11, 1), (20, 2);
    INSERT INTO members VALUES (100, 10), (101, 11), (200, 20);
    INSERT INTO notes VALUES (1000, 100, NULL), (1001, 101, 1000), (2000, 200, NULL), (9999, NULL, NULL);
    UPDATE groups SET boss = 101 WHERE id = 10;
";

#[tokio::test]
async fn chains_circles_and_self_references_are_followed() {
    let world = World::with_schema(SCHEMA).await;
    world.old.batch_execute(ROWS).await.unwrap();
    // Children first, so that the engine has to find the order itself.
    let engine = world.engine(vec![
        via("notes", &[("member_id", "members", "id")]),
        via("members", &[("group_id", "groups", "id")]),
        keyed("groups", "org_id"),
        keyed("orgs", "id"),
    ]);
    assert_eq!(carry(&engine, &lease("1", 1)).await.rows, 7);
    assert_eq!(world.count(&world.new, "notes").await, 2);
    assert_eq!(carry(&engine, &lease("2", 2)).await.rows, 4);
    assert_eq!(world.count(&world.new, "notes").await, 3, "a note of nobody stays");
}

#[tokio::test]
async fn a_chain_may_pass_through_a_table_that_does_not_move() {
    let world = World::with_schema(SCHEMA).await;
    world.old.batch_execute(ROWS).await.unwrap();
    // The members are there already, brought by other means and before their groups.
    let members = "SET session_replication_role = replica; INSERT INTO members VALUES (100, 10), (101, 11), (200, 20)";
    world.new.batch_execute(members).await.unwrap();
    let engine = world.engine(vec![
        via("notes", &[("member_id", "members", "id"), ("group_id", "groups", "id")]),
        keyed("groups", "org_id"),
        keyed("orgs", "id"),
    ]);
    assert_eq!(carry(&engine, &lease("1", 1)).await.rows, 5);
    assert_eq!(world.count(&world.new, "notes").await, 2);
}

#[tokio::test]
async fn a_via_that_leads_nowhere_is_refused() {
    let world = World::with_schema(SCHEMA).await;
    for (rule, says) in [
        (via("worn", &[("badge_code", "badges", "code")]), "no table of this migration"),
        (via("worn", &[("nothing", "badges", "code")]), "no column nothing"),
        (via("worn", &[("id", "worn", "id")]), "circle"),
    ] {
        let engine = world.engine(vec![rule]);
        let (reason, place) = refused_copy(&engine, &lease("1", 1)).await;
        assert!(reason.contains(says), "{reason}");
        assert_eq!(place.table.as_deref(), Some("worn"));
        engine.discard(&lease("1", 1)).await.unwrap();
    }
}
