//! Abandoned copies and captures, after a restore of the move log or a manual change of a store: found and removed.

use super::world::{ONLINE, World};

/// An org that the move log has never heard of.
const STRANGER: &str = "00000000-0000-0000-0000-00000000dead";

/// The source still logs what is written of one org; the target still holds a copy of another.
async fn forget(world: &World, captured: &str, copied: &str) {
    world.install_guard().await;
    let (old, new) = (world.old_store().await, world.new_store().await);
    old.batch_execute(&format!(
        "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('{ONLINE}', '{captured}', 'capturing', 0)
         ON CONFLICT (migration, org_key) DO UPDATE SET mode = 'capturing';
         INSERT INTO mover.change_log VALUES ('{ONLINE}', '{captured}', 'nodes', ARRAY['1'], false)"
    ))
    .await
    .unwrap();
    new.batch_execute(&format!(
        "INSERT INTO organizations (id, name, full_name, created_at, settings)
         VALUES ('{copied}', 'left over', 'left over', now(), '{{}}');
         INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('{ONLINE}', '{copied}', 'incoming', 0)"
    ))
    .await
    .unwrap();
}

async fn assert_gone(world: &World, captured: &str, copied: &str) {
    let (old, new) = (world.old_store().await, world.new_store().await);
    let sql = "SELECT mode || (SELECT count(*) FROM mover.change_log WHERE org_key = $1) FROM mover.org_guard WHERE org_key = $1";
    let left: String = old.query_one(sql, &[&captured]).await.unwrap().get(0);
    assert_eq!(left, "settled0");
    let sql = "SELECT mode || (SELECT count(*) FROM organizations WHERE id::text = $1) FROM mover.org_guard WHERE org_key = $1";
    let left: String = new.query_one(sql, &[&copied]).await.unwrap().get(0);
    assert_eq!(left, "discarded0");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_orphans_and_mends_them_when_told_to() {
    let world = World::ready(ONLINE).await;
    let (captured, copied) = (world.orgs[0].id.to_string(), world.orgs[1].id.to_string());
    forget(&world, &captured, &copied).await;
    let found = world.mover(&["doctor"]).await.with_code(1);
    for part in [
        // Clients write, so there may be more than was left over.
        format!("{}: the source logs what is written, with ", world.orgs[0].name),
        format!("{}: the target holds an abandoned copy, but the move log has it ready", world.orgs[1].name),
        "mover doctor --fix mends it".into(),
    ] {
        assert!(found.answer.contains(&part), "{part}\n{found}");
    }
    let mended = world.mover(&["doctor", "--fix"]).await.with_code(0);
    assert!(mended.answer.contains("; mended"), "{mended}");
    assert_gone(&world, &captured, &copied).await;
    world.mover(&["doctor"]).await.with_code(0);
    world.exec("migrate whole_org all").await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_mended_when_mover_starts() {
    let world = World::ready(ONLINE).await;
    forget(&world, STRANGER, STRANGER).await;
    let ended = world.exec("migrate whole_org all workers=1").await.with_code(0);
    assert!(ended.said.contains("mended what a store's guard said of an org"), "{ended}");
    assert_gone(&world, STRANGER, STRANGER).await;
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_cannot_begin_is_named_with_its_state() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    let org = &world.orgs[3].name;
    world.exec(&format!("finalize whole_org {org}")).await.with_code(0);
    let refused = world.exec(&format!("rollback whole_org {org}")).await.with_code(1);
    assert!(refused.said.contains(&format!("{org} is finalized")), "{refused}");
    let refused = world.exec("rollback whole_org nobody").await.with_code(1);
    assert!(refused.said.contains("migration whole_org has no org \"nobody\""), "{refused}");
}
