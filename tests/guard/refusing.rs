//! Writes to an org that lives in the other store are refused, with an error that programs and people can use.

use crate::world::{MIGRATION, Refusal, World, connect_as, refused, set_mode};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

async fn world() -> World {
    let world = World::guarded().await;
    world.app.batch_execute("INSERT INTO notes VALUES (1, 1, 'one'), (2, 2, 'two'), (3, 3, 'three')").await.unwrap();
    world
}

fn assert_points_to(refusal: &Refusal, code: &str, org: &str, store: &str) {
    assert_eq!(refusal.code, code, "{refusal:?}");
    assert!(refusal.message.contains(org) && refusal.message.contains(store), "{refusal:?}");
    assert_eq!(refusal.detail.lines().count(), 1, "{refusal:?}");
    let detail: serde_json::Value = serde_json::from_str(&refusal.detail).unwrap();
    assert_eq!(detail, serde_json::json!({ "migration": MIGRATION, "org_key": org, "store": store }));
    assert!(refusal.hint.contains("retry") && refusal.hint.contains(store), "{refusal:?}");
}

#[tokio::test]
async fn a_refusal_names_the_store_to_use() {
    let world = world().await;
    for (mode, code) in [("moved", "MV001"), ("discarded", "MV001"), ("incoming", "MV002")] {
        world.set_mode("1", mode).await;
        for level in LEVELS {
            for write in [
                "INSERT INTO notes VALUES (10, 1, '')",
                "UPDATE notes SET body = 'x' WHERE id = 1",
                "DELETE FROM notes WHERE id = 1",
                "UPDATE notes SET org = 1 WHERE id = 2",
                "UPDATE notes SET org = 2 WHERE id = 1",
                "INSERT INTO notes VALUES (2, 1, '') ON CONFLICT (id) DO UPDATE SET org = 1",
                "UPDATE notes SET body = 'x'",
            ] {
                world.app.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
                let refusal = refused(world.app.batch_execute(write).await);
                world.app.batch_execute("ROLLBACK").await.unwrap();
                assert_points_to(&refusal, code, "1", "new");
            }
        }
    }
    // The other store points back.
    let app = connect_as(&world.server, "app", "new").await;
    for (mode, code) in [("incoming", "MV002"), ("discarded", "MV001"), ("moved", "MV001")] {
        set_mode(&world.new, "1", mode).await;
        let refusal = refused(app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await);
        assert_points_to(&refusal, code, "1", "old");
    }
}

#[tokio::test]
async fn an_org_with_an_odd_key_is_named_as_it_is() {
    let world = world().await;
    let key = "a \"b\" 'c' %s {d} \\ \n$mover$ é";
    world.set_mode(key, "moved").await;
    let sql = format!("INSERT INTO {} VALUES ('k', 1, $1)", crate::world::ODD_TABLE);
    let refusal = refused(world.app.execute(&sql, &[&key]).await);
    assert_points_to(&refusal, "MV001", key, "new");
}

#[tokio::test]
async fn nothing_of_a_refused_transaction_is_left_and_reading_goes_on() {
    let world = world().await;
    world.set_mode("1", "moved").await;
    world.set_mode("2", "capturing").await;
    let sql = "BEGIN; INSERT INTO notes VALUES (20, 2, ''); INSERT INTO notes VALUES (30, 3, ''); UPDATE notes SET body = 'x' WHERE id = 1; COMMIT";
    assert_eq!(refused(world.app.batch_execute(sql).await).code, "MV001");
    world.app.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(world.count("notes").await, 3);
    assert_eq!(world.logged().await, [""; 0]);
    for level in LEVELS {
        let sql = format!("BEGIN ISOLATION LEVEL {level}");
        world.app.batch_execute(&sql).await.unwrap();
        let row = world.app.query_one("SELECT body FROM notes WHERE org = 1 FOR UPDATE", &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "one");
        world.app.batch_execute("COMMIT").await.unwrap();
    }
    // Other orgs of the same table are not blocked.
    world.assert_logs("UPDATE notes SET body = 'x' WHERE org IN (2, 3)", &["2 notes {2}"]).await;
    // A savepoint brings back what was before the refused write.
    world.app.batch_execute("BEGIN; UPDATE notes SET body = 'y' WHERE id = 3; SAVEPOINT s").await.unwrap();
    assert_eq!(refused(world.app.batch_execute("DELETE FROM notes WHERE id = 1").await).code, "MV001");
    world.app.batch_execute("ROLLBACK TO s; COMMIT").await.unwrap();
    assert_eq!(world.count("notes WHERE body = 'y'").await, 1);
    assert_eq!(world.count("notes WHERE org = 1").await, 1);
}

#[tokio::test]
async fn a_statement_about_many_orgs_is_refused_for_the_one_that_has_moved() {
    let world = world().await;
    world.app.batch_execute("INSERT INTO notes SELECT n, n, '' FROM generate_series(100, 400) n").await.unwrap();
    world.set_mode("250", "moved").await;
    world.set_mode("251", "capturing").await;
    for level in LEVELS {
        world.app.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}")).await.unwrap();
        let refusal = refused(world.app.batch_execute("UPDATE notes SET body = 'all'").await);
        world.app.batch_execute("ROLLBACK").await.unwrap();
        assert_points_to(&refusal, "MV001", "250", "new");
    }
    world.assert_logs("UPDATE notes SET body = 'most' WHERE org <> 250", &["251 notes {251}"]).await;
}
