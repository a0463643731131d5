//! Rows without an org column of their own are found through their parents.

use mover_actors::domain::verified::Verified;

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

/// The row in between is what is missing, and not the one that points to it. What was copied must not stay behind: it belongs to no org
/// there, so an abort would not find it, and the next try would meet its key.
#[tokio::test]
async fn a_row_that_is_missing_in_between_is_named_and_nothing_stays_behind() {
    let world = World::with_schema(SCHEMA).await;
    world.old.batch_execute(ROWS).await.unwrap();
    world.old.batch_execute("UPDATE groups SET boss = NULL").await.unwrap();
    let members = "SET session_replication_role = replica; INSERT INTO members VALUES (100, 10), (200, 20)";
    world.new.batch_execute(members).await.unwrap();
    let engine = world.engine(vec![
        via("notes", &[("member_id", "members", "id"), ("group_id", "groups", "id")]),
        keyed("groups", "org_id"),
        keyed("orgs", "id"),
    ]);
    let (reason, place) = refused_copy(&engine, &lease("1", 1)).await;
    assert!(
        reason.contains(
            "1 rows of it lead to their org through members, which lacks the row (id)=(101), to which (1001) points"
        ),
        "{reason}"
    );
    assert_eq!((place.table.as_deref(), place.row.as_deref()), (Some("members"), Some("(id)=(101)")));
    engine.discard(&lease("1", 1)).await.unwrap();
    assert_eq!(world.count(&world.new, "notes").await, 0);
    world.new.batch_execute("INSERT INTO members VALUES (101, 11)").await.unwrap();
    assert_eq!(carry(&engine, &lease("1", 2)).await.rows, 5);
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

const ODD: &str = r#"
    CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE DOMAIN code AS text CHECK (VALUE <> '');
    CREATE SCHEMA "o.t";
    CREATE TABLE "o.t".t (
        "key" text COLLATE "C" NOT NULL, "value" int, "number" int, a0 int, r text, g text, o text, t text,
        PRIMARY KEY ("key", "value")
    );
    CREATE TABLE "o.t".r (o int PRIMARY KEY, "number" text, "key" text);
    CREATE TABLE parts ("o" varchar(12) COLLATE "POSIX", id int, t text, PRIMARY KEY ("o", id)) PARTITION BY HASH ("o");
    CREATE TABLE part_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE part_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE sorted (id int PRIMARY KEY, g text COLLATE "de-x-icu");
    CREATE TABLE loose (id int PRIMARY KEY, "number" text COLLATE folded);
    CREATE TABLE narrow (id int PRIMARY KEY, g code);
    CREATE TABLE made (id int PRIMARY KEY, word text, r text GENERATED ALWAYS AS (substr(word, 2)) STORED);
    CREATE TABLE padded (id int PRIMARY KEY, a0 char(6));
"#;

const ODD_ROWS: &str = r#"
    CREATE TABLE n AS SELECT i, (ARRAY['k1', 'k2', 'ä b', 'other', NULL])[1 + i % 5] AS k FROM generate_series(1, 100) i;
    INSERT INTO "o.t".t SELECT k, i, i, i, 'r' || i, k, k, k FROM n WHERE k IS NOT NULL;
    INSERT INTO "o.t".r SELECT i, 'r' || i, k FROM n;
    INSERT INTO parts SELECT k, i, k FROM n WHERE k IS NOT NULL;
    INSERT INTO sorted SELECT i, k FROM n;
    INSERT INTO loose SELECT i, CASE WHEN i % 2 = 0 THEN upper(k) ELSE k END FROM n;
    INSERT INTO narrow SELECT i, k FROM n;
    INSERT INTO made SELECT i, 'x' || k FROM n;
    INSERT INTO padded SELECT i, k FROM n;
"#;

#[tokio::test]
async fn orgs_are_told_apart_whatever_holds_their_key() {
    use mover_actors::ports::Engine;

    let world = World::with_schema(ODD).await;
    world.old.batch_execute(ODD_ROWS).await.unwrap();
    let engine = world.engine(vec![
        keyed("\"o.t\".t", "key"),
        via("\"o.t\".r", &[("number", "\"o.t\".t", "r")]),
        keyed("parts", "o"),
        keyed("sorted", "g"),
        keyed("loose", "number"),
        keyed("narrow", "g"),
        keyed("made", "r"),
        keyed("padded", "a0"),
    ]);
    let leases = [lease("ä b", 1), lease("k2", 2), lease("k1", 3), lease("nobody", 4)];
    assert_eq!(engine.sizes(&leases).await.unwrap(), [160, 160, 160, 0]);
    assert_eq!(Engine::copy(&engine, &leases).await.unwrap().rows, 480);
    let tallies = Engine::verify(&engine, &leases).await.unwrap();
    let rows: Vec<i64> =
        tallies.iter().map(|(source, target)| Verified::compare(source, target).unwrap().tally().rows()).collect();
    assert_eq!(rows, [160, 160, 160, 0]);
    Engine::settle(&engine, &leases).await.unwrap();
}

/// The same where rows are hashed on their way: of a cohort, by the text of the key or beside it.
#[tokio::test]
async fn orgs_are_told_apart_where_rows_are_hashed_on_their_way() {
    use mover_actors::ports::Engine;

    let schema = r#"
        CREATE TABLE "t" (id int PRIMARY KEY, "key" bigint, "number" text);
        CREATE TABLE "o" (id int PRIMARY KEY, "value" smallint);
        CREATE TABLE "r" (id int PRIMARY KEY, "o" varchar(5));
        CREATE TABLE "g" ("number" int PRIMARY KEY, "t" int);
    "#;
    let world = World::with_schema(schema).await;
    let rows = r#"
        INSERT INTO t SELECT i, i % 5 - 1, 'x' || i FROM generate_series(1, 50) i;
        INSERT INTO o SELECT id, key FROM t; INSERT INTO r SELECT id, key FROM t; INSERT INTO g SELECT id, id FROM t;
    "#;
    world.old.batch_execute(rows).await.unwrap();
    let engine =
        world.engine(vec![keyed("t", "key"), keyed("o", "value"), keyed("r", "o"), via("g", &[("t", "t", "id")])]);
    let leases = [lease("3", 1), lease("-1", 2), lease("0", 3)];
    assert_eq!(Engine::copy(&engine, &leases).await.unwrap().rows, 120);
    for (source, target) in Engine::verify(&engine, &leases).await.unwrap() {
        assert_eq!(Verified::compare(&source, &target).unwrap().tally().rows(), 40);
    }
    let hashed =
        "pg_stat_activity WHERE datname = 'old' AND application_name = 'mover' AND query LIKE '%hash_record%sum(%'";
    assert_eq!(world.count(&world.old, hashed).await, 0, "the source was read once more");
}
