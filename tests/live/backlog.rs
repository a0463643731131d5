//! A big org with a long backlog: statements are planned while the target is empty, and must still be good when it is full.

use std::time::Instant;

use crate::one_org::OneOrg;
use mover::engine::LiveLimits;
use mover_actors::domain::state::Way;

use crate::world::{World, caught_up, lease, proven, switched};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_backlog_of_a_big_org_is_worked_off() {
    let world = World::start().await;
    world
        .old
        .batch_execute(
            "INSERT INTO accounts (org, email) SELECT 1, 'bulk' || i FROM generate_series(1, 60000) i;
             INSERT INTO events SELECT 100000 + i, 1, 'bulk' FROM generate_series(1, 60000) i;
             INSERT INTO events SELECT 300000 + i, 2, 'bulk' FROM generate_series(1, 60000) i;
             INSERT INTO lines (remark, n) SELECT min(m.id), i FROM remarks m JOIN groups g ON g.id = m.group_id, generate_series(1, 20000) i
             WHERE g.org = 1 GROUP BY i",
        )
        .await
        .unwrap();
    let engine = world.engine().with_live_limits(LiveLimits { range_rows: 10_000, ..LiveLimits::default() });
    let mut begun = Instant::now();
    let mut told = |what: &str| {
        println!("{what}: {:?}", begun.elapsed());
        begun = Instant::now();
    };
    engine.capture(&lease("1", 1)).await.unwrap();
    told("capture");
    let copied = engine.copy_live(&lease("1", 1)).await.unwrap();
    told("copy");
    assert!(copied.rows > 140_000);
    // More than all rows: keys that are logged again and again count once.
    for _ in 0..3 {
        world
            .old
            .batch_execute("UPDATE accounts SET touched = touched + 1 WHERE org = 1 AND id % 3 = 0")
            .await
            .unwrap();
    }
    world
        .old
        .batch_execute(
            "UPDATE events SET what = 'x' WHERE org = 1 AND id % 7 = 0; DELETE FROM events WHERE org = 1 AND id % 11 = 0;
             UPDATE remarks SET body = 'changed' WHERE group_id IN (SELECT id FROM groups WHERE org = 1)",
        )
        .await
        .unwrap();
    told("writing");
    let keys = caught_up(&engine, &lease("1", 1), Way::Forward).await;
    told("catching up");
    assert!((30_000..100_000).contains(&keys), "{keys}");
    proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    told("comparing");
    switched(&engine, &lease("1", 1), Way::Forward).await;
    told("switching");
    world.new.batch_execute("UPDATE accounts SET touched = 0 WHERE org = 1 AND id % 2 = 0").await.unwrap();
    told("writing");
    caught_up(&engine, &lease("1", 2), Way::Back).await;
    told("catching up on the way back");
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    world.assert_alike_in_numbers("1").await;
}
