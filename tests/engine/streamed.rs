//! Rows that were hashed while they were copied are not read again to be compared, unless one of them may have been written since.

use crate::one_org::OneOrg;
use crate::world::{World, keyed, lease, verify, via};
use mover::engine::PgEngine;

const SCHEMA: &str = "
    CREATE TYPE size AS ENUM ('small', 'large');
    CREATE DOMAIN colour AS varchar(10) CHECK (value <> '');
    CREATE TABLE groups (
        id int PRIMARY KEY, org int NOT NULL, name text, made timestamptz, extra jsonb, tags text[], size size, colour colour
    );
    CREATE INDEX ON groups (org);
    CREATE TABLE members (group_id int, name text, share numeric, PRIMARY KEY (group_id, name));
    CREATE TABLE passed (id int PRIMARY KEY, group_id int);
    CREATE TABLE far (id int PRIMARY KEY, passed_id int);
    INSERT INTO groups SELECT i, 1 + i % 3, repeat('g', i % 40), now() - i * interval '1 day',
        CASE WHEN i % 2 = 0 THEN jsonb_build_object('n', i) END, CASE WHEN i % 5 > 0 THEN ARRAY['a', NULL, i::text] END,
        CASE i % 4 WHEN 0 THEN 'small'::size WHEN 1 THEN 'large' END, CASE i % 7 WHEN 0 THEN 'rot ä' END
        FROM generate_series(1, 300) i;
    INSERT INTO members SELECT g.id, 'm' || n, n / 7.0 FROM groups g, generate_series(1, 4) n;
";

async fn world() -> World {
    let world = World::with_schema(SCHEMA).await;
    world.new.batch_execute("TRUNCATE groups, members").await.unwrap();
    world
}

fn engine(world: &World) -> PgEngine {
    world.engine(vec![keyed("groups", "org"), via("members", &[("group_id", "groups", "id")])])
}

/// Whether one of Mover's sessions with the source has hashed rows last.
async fn has_hashed(world: &World) -> bool {
    let found =
        "pg_stat_activity WHERE datname = 'old' AND application_name = 'mover' AND query LIKE '%hash_record%sum(%'";
    world.count(&world.old, found).await > 0
}

#[tokio::test]
async fn unwritten_rows_are_not_read_again() {
    let world = world().await;
    let engine = engine(&world);
    engine.copy(&lease("1", 1)).await.unwrap();
    let (source, target) = engine.verify(&lease("1", 1)).await.unwrap();
    assert_eq!((source.rows(), &source), (500, &target));
    assert!(!has_hashed(&world).await, "the source was read once more");
    // Rows of other orgs do not matter.
    world.old.batch_execute("UPDATE groups SET name = 'x' WHERE org = 2").await.unwrap();
    engine.verify(&lease("1", 1)).await.unwrap();
    assert!(!has_hashed(&world).await, "the source was read once more");
    verify(&engine, &lease("1", 1)).await.unwrap();
    assert!(has_hashed(&world).await, "the look at what was asked sees nothing");
}

#[tokio::test]
async fn whatever_is_written_after_the_copy_is_seen() {
    let world = world().await;
    let engine = engine(&world);
    let (mut epoch, one) = (0, |epoch| lease("1", epoch));
    for change in [
        "UPDATE groups SET name = name || '!' WHERE id = 3",
        "DELETE FROM members WHERE group_id = 3 AND name = 'm1'",
        "INSERT INTO members VALUES (6, 'new', 1)",
        "BEGIN; DELETE FROM members WHERE group_id = 6 AND name = 'm1'; INSERT INTO members VALUES (6, 'other', 1); COMMIT",
        // Rows that get another org, as many in each direction.
        "UPDATE groups SET org = 1 WHERE id = 4",
        "UPDATE groups SET org = 3 - org WHERE id IN (9, 10)",
        "UPDATE members SET group_id = 13, name = 'came' WHERE group_id = 12 AND name = 'm2'",
        "BEGIN; SAVEPOINT s; UPDATE groups SET tags = '{x}' WHERE id = 15; RELEASE s; COMMIT",
        "TRUNCATE members",
    ] {
        epoch += 1;
        engine.copy(&one(epoch)).await.unwrap();
        verify(&engine, &one(epoch)).await.expect(change);
        world.old.batch_execute(change).await.unwrap();
        verify(&engine, &one(epoch)).await.expect_err(change);
    }
}

