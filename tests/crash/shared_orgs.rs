//! Several migrations over the same tables, as an operator sees them.

use mover::demo::WHOLE_ORG;
use mover::demo::sample::SampleOrg;

use super::world::{ONLINE, World};

/// Adds a copy of the migration under another name.
fn define(world: &World, name: &str, changes: &[(&str, &str)]) {
    let text = WHOLE_ORG.replace("name = \"whole_org\"", &format!("name = \"{name}\""));
    let text = changes.iter().fold(text, |text, (before, now)| {
        assert!(text.contains(before), "{text}");
        text.replace(before, now)
    });
    std::fs::write(world.dir().join(format!("migrations/{name}.toml")), text).unwrap();
}

fn define_back(world: &World) {
    let turned = [
        ("from = \"old\"\nto = \"new\"", "from = \"new\"\nto = \"old\""),
        (
            "on_source = { cell = \"old\" }\non_target = { cell = \"new\" }",
            "on_source = { cell = \"new\" }\non_target = { cell = \"old\" }",
        ),
    ];
    define(world, "back", &turned);
}

async fn rows_in_old(world: &World, org: &SampleOrg) -> i64 {
    let sql = "SELECT count(*) FROM containers WHERE org_id = $1";
    world.old_store().await.query_one(sql, &[&org.id]).await.unwrap().get(0)
}

/// As an earlier version left it when the second migration failed.
#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_two_migrations_together_lock_out_is_reported_and_the_remedy_works() {
    let world = World::ready_one_by_one(ONLINE).await;
    let org = &world.orgs[2];
    world.exec(&format!("migrate whole_org {}", org.name)).await.with_code(0);
    define(&world, "renamed", &[]);
    world.exec("orgs capture renamed").await.with_code(0);
    world.mover(&["guard", "install", "new", "renamed", "--awake"]).await.with_code(0);
    world.mover(&["doctor"]).await.with_code(0);
    let left = format!(
        "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('renamed', '{}', 'discarded', 1)",
        org.id
    );
    world.new_store().await.batch_execute(&left).await.unwrap();
    let found = world.mover(&["doctor"]).await.with_code(1);
    let parts = [
        format!("{}: no store accepts writes of the org", org.name),
        "in new renamed has it discarded, in old whole_org has it moved".into(),
        "It should live in new by the move log; next: mover guard remove new renamed".into(),
        "1 not as the move log says".into(),
    ];
    for part in parts {
        assert!(found.answer.contains(&part), "{part}\n{found}");
    }
    let health = world.mover(&["health"]).await.with_code(2);
    assert!(health.answer.contains("no store accepts writes of the org"), "{health}");
    // Without --force: no org of it has moved.
    world.mover(&["guard", "remove", "new", "renamed"]).await.with_code(0);
    world.mover(&["doctor"]).await.with_code(0);
    world.mover(&["health"]).await.with_code(0);
    let write = "UPDATE containers SET name = name WHERE org_id = $1";
    assert!(world.new_store().await.execute(write, &[&org.id]).await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_an_org_that_came_back_by_another_migration_are_not_taken_for_restored_ones() {
    let world = World::ready_one_by_one(ONLINE).await;
    let org = &world.orgs[2];
    world.exec(&format!("migrate whole_org {}", org.name)).await.with_code(0);
    world.exec(&format!("finalize whole_org {}", org.name)).await.with_code(0);
    let mut backups = std::fs::read_dir(world.dir().join("backups")).unwrap();
    let file = backups.next().unwrap().unwrap().path().display().to_string();
    define_back(&world);
    let ahead = "SELECT setval('org_user_invites_id_seq', 1000010000000), setval('containers_id_seq', 1000010000000),
        setval('cookbooks_id_seq', 1000010000000)";
    world.old_store().await.batch_execute(ahead).await.unwrap();
    for command in ["orgs capture back", "orgs ready back all"] {
        world.exec(command).await.with_code(0);
    }
    let refused = world.exec(&format!("migrate back {}", org.name)).await.with_code(1);
    assert!(refused.said.contains("mover guard remove old whole_org"), "{refused}");
    world.mover(&["guard", "remove", "old", "whole_org"]).await.with_code(0);
    world.exec("retry back failed").await.with_code(0);
    for command in ["migrate", "finalize"] {
        world.exec(&format!("{command} back {}", org.name)).await.with_code(0);
        let found = world.mover(&["doctor"]).await;
        assert!(!found.answer.contains("--remove"), "{found}");
        let rows = rows_in_old(&world, org).await;
        let refused = world.mover(&["restore", &file, "--to", "old", "--remove"]).await.with_code(1);
        assert!(refused.said.contains("by migration back"), "{refused}");
        assert!(rows > 0 && rows_in_old(&world, org).await >= rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_of_orgs_that_were_rolled_back_or_failed_can_be_removed() {
    let world = World::ready_one_by_one(ONLINE).await;
    let (back, moved) = (&world.orgs[2], &world.orgs[3]);
    for org in [back, moved] {
        world.exec(&format!("migrate whole_org {}", org.name)).await.with_code(0);
    }
    world.exec(&format!("rollback whole_org {}", back.name)).await.with_code(0);
    let refused = world.mover(&["guard", "remove", "new", "whole_org"]).await.with_code(1);
    assert!(refused.said.contains("1 orgs of whole_org are being captured"), "{refused}");
    world.exec(&format!("rollback whole_org {}", moved.name)).await.with_code(0);
    // One that fails leaves the same.
    let poison = "ALTER TABLE cookbooks ADD CONSTRAINT no_row CHECK (name IS NULL)";
    world.new_store().await.batch_execute(poison).await.unwrap();
    world.exec(&format!("migrate whole_org {}", world.orgs[4].name)).await.with_code(1);
    world.mover(&["guard", "remove", "new", "whole_org"]).await.with_code(0);
    world.mover(&["guard", "remove", "old", "whole_org"]).await.with_code(0);
}
