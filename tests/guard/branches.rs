//! Rows that are found through others: they belong to the org of their parent, and go with it.

use crate::world::{MIGRATION, World, refused};

const G1: &str = "00000000-0000-0000-0000-000000000001";
const G2: &str = "00000000-0000-0000-0000-000000000002";
const G3: &str = "00000000-0000-0000-0000-000000000003";

/// Each of three orgs has a group with a member, a file, a badge and a sticker; orgs 1 and 2 are captured.
async fn world() -> World {
    let world = World::guarded().await;
    for (org, group) in [(1, G1), (2, G2), (3, G3)] {
        let sql = format!(
            "INSERT INTO groups VALUES ('{group}', {org}, 'c{org}', 'name'); INSERT INTO members VALUES ({org}0, '{group}', 'r');
             INSERT INTO files VALUES ('f{org}', 'c{org}'); INSERT INTO badges VALUES ({org}00, {org}0, 'b');
             INSERT INTO stickers VALUES ({org}000, {org}00)"
        );
        world.app.batch_execute(&sql).await.unwrap();
    }
    world.set_mode("1", "capturing").await;
    world.set_mode("2", "capturing").await;
    world
}

#[tokio::test]
async fn rows_are_logged_for_the_org_of_their_parents() {
    let world = world().await;
    for level in ["READ COMMITTED", "SERIALIZABLE"] {
        let sql = |sql: &str| format!("BEGIN ISOLATION LEVEL {level}; {sql}; COMMIT");
        world.assert_logs(&sql("UPDATE stickers SET badge = badge"), &["1 stickers {1000}", "2 stickers {2000}"]).await;
        world.assert_logs(&sql("UPDATE badges SET body = ''"), &["1 badges {100}", "2 badges {200}"]).await;
        world.assert_logs(&sql("UPDATE members SET role = ''"), &["1 members {10}", "2 members {20}"]).await;
        world.assert_logs(&sql("UPDATE files SET group_code = group_code"), &["1 files {f1}", "2 files {f2}"]).await;
        let groups = [format!("1 groups {{{G1}}}"), format!("2 groups {{{G2}}}")];
        world.assert_logs(&sql("UPDATE groups SET name = ''"), &groups.each_ref().map(String::as_str)).await;
    }
}

#[tokio::test]
async fn a_row_that_comes_or_goes_takes_along_what_hangs_on_it() {
    let world = world().await;
    world.assert_logs("INSERT INTO badges VALUES (101, 10, ''), (301, 30, '')", &["1 badges {101} +"]).await;
    world.assert_logs("INSERT INTO stickers VALUES (1001, 101), (3001, 301)", &["1 stickers {1001}"]).await;
    world.assert_logs("DELETE FROM badges WHERE id IN (101, 301)", &["1 badges {101} +"]).await;
    let group = format!("1 groups {{{G1}}} +");
    world.assert_logs(&format!("DELETE FROM groups WHERE id IN ('{G1}', '{G3}')"), &[&group]).await;
    assert_eq!(world.count("stickers").await, 1);
    // The child of a row may come before the row itself, which then brings it along.
    let sql = "ALTER TABLE members DROP CONSTRAINT members_group_id_fkey; ALTER TABLE members OWNER TO app;
         DELETE FROM mover.change_log; SET session_replication_role = replica; DELETE FROM groups; RESET session_replication_role";
    world.old.batch_execute(sql).await.unwrap();
    world.assert_logs(&format!("INSERT INTO members VALUES (11, '{G1}', '')"), &[]).await;
    world.assert_logs(&format!("INSERT INTO groups VALUES ('{G1}', 1, 'c1', '')"), &[&group]).await;
}

#[tokio::test]
async fn a_row_that_changes_hands_takes_along_what_hangs_on_it() {
    let world = world().await;
    let [one, two] = [format!("1 groups {{{G1}}} +"), format!("2 groups {{{G1}}} +")];
    world.assert_logs(&format!("UPDATE groups SET org = 2 WHERE id = '{G1}'"), &[&one, &two]).await;
    world.assert_logs(&format!("UPDATE members SET group_id = '{G3}' WHERE id = 20"), &["2 members {20} +"]).await;
    world.assert_logs("UPDATE stickers SET badge = 300 WHERE id = 1000", &["2 stickers {1000}"]).await;
}