/// Labels are no part of a row, so a row with another label is not written.
#[tokio::test]
async fn labels_that_change_after_the_copy_are_seen() {
    let world = world().await;
    let engine = engine(&world);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    let swap = "ALTER TYPE size RENAME VALUE 'small' TO 'medium'; ALTER TYPE size RENAME VALUE 'large' TO 'small';
                ALTER TYPE size RENAME VALUE 'medium' TO 'large'";
    world.old.batch_execute(swap).await.unwrap();
    // A look at the schema serves for a moment.
    let mut tries = 0..1_000;
    while engine.verify(&lease("1", 1)).await.is_ok_and(|(source, target)| source == target) {
        tries.next().expect("the labels of the source were changed, and all rows count as equal");
    }
}

/// A generated column is not copied, so its table cannot be hashed during the copy. The other tables can.
#[tokio::test]
async fn only_tables_that_cannot_be_hashed_during_the_copy_are_read_again() {
    let world = world().await;
    let doubled = "ALTER TABLE members ADD doubled numeric GENERATED ALWAYS AS (share * 2) STORED";
    world.old.batch_execute(doubled).await.unwrap();
    world.new.batch_execute(doubled).await.unwrap();
    let engine = engine(&world);
    let hashed = "pg_stat_activity WHERE datname = 'old' AND application_name = 'mover' AND query ~ 'hash_record.*bool_or|bool_or.*hash_record'";
    for (epoch, change) in [
        (1, "UPDATE members SET share = share + 1 WHERE group_id = 3"),
        (2, "DELETE FROM members WHERE group_id = 3"),
        (3, "UPDATE groups SET size = 'large' WHERE id = 6"),
    ] {
        let one = lease("1", epoch);
        engine.copy(&one).await.unwrap();
        let (source, target) = engine.verify(&one).await.unwrap();
        assert_eq!(source, target);
        assert!(world.count(&world.old, hashed).await > 0, "both tables were read again, or neither");
        world.old.batch_execute(change).await.unwrap();
        verify(&engine, &one).await.expect_err(change);
    }
}

/// It had begun before the snapshot, so its number is lower than those that came after.
#[tokio::test]
async fn what_was_open_during_the_copy_is_seen() {
    let world = world().await;
    let engine = engine(&world);
    let other = world.server.connect("old").await;
    other.batch_execute("BEGIN; UPDATE groups SET name = 'late' WHERE id = 3").await.unwrap();
    for _ in 0..3 {
        world.old.batch_execute("UPDATE groups SET name = 'x' WHERE org = 2").await.unwrap();
    }
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    other.batch_execute("COMMIT").await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap_err();
}

/// Rows get another owner without being written, if a table that `via` passes through has changed.
#[tokio::test]
async fn tables_whose_owner_depends_on_others_are_read_again() {
    let world = world().await;
    let rows = "INSERT INTO passed SELECT i, i FROM generate_series(1, 30) i; INSERT INTO far SELECT i, i FROM generate_series(1, 30) i";
    world.old.batch_execute(rows).await.unwrap();
    let hops = [("passed_id", "passed", "id"), ("group_id", "groups", "id")];
    let engine = world.engine(vec![keyed("groups", "org"), via("far", &hops)]);
    world.new.batch_execute(rows.split(';').next().unwrap()).await.unwrap();
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    // As many as before.
    world
        .old
        .batch_execute("UPDATE passed SET group_id = CASE id WHEN 3 THEN 4 ELSE 3 END WHERE id IN (3, 4)")
        .await
        .unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap_err();
}

