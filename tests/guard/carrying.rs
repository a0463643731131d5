//! Logged changes can be carried over: a whole move of an org with rows in tables of every kind.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::Verified;

use crate::support::handed_over;
use crate::world::{ODD_TABLE, World, connect_as, lease, refused};

const G1: &str = "00000000-0000-0000-0000-000000000001";
const G2: &str = "00000000-0000-0000-0000-000000000002";

const TABLES: [&str; 10] =
    ["notes", "groups", "members", "files", "badges", "stickers", "events", ODD_TABLE, "kinds", "collated"];

fn rows() -> String {
    format!(
        r#"INSERT INTO notes VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 1, 'c');
        INSERT INTO groups VALUES ('{G1}', 1, 'c1', 'n'), ('{G2}', 1, 'c2', 'n');
        INSERT INTO members VALUES (10, '{G1}', 'r'), (11, '{G2}', 'r');
        INSERT INTO files VALUES ('f1', 'c1'), ('f2', 'c2');
        INSERT INTO badges VALUES (100, 10, 'b'), (101, 11, 'b');
        INSERT INTO stickers VALUES (1000, 100), (1001, 101);
        INSERT INTO events VALUES (1, 1, '2025-05-05', 'e'), (2, 1, '2026-05-05', 'e');
        INSERT INTO {ODD_TABLE} VALUES ('k ''1"', 7, '1', 'v'), ('k2', 8, '1', 'v');
        INSERT INTO kinds VALUES ('{G1}', '2026-03-04 05:06:07.123456+00', '\x00ff41', 1.50, 'Happy', 0.1::float8 + 0.2::float8,
            '1 year 2 days 03:04:05', '2026-02-01', 1);
        INSERT INTO collated VALUES ('a', 'b', 'c', 1)"#
    )
}

/// Something of everything, in sessions that have odd settings.
fn changes() -> String {
    format!(
        r#"SET DateStyle = 'German, DMY'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kathmandu';
        SET extra_float_digits = -5; SET bytea_output = 'escape';
        UPDATE notes SET id = 4, body = 'moved' WHERE id = 1; DELETE FROM notes WHERE id = 2; INSERT INTO notes VALUES (1, 1, 'again');
        UPDATE notes SET org = 2 WHERE id = 3;
        UPDATE groups SET code = 'new' WHERE id = '{G1}'; UPDATE groups SET id = '00000000-0000-0000-0000-00000000000a' WHERE id = '{G1}';
        DELETE FROM groups WHERE id = '{G2}'; DELETE FROM files WHERE group_code IS NULL;
        UPDATE badges SET id = 109, body = 'x' WHERE id = 100; INSERT INTO stickers VALUES (1002, 109);
        UPDATE events SET at = '2026-06-06' WHERE id = 1; UPDATE events_2026 SET what = 'x'; INSERT INTO events_2025 VALUES (3, 1, '2025-07-07');
        UPDATE {ODD_TABLE} SET "a'b" = 'x', "é {{orgs}}" = 9 WHERE "é {{orgs}}" = 7;
        UPDATE kinds SET n = 1.500, i = i + '1 hour', f = f * 3, t = t + '1 month', b = b || '\x5c27'::bytea;
        UPDATE collated SET b = 'B'; INSERT INTO collated VALUES ('a', 'b', 'c', 1)"#
    )
}

async fn contents(client: &tokio_postgres::Client) -> Vec<String> {
    let mut rows = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT whole::text FROM {table} whole ORDER BY 1");
        rows.extend(
            client.query(&sql, &[]).await.unwrap().iter().map(|row| format!("{table} {}", row.get::<_, &str>(0))),
        );
    }
    rows
}

#[tokio::test]
async fn an_org_moves_there_and_back_with_all_that_is_written_meanwhile() {
    let world = World::guarded().await;
    let (engine, lease) = (world.engine(), lease("1"));
    world.app.batch_execute(&rows()).await.unwrap();
    engine.capture(&lease).await.unwrap();
    engine.copy_live(&lease).await.unwrap();
    world.app.batch_execute(&changes()).await.unwrap();
    world.app.batch_execute("DELETE FROM notes WHERE org = 2").await.unwrap();
    while engine.catch_up(&lease, Way::Forward).await.unwrap().left > 0 {}
    let (leaving, receiving) = engine.compare(&lease, Way::Forward).await.unwrap();
    Verified::compare(&leaving, &receiving).unwrap();
    let mut block = engine.block(&lease, Way::Forward).await.unwrap().unwrap();
    handed_over(&mut block).await.unwrap();
    block.release().await.unwrap();
    let moved = contents(&world.new).await;
    assert_eq!(moved, contents(&world.old).await);
    assert_eq!(refused(world.app.batch_execute("UPDATE collated SET c = 'x'").await).code, "MV001");

    // The other store logs writes there, so that there is a way back.
    let there = connect_as(&world.server, "app", "new").await;
    let undo = format!(
        "DELETE FROM files; DELETE FROM groups; DELETE FROM {ODD_TABLE}; UPDATE kinds SET d = d + 1; UPDATE events SET id = id + 10; UPDATE collated SET c = c || '!'"
    );
    there.batch_execute(&undo).await.unwrap();
    while engine.catch_up(&lease, Way::Back).await.unwrap().left > 0 {}
    let (leaving, receiving) = engine.compare(&lease, Way::Back).await.unwrap();
    Verified::compare(&leaving, &receiving).unwrap();
    let mut block = engine.block(&lease, Way::Back).await.unwrap().unwrap();
    handed_over(&mut block).await.unwrap();
    block.release().await.unwrap();
    let back = contents(&world.old).await;
    assert_eq!(back, contents(&world.new).await);
    assert_ne!(back, moved);
    assert_eq!(refused(there.batch_execute("UPDATE collated SET c = 'x'").await).code, "MV001");
    world.assert_logs("UPDATE collated SET c = 'x'", &[]).await;
}
