//! Whole moves, and the way back, while clients write.

use crate::one_org::OneOrg;
use mover_actors::domain::state::Way;
use rand::RngExt;

use crate::world::{World, caught_up, copied, lease, proven, small_ranges, switched};
use crate::writers::{Seen, Writers};

fn seed() -> u64 {
    let seed = rand::rng().random_range(0..1_000_000);
    println!("seed {seed}");
    seed
}

/// Every acknowledged write exists once, and nothing else.
async fn assert_all_there(world: &World, client: &tokio_postgres::Client, seen: Seen) {
    let rows = client.query("SELECT what FROM events WHERE org = 1 AND what LIKE '%/%' ORDER BY 1", &[]).await.unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut expected = seen.events;
    expected.sort();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    assert_eq!(world.count(client, "events WHERE org = 1").await, 50 + i64::try_from(expected.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_moves_there_and_back_while_it_is_written() {
    let world = World::start().await;
    let engine = world.engine();
    let others = world.others("1").await;
    let writers = Writers::start(&world, "1", 4, seed()).await;
    writers.wrote(50).await;

    copied(&engine, &lease("1", 1)).await;
    writers.wrote(100).await;
    for _ in 0..3 {
        engine.catch_up(&lease("1", 1), Way::Forward).await.unwrap();
        proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
        writers.wrote(20).await;
    }
    switched(&engine, &lease("1", 1), Way::Forward).await;
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    // They find it by themselves.
    writers.wrote(200).await;
    engine.catch_up(&lease("1", 2), Way::Back).await.unwrap();
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    writers.wrote(20).await;
    switched(&engine, &lease("1", 2), Way::Back).await;
    assert_eq!(world.modes("1").await, ("settled".into(), "moved".into()));
    writers.wrote(20).await;
    let seen = writers.stop().await;

    assert_all_there(&world, &world.old, seen).await;
    engine.discard_rolled_back(&lease("1", 2)).await.unwrap();
    assert!(world.rows(&world.new, "1").await.is_empty());
    assert_eq!(world.others("1").await, others);
    for client in [&world.old, &world.new] {
        assert_eq!(world.count(client, "mover.change_log").await, 0);
    }
    // And it can move again.
    crate::world::moved(&engine, &lease("1", 3)).await;
    world.assert_alike("1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_org_moves_in_ranges_while_it_is_written() {
    let world = World::start().await;
    let engine = world.engine().with_live_limits(small_ranges());
    let writers = Writers::start(&world, "1", 3, seed()).await;
    engine.capture(&lease("1", 1)).await.unwrap();
    writers.wrote(30).await;
    let copied = engine.copy_live(&lease("1", 1)).await.unwrap();
    assert!(copied.rows > 200 && copied.bytes > 1000, "{copied:?}");
    assert!(world.count(&world.new, "mover.copy_range").await > 20);
    writers.wrote(30).await;
    engine.catch_up(&lease("1", 1), Way::Forward).await.unwrap();
    proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    switched(&engine, &lease("1", 1), Way::Forward).await;
    assert_eq!(world.count(&world.new, "mover.copy_range").await, 0);
    writers.wrote(30).await;
    assert_all_there(&world, &world.new, writers.stop().await).await;
    caught_up(&engine, &lease("1", 1), Way::Back).await;
    world.assert_alike("1").await;
}

#[tokio::test]
async fn lesson_13_ten_thousand_writes_after_the_switch_come_back() {
    let world = World::start().await;
    let engine = world.engine();
    crate::world::moved(&engine, &lease("1", 1)).await;
    world
        .new
        .batch_execute(
            "INSERT INTO accounts (org, email) SELECT 1, 'late' || i FROM generate_series(1, 4000) i;
             INSERT INTO events SELECT 100000 + i, 1, 'late' FROM generate_series(1, 5000) i;
             INSERT INTO lines (remark, n) SELECT id, i FROM remarks, generate_series(1, 30) i;
             DELETE FROM groups WHERE org = 1 AND name = 'g7'",
        )
        .await
        .unwrap();
    let expected = world.rows(&world.new, "1").await;
    assert!(caught_up(&engine, &lease("1", 2), Way::Back).await > 10_000);
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    assert_eq!(world.rows(&world.old, "1").await, expected);
    // The source continues with its own numbers, far from those that came back.
    world
        .old
        .batch_execute("INSERT INTO accounts (org, email) SELECT 1, 'after' || i FROM generate_series(1, 100) i")
        .await
        .unwrap();
}

#[tokio::test]
async fn the_way_back_leaves_out_columns_that_only_the_target_has() {
    let world = World::start().await;
    world.new.batch_execute("ALTER TABLE events ADD extra text DEFAULT 'x'").await.unwrap();
    let engine = world.engine();
    crate::world::moved(&engine, &lease("1", 1)).await;
    world.new.batch_execute("UPDATE events SET what = 'there' WHERE id = 1001").await.unwrap();
    caught_up(&engine, &lease("1", 2), Way::Back).await;
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    assert_eq!(world.count(&world.old, "events WHERE what = 'there'").await, 1);
}

#[tokio::test]
async fn an_org_moves_there_and_back_between_stores_that_publish_all_tables() {
    let world = World::start().await;
    for client in [&world.old, &world.new] {
        client.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").await.unwrap();
    }
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    world.old.batch_execute("UPDATE accounts SET touched = 7 WHERE org = 1").await.unwrap();
    assert!(caught_up(&engine, &lease("1", 1), Way::Forward).await > 0);
    proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    switched(&engine, &lease("1", 1), Way::Forward).await;
    world.new.batch_execute("UPDATE accounts SET touched = 8 WHERE org = 1").await.unwrap();
    caught_up(&engine, &lease("1", 2), Way::Back).await;
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    engine.discard_rolled_back(&lease("1", 2)).await.unwrap();
    assert!(world.count(&world.old, "accounts WHERE org = 1 AND touched = 8").await > 0);
    assert!(world.rows(&world.new, "1").await.is_empty());
}

#[tokio::test]
async fn an_org_comes_back_to_a_source_whose_table_is_unlogged() {
    let world = World::start().await;
    world.old.batch_execute("ALTER TABLE accounts SET UNLOGGED").await.unwrap();
    let engine = world.engine();
    copied(&engine, &lease("1", 1)).await;
    engine.catch_up(&lease("1", 1), Way::Forward).await.unwrap();
    proven(&engine.compare(&lease("1", 1), Way::Forward).await.unwrap());
    switched(&engine, &lease("1", 1), Way::Forward).await;
    engine.catch_up(&lease("1", 2), Way::Back).await.unwrap();
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    assert_eq!(world.modes("1").await, ("settled".into(), "moved".into()));
}
