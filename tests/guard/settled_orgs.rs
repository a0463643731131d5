//! Orgs that do not move are not affected.

use crate::world::{MIGRATION, World};

const LEVELS: [&str; 3] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

#[tokio::test]
async fn writes_of_orgs_that_do_not_move_pass_and_are_not_logged() {
    let world = World::guarded().await;
    // Org 9 is in no list and has no row in the guard's table.
    for (number, level) in LEVELS.iter().enumerate() {
        for org in [1, 9] {
            let id = number * 100 + org;
            let sql = format!(
                "BEGIN ISOLATION LEVEL {level};
                 INSERT INTO notes VALUES ({id}, {org}, 'a'), ({id} + 50, {org}, 'b');
                 UPDATE notes SET body = body || '!' WHERE org = {org};
                 DELETE FROM notes WHERE id = {id} + 50;
                 INSERT INTO events VALUES ({id}, {org}, '2026-05-05', 'x');
                 COMMIT"
            );
            world.assert_logs(&sql, &[]).await;
        }
    }
    assert_eq!(world.count("notes WHERE body LIKE 'a!%'").await, 6);
    assert_eq!(world.count("mover.org_guard WHERE mode <> 'settled'").await, 0);
}

#[tokio::test]
async fn a_write_of_nothing_and_a_row_of_no_org_pass() {
    let world = World::guarded().await;
    world.set_mode("1", "capturing").await;
    world.set_mode("2", "moved").await;
    for level in LEVELS {
        let sql = format!(
            "BEGIN ISOLATION LEVEL {level};
             UPDATE notes SET body = 'none' WHERE false;
             DELETE FROM notes WHERE org = 2;
             INSERT INTO members VALUES (1, NULL, 'of nobody');
             UPDATE members SET role = 'still' WHERE id = 1;
             DELETE FROM members WHERE id = 1;
             COMMIT"
        );
        world.assert_logs(&sql, &[]).await;
    }
}

#[tokio::test]
async fn orgs_of_another_migration_are_not_mixed_up() {
    let world = World::guarded().await;
    let sql = format!(
        "INSERT INTO mover.org_guard (migration, org_key, mode, epoch)
         VALUES ('some_other', '1', 'moved', 1), ('{MIGRATION}_2', '2', 'capturing', 1)"
    );
    world.old.batch_execute(&sql).await.unwrap();
    world.assert_logs("INSERT INTO notes VALUES (1, 1, ''), (2, 2, '')", &[]).await;
}

#[tokio::test]
async fn a_transaction_with_a_snapshot_may_write_to_more_orgs_than_there_is_room_for_locks() {
    let world = World::guarded().await;
    world.set_mode("17", "capturing").await;
    let sql =
        "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO notes SELECT n, n, '' FROM generate_series(1, 30000) n";
    world.app.batch_execute(sql).await.unwrap();
    // Only writers of an org that moves may meet the switch.
    assert_eq!(
        world.count("pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND classid <> 1297045075").await,
        1
    );
    world.app.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.logged().await, ["17 notes {17}"]);
}