#[tokio::test]
async fn a_changed_column_that_others_point_at_takes_them_along() {
    let world = world().await;
    let group = format!("1 groups {{{G1}}} +");
    // The file is written by the cascade; its parent is known by the new code then.
    world.assert_logs("UPDATE groups SET code = 'new' WHERE org = 1", &[&group, "1 files {f1}"]).await;
    let moved = "00000000-0000-0000-0000-00000000000a";
    let moved_group = format!("1 groups {{{moved}}} +");
    let sql = format!("UPDATE groups SET id = '{moved}' WHERE org = 1");
    world.assert_logs(&sql, &[&group, &moved_group, "1 members {10} +"]).await;
    world
        .assert_logs(
            "UPDATE badges SET id = 109 WHERE id = 100",
            &["1 badges {100} +", "1 badges {109} +", "1 stickers {1000}"],
        )
        .await;
}

#[tokio::test]
async fn a_parent_that_is_deleted_is_logged_with_all_below_it() {
    let world = world().await;
    let group = format!("2 groups {{{G2}}} +");
    for level in ["READ COMMITTED", "REPEATABLE READ"] {
        let sql = format!("BEGIN ISOLATION LEVEL {level}; DELETE FROM groups WHERE org = 2");
        world.app.batch_execute(&sql).await.unwrap();
        assert_eq!(world.app.query("SELECT FROM members WHERE id = 20", &[]).await.unwrap().len(), 0);
        let sql = "SELECT FROM files WHERE path = 'f2' AND group_code IS NULL";
        assert_eq!(world.app.query(sql, &[]).await.unwrap().len(), 1);
        world.app.batch_execute("ROLLBACK").await.unwrap();
    }
    world.assert_logs("DELETE FROM groups WHERE org IN (2, 3)", &[&group]).await;
    world.assert_logs("DELETE FROM members WHERE id = 10", &["1 members {10} +"]).await;
}

#[tokio::test]
async fn writes_to_rows_of_an_org_that_has_moved_are_refused_through_every_hop() {
    let world = world().await;
    world.set_mode("1", "moved").await;
    for sql in [
        "UPDATE members SET role = 'x' WHERE id = 10".to_owned(),
        "INSERT INTO badges VALUES (105, 10, '')".into(),
        "DELETE FROM stickers WHERE id = 1000".into(),
        "UPDATE files SET path = 'x' WHERE path = 'f1'".into(),
        format!("UPDATE members SET group_id = '{G1}' WHERE id = 20"),
        format!("DELETE FROM groups WHERE id = '{G1}'"),
        "UPDATE stickers SET badge = badge".into(),
    ] {
        let refusal = refused(world.app.batch_execute(&sql).await);
        assert_eq!(refusal.code, "MV001", "{sql}: {refusal:?}");
    }
    assert_eq!(world.logged().await, [""; 0]);
}

#[tokio::test]
async fn who_writes_below_a_parent_keeps_the_switch_waiting_until_it_ends() {
    let world = world().await;
    let is_free = async |what: &str| {
        let sql = format!("SELECT pg_{what}(mover.org_lock('{MIGRATION}', '1'))");
        world.old.query_one(&sql, &[]).await.unwrap().get::<_, bool>(0)
    };
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let sql = format!("BEGIN ISOLATION LEVEL {level}; UPDATE badges SET body = '{level}' WHERE id = 100");
        world.app.batch_execute(&sql).await.unwrap();
        assert!(!is_free("try_advisory_lock").await, "{level}");
        world.app.batch_execute("COMMIT").await.unwrap();
        assert!(is_free("try_advisory_lock").await, "{level}");
        assert!(is_free("advisory_unlock").await, "{level}");
    }
}
