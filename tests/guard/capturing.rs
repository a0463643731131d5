//! Writes of a captured org are logged, however they are made, and nothing else is.

use crate::world::World;

const LEVELS: [&str; 4] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED"];

/// Orgs 1 and 2 are captured, 3 is not.
async fn world() -> World {
    let world = World::guarded().await;
    world
        .app
        .batch_execute("INSERT INTO notes SELECT n, (n - 1) / 10 + 1, '' FROM generate_series(1, 30) n")
        .await
        .unwrap();
    world.set_mode("1", "capturing").await;
    world.set_mode("2", "capturing").await;
    world
}

#[tokio::test]
async fn plain_writes_are_logged_at_every_isolation_level() {
    let world = world().await;
    for (number, level) in LEVELS.iter().enumerate() {
        let id = 100 + number;
        let begin = format!("BEGIN ISOLATION LEVEL {level};");
        let one = format!("1 notes {{{id}}}");
        for sql in [
            format!("INSERT INTO notes VALUES ({id}, 1, 'new')"),
            format!("UPDATE notes SET body = 'changed' WHERE id = {id}"),
            format!("DELETE FROM notes WHERE id = {id}"),
        ] {
            world.assert_logs(&format!("{begin} {sql}; COMMIT"), &[&one]).await;
        }
        // Once for each statement, but once only.
        let twice = format!(
            "{begin} UPDATE notes SET body = 'x' WHERE id IN (5, 25); UPDATE notes SET body = 'y' WHERE id = 5; COMMIT"
        );
        world.assert_logs(&twice, &["1 notes {5}", "1 notes {5}"]).await;
    }
}

#[tokio::test]
async fn a_statement_about_several_orgs_logs_each_row_with_its_org() {
    let world = world().await;
    for level in LEVELS {
        let sql = format!(
            "BEGIN ISOLATION LEVEL {level}; UPDATE notes SET body = '{level}' WHERE id IN (9, 10, 11, 21, 22); COMMIT"
        );
        world.assert_logs(&sql, &["1 notes {9}", "1 notes {10}", "2 notes {11}"]).await;
    }
    world.assert_logs("DELETE FROM notes WHERE id IN (1, 12, 23)", &["1 notes {1}", "2 notes {12}"]).await;
    world
        .assert_logs("INSERT INTO notes VALUES (1, 1, ''), (12, 2, ''), (23, 3, '')", &["1 notes {1}", "2 notes {12}"])
        .await;
}

#[tokio::test]
async fn a_change_of_the_key_logs_the_old_and_the_new_one() {
    let world = world().await;
    world.assert_logs("UPDATE notes SET id = 101 WHERE id = 1", &["1 notes {1}", "1 notes {101}"]).await;
    world
        .assert_logs(
            "UPDATE notes SET id = id + 200 WHERE id IN (2, 13, 24)",
            &["1 notes {2}", "1 notes {202}", "2 notes {13}", "2 notes {213}"],
        )
        .await;
}

#[tokio::test]
async fn a_row_that_changes_hands_is_logged_for_both_orgs() {
    let world = world().await;
    world.assert_logs("UPDATE notes SET org = 2 WHERE id = 1", &["1 notes {1}", "2 notes {1}"]).await;
    world.assert_logs("UPDATE notes SET org = 3 WHERE id = 2", &["1 notes {2}"]).await;
    world.assert_logs("UPDATE notes SET org = 1 WHERE id = 21", &["1 notes {21}"]).await;
    world.assert_logs("UPDATE notes SET org = 1, id = 130 WHERE id = 11", &["2 notes {11}", "1 notes {130}"]).await;
}

#[tokio::test]
async fn upsert_merge_and_copy_are_logged() {
    let world = world().await;
    let upsert = "INSERT INTO notes VALUES (1, 1, 'again'), (31, 1, 'new'), (21, 3, 'other') ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    world.assert_logs(upsert, &["1 notes {1}", "1 notes {31}"]).await;
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '') ON CONFLICT DO NOTHING", &[]).await;
    let merge = "MERGE INTO notes n
        USING (VALUES (2, 1, 'update'), (11, 2, 'delete'), (32, 2, 'insert'), (22, 3, 'update')) AS s (id, org, body) ON n.id = s.id
        WHEN MATCHED AND s.body = 'delete' THEN DELETE
        WHEN MATCHED THEN UPDATE SET body = s.body
        WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.org, s.body)";
    world.assert_logs(merge, &["1 notes {2}", "2 notes {11}", "2 notes {32}"]).await;

    use futures_util::SinkExt;
    let sink = world.app.copy_in::<_, bytes::Bytes>("COPY notes FROM STDIN").await.unwrap();
    futures_util::pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"41\t1\tcopied\n42\t2\t\\N\n43\t3\tx\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 3);
    assert_eq!(world.logged().await, ["1 notes {41}", "2 notes {42}"]);
}

