//! TRUNCATE cannot be logged, so it waits until no org is away or on its way.

use crate::world::{World, refused, watch};

#[tokio::test]
async fn truncate_is_refused_while_an_org_is_not_settled() {
    let world = World::guarded().await;
    let group = "00000000-0000-0000-0000-000000000001";
    world
        .app
        .batch_execute(&format!(
            "
        INSERT INTO notes VALUES (1, 1, ''); INSERT INTO events VALUES (1, 1, '2026-01-01');
        INSERT INTO groups VALUES ('{group}', 1, 'c'); INSERT INTO members VALUES (1, '{group}')"
        ))
        .await
        .unwrap();
    for mode in ["capturing", "moved", "incoming", "discarded"] {
        world.set_mode("4", mode).await;
        for tables in ["notes", "events", "events_2026", "events_2026_1", "groups CASCADE", "stickers", "orgs, notes"] {
            let refusal = refused(world.app.batch_execute(&format!("TRUNCATE {tables}")).await);
            assert_eq!(refusal.code, "55000", "{mode} {tables}: {refusal:?}");
            assert!(refusal.message.contains("1 orgs of migration whole_org"), "{refusal:?}");
            assert!(refusal.hint.contains("org by org"), "{refusal:?}");
        }
        assert_eq!(world.count("notes, events, groups, members").await, 1);
    }
    // Tables that the migration does not move are not affected.
    world.app.batch_execute("TRUNCATE orgs").await.unwrap();
}

#[tokio::test]
async fn truncate_works_while_all_orgs_are_settled() {
    let world = World::guarded().await;
    watch(&world.old, "1").await;
    for level in ["READ COMMITTED", "READ UNCOMMITTED"] {
        world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &[]).await;
        let sql = format!("BEGIN ISOLATION LEVEL {level}; TRUNCATE notes, events, groups CASCADE; COMMIT");
        world.assert_logs(&sql, &[]).await;
    }
    assert_eq!(world.count("notes").await, 0);
    // With a snapshot from before an org began to move it could not know.
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let refusal = refused(world.app.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; TRUNCATE notes")).await);
        assert_eq!(refusal.code, "55000");
        assert!(refusal.message.contains("needs READ COMMITTED"), "{refusal:?}");
        world.app.batch_execute("ROLLBACK").await.unwrap();
    }
}