/// There the rows have ownership rules of their own.
#[tokio::test]
async fn tables_that_pass_through_rows_of_other_orgs_are_read_again() {
    let schema = "
        CREATE TABLE orgs (id int PRIMARY KEY);
        CREATE TABLE boxes (id int PRIMARY KEY, org int, owner int);
        CREATE TABLE things (id int PRIMARY KEY, box_id int);
    ";
    let world = World::with_schema(schema).await;
    let rows = "
        INSERT INTO orgs VALUES (1), (2), (3);
        INSERT INTO boxes VALUES (10, 3, 1), (11, 3, 1), (20, 3, 2), (21, 3, 2);
        INSERT INTO things SELECT id, id FROM boxes;
    ";
    world.old.batch_execute(rows).await.unwrap();
    world.new.batch_execute("INSERT INTO boxes VALUES (10, 3, 1), (11, 3, 1)").await.unwrap();
    let hops = [("box_id", "boxes", "id"), ("owner", "orgs", "id")];
    let engine = world.engine(vec![keyed("orgs", "id"), keyed("boxes", "org"), via("things", &hops)]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    // No row of org 1 is written, and it has as many as before.
    world.old.batch_execute("UPDATE boxes SET owner = 3 - owner WHERE id IN (10, 20)").await.unwrap();
    engine.verify(&lease("1", 1)).await.map(|(source, target)| assert_ne!(source, target)).unwrap();
}

/// Foreign tables do not tell which transaction wrote a row.
#[tokio::test]
async fn foreign_partitions_are_read_again() {
    let schema = "
        CREATE TABLE groups (id int, org int NOT NULL, name text, PRIMARY KEY (org, id)) PARTITION BY LIST (org);
        CREATE TABLE groups_here PARTITION OF groups FOR VALUES IN (2);
    ";
    let world = World::with_schema(schema).await;
    world.new.batch_execute("CREATE TABLE groups_1 PARTITION OF groups FOR VALUES IN (1)").await.unwrap();
    world.server.create_database("far").await;
    let far = world.server.connect("far").await;
    far.batch_execute("CREATE TABLE groups_1 (id int NOT NULL, org int NOT NULL, name text)").await.unwrap();
    let directory = world.server.socket_dir("far").display().to_string();
    let port: String = far.query_one("SHOW port", &[]).await.unwrap().get(0);
    let foreign = format!(
        "ALTER TABLE groups DROP CONSTRAINT groups_pkey;
         CREATE EXTENSION postgres_fdw;
         CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{directory}', port '{port}', dbname 'far');
         CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'mover');
         CREATE FOREIGN TABLE groups_1 PARTITION OF groups FOR VALUES IN (1) SERVER far;
         INSERT INTO groups SELECT i, 1 + i % 2, 'g' || i FROM generate_series(1, 10) i"
    );
    world.old.batch_execute(&foreign).await.unwrap();
    let engine = world.engine(vec![keyed("groups", "org")]);
    engine.copy(&lease("1", 1)).await.unwrap();
    verify(&engine, &lease("1", 1)).await.unwrap();
    far.batch_execute("UPDATE groups_1 SET name = 'x' WHERE id = 2").await.unwrap();
    engine.verify(&lease("1", 1)).await.map(|(source, target)| assert_ne!(source, target)).unwrap();
}

/// Transactions that are prepared or nested, rows that are frozen at once or later, tables that are rewritten.
#[tokio::test]
async fn however_a_row_is_written_it_is_seen() {
    let world = world().await;
    let engine = engine(&world);
    let other = world.server.connect("old").await;
    let run = async |sql: &str| world.old.batch_execute(sql).await.unwrap();
    let copy = async |epoch| {
        engine.copy(&lease("1", epoch)).await.unwrap();
        verify(&engine, &lease("1", epoch)).await.unwrap();
    };

    run("BEGIN; UPDATE groups SET name = 'prepared' WHERE id = 3; PREPARE TRANSACTION 'late'").await;
    run("UPDATE groups SET name = 'x' WHERE org = 2").await;
    copy(1).await;
    run("COMMIT PREPARED 'late'").await;
    run("VACUUM (FREEZE) groups").await;
    verify(&engine, &lease("1", 1)).await.unwrap_err();

    other.batch_execute("BEGIN; UPDATE groups SET name = 'y' WHERE id = 1").await.unwrap();
    copy(2).await;
    other
        .batch_execute("SAVEPOINT s; UPDATE groups SET name = 'nested' WHERE id = 3; RELEASE s; COMMIT")
        .await
        .unwrap();
    verify(&engine, &lease("1", 2)).await.unwrap_err();

    copy(3).await;
    let file = world.server.socket_dir("old").join("members").display().to_string();
    run(&format!("COPY (SELECT group_id, name, share + 1 FROM members) TO '{file}'")).await;
    run(&format!("BEGIN; TRUNCATE members; COPY members FROM '{file}' (FREEZE); COMMIT")).await;
    verify(&engine, &lease("1", 3)).await.unwrap_err();

    copy(4).await;
    run("VACUUM (FULL, FREEZE) groups").await;
    run("CLUSTER members USING members_pkey").await;
    verify(&engine, &lease("1", 4)).await.unwrap();
    run("ALTER TABLE members ALTER share TYPE numeric USING share + 1").await;
    verify(&engine, &lease("1", 4)).await.unwrap_err();
}