#[tokio::test]
async fn writes_behind_the_back_of_the_statement_are_logged() {
    let world = world().await;
    let sql = "
        CREATE VIEW notes_of_1 AS SELECT id, org, body FROM notes WHERE org = 1 WITH CHECK OPTION;
        CREATE VIEW joined AS SELECT n.id, n.org, n.body, o.name FROM notes n JOIN orgs o ON o.id = n.org;
        CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE notes SET body = NEW.body WHERE id = OLD.id; RETURN NEW; END $$;
        CREATE TRIGGER instead INSTEAD OF UPDATE ON joined FOR EACH ROW EXECUTE FUNCTION instead();
        CREATE TABLE inbox (id int, org int);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO notes VALUES (NEW.id, NEW.org, 'of a trigger'); RETURN NEW; END $$;
        CREATE TRIGGER note AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION note();
        -- Runs after the guard's own trigger, by its name.
        CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF pg_trigger_depth() = 1 THEN UPDATE notes SET body = 'followed' WHERE id IN (SELECT id + 1 FROM fresh); END IF;
            RETURN NULL; END $$;
        CREATE TRIGGER zzz AFTER UPDATE ON notes REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION follow();
        CREATE FUNCTION by_call() RETURNS void LANGUAGE sql AS $$ DELETE FROM notes WHERE id = 3 $$";
    world.app.batch_execute(sql).await.unwrap();
    world.assert_logs("INSERT INTO notes_of_1 VALUES (31, 1, '')", &["1 notes {31}"]).await;
    world.assert_logs("DELETE FROM notes_of_1 WHERE id = 31", &["1 notes {31}"]).await;
    world.assert_logs("INSERT INTO inbox VALUES (32, 2), (33, 3)", &["2 notes {32}"]).await;
    world.assert_logs("UPDATE joined SET body = 'x' WHERE id = 30", &[]).await;
    world.assert_logs("SELECT by_call()", &["1 notes {3}"]).await;
    world.assert_logs("UPDATE notes SET body = 'x' WHERE id = 4", &["1 notes {4}", "1 notes {5}"]).await;
    let in_one = "WITH gone AS (DELETE FROM notes WHERE id = 6 RETURNING org), new AS (INSERT INTO notes VALUES (36, 1, '') RETURNING id)
        UPDATE notes SET org = 3 WHERE id = 12";
    world.assert_logs(in_one, &["1 notes {36}", "1 notes {6}", "2 notes {12}", "2 notes {13}"]).await;
}

#[tokio::test]
async fn what_is_rolled_back_is_not_logged() {
    let world = world().await;
    world.assert_logs("BEGIN; DELETE FROM notes WHERE org = 1; ROLLBACK", &[]).await;
    let sql = "BEGIN; DELETE FROM notes WHERE id = 1; SAVEPOINT s; DELETE FROM notes WHERE id = 2; ROLLBACK TO s;
        DELETE FROM notes WHERE id = 3; COMMIT";
    world.assert_logs(sql, &["1 notes {1}", "1 notes {3}"]).await;
}

#[tokio::test]
async fn entries_carry_the_transaction_whose_end_makes_them_visible() {
    let world = world().await;
    let sql = "BEGIN; SAVEPOINT s; DELETE FROM notes WHERE id = 1; RELEASE s; SELECT set_config('test.xid', pg_current_xact_id()::text, false); COMMIT";
    world.app.batch_execute(sql).await.unwrap();
    let row = world.app.query_one("SELECT current_setting('test.xid')", &[]).await.unwrap();
    let xid: String = row.get(0);
    assert_eq!(world.count(&format!("mover.change_log WHERE xid = '{xid}'::xid8")).await, 1);
}
