//! A guard that an earlier version of Mover installed.

use crate::world::{World, migration, refused, store_name};

async fn earlier() -> World {
    let world = World::guarded().await;
    world.set_mode("1", "moved").await;
    world.set_mode("2", "capturing").await;
    world.app.batch_execute("INSERT INTO notes VALUES (2, 2, '')").await.unwrap();
    world.old.batch_execute(include_str!("../support/earlier_guard.sql")).await.unwrap();
    world
}

#[tokio::test]
async fn its_orgs_are_counted_and_an_install_replaces_it() {
    let world = earlier().await;
    let status = world.status().await;
    assert!(!status.unguarded.is_empty() && status.outdated == status.unguarded, "{status:?}");
    let report = world.engine().check(&migration()).await;
    let guard = report.findings.iter().find(|finding| finding.subject == "guard in old").expect("it is looked at");
    assert!(guard.text.contains("is not as this version of Mover makes it"), "{guard:?}");
    assert_eq!((status.orgs.moved, status.orgs.capturing), (1, 1), "{status:?}");
    world.install().await;
    let status = world.status().await;
    assert_eq!(status.unguarded, [""; 0]);
    assert_eq!((status.orgs.moved, status.orgs.capturing), (1, 1), "{status:?}");
    assert_eq!(world.logged().await, ["2 notes {2}"]);
    assert_eq!(refused(world.app.batch_execute("INSERT INTO notes VALUES (1, 1, '')").await).code, "MV001");
    world.assert_logs("INSERT INTO notes VALUES (3, 2, '')", &["2 notes {3}"]).await;
}

#[tokio::test]
async fn it_is_removed_like_any_other() {
    let world = earlier().await;
    let remove = async |force| world.engine().remove_guard(&migration(), &store_name("old"), force).await;
    assert!(remove(true).await.unwrap_err().to_string().contains("are being captured or copied"));
    world.old.batch_execute("UPDATE mover.org_guard SET mode = 'settled' WHERE org_key = '2'").await.unwrap();
    assert!(remove(false).await.unwrap_err().to_string().contains("live in the other store"));
    assert!(!remove(true).await.unwrap().is_empty());
    assert_eq!(world.count("pg_namespace WHERE nspname = 'mover'").await, 0);
    assert_eq!(world.count("pg_trigger WHERE tgname LIKE 'mover_guard_%'").await, 0);
}

#[tokio::test]
async fn the_log_of_an_earlier_guard_can_be_published_after_an_install() {
    let world = World::guarded().await;
    world
        .old
        .batch_execute("ALTER TABLE mover.change_log REPLICA IDENTITY DEFAULT; CREATE PUBLICATION p FOR ALL TABLES")
        .await
        .unwrap();
    let lines = "INSERT INTO mover.change_log (migration, org_key, table_name, row_key, subtree) VALUES ('x', '1', 't', '{1}', false)";
    world.old.batch_execute(lines).await.unwrap();
    assert!(world.old.batch_execute("DELETE FROM mover.change_log").await.is_err());
    world.install().await;
    world.old.batch_execute("DELETE FROM mover.change_log").await.unwrap();
}

#[tokio::test]
async fn every_table_of_the_guard_has_a_replica_identity() {
    let world = World::guarded().await;
    let without =
        "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'mover' AND c.relkind = 'r'
        AND NOT (c.relreplident = 'f' OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))";
    assert_eq!(world.count(without).await, 0);
}
