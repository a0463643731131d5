//! Offline nothing but its 503 keeps writers out of an org: what was lost meanwhile is made good before the switch.

use std::collections::BTreeMap;

use super::world::{OFFLINE, World};

/// The hash of an org is evicted just before the switch: applications are let in, and one of them is at work for long.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_a_lost_503_let_in_are_waited_for_before_the_switch() {
    let world = World::ready(OFFLINE).await;
    world.start_to_die("migrate whole_org_offline 1", "switch.begin").end().await.by_sigkill();
    assert_eq!(world.states().await, BTreeMap::from([("ready".into(), 7), ("switch".into(), 1)]));
    let log = world.log().await;
    let in_switch = "SELECT org_name, org_key FROM mover.org_migration_state WHERE step = 'switch'";
    let org = log.query_one(in_switch, &[]).await.unwrap();
    let (name, key): (String, String) = (org.get(0), org.get(1));
    let mut redis = redis::Client::open(world.servers.redis_url()).unwrap().get_connection().unwrap();
    let _: i64 = redis::cmd("DEL").arg(format!("dl_org_{name}")).query(&mut redis).unwrap();
    let writer = world.old_store().await;
    let late = format!("BEGIN; UPDATE containers SET acl = '{{\"late\": []}}' WHERE org_id = '{key}'");
    writer.batch_execute(&late).await.unwrap();

    let mut resumed = world.start("resume");
    resumed.says("writers may have been let in while an org was copied").await;
    writer.batch_execute("COMMIT").await.unwrap();
    resumed.end().await.with_code(0);
    let written = format!("SELECT count(*) FROM containers WHERE org_id = '{key}' AND acl ? 'late'");
    let (old, new) = (world.old_store().await, world.new_store().await);
    let of_old: i64 = old.query_one(&written, &[]).await.unwrap().get(0);
    let of_new: i64 = new.query_one(&written, &[]).await.unwrap().get(0);
    assert!(of_old > 0 && of_new == of_old, "{of_old} in the source, {of_new} in the target");
    world.exec("migrate whole_org_offline all").await.with_code(0);
    world.assert_all_moved().await;
}
