//! A partitioned table is guarded under every name by which it is written.

use crate::world::{World, refused};

async fn world() -> World {
    let world = World::guarded().await;
    let rows =
        "INSERT INTO events SELECT n, (n - 1) / 10 + 1, date '2025-12-31' + n % 2, '' FROM generate_series(1, 30) n";
    world.app.batch_execute(rows).await.unwrap();
    world.set_mode("1", "capturing").await;
    world
}

#[tokio::test]
async fn writes_by_the_name_of_any_level_are_logged_under_the_definitions_name() {
    let world = world().await;
    for table in ["events", "events_2026", "events_2026_1"] {
        let row = |id: i32| format!("1 events {{2026-01-01,{id},1}}");
        let insert = format!("INSERT INTO {table} (id, org, at) VALUES (101, 1, '2026-01-01'), (102, 1, '2026-01-01')");
        world.assert_logs(&insert, &[&row(101), &row(102)]).await;
        world.assert_logs(&format!("UPDATE {table} SET what = 'x' WHERE id IN (1, 101)"), &[&row(1), &row(101)]).await;
        world.assert_logs(&format!("DELETE FROM {table} WHERE id > 100"), &[&row(101), &row(102)]).await;
    }
    world.assert_logs("UPDATE events_2025 SET what = 'x' WHERE id IN (2, 12)", &["1 events {2025-12-31,2,1}"]).await;
    let upsert = "INSERT INTO events_2026 (id, org, at) VALUES (1, 1, '2026-01-01') ON CONFLICT (at, id, org) DO UPDATE SET what = 'again'";
    world.assert_logs(upsert, &["1 events {2026-01-01,1,1}"]).await;
}

#[tokio::test]
async fn a_row_that_moves_between_partitions_is_logged_as_it_was_and_as_it_is() {
    let world = world().await;
    let sql = "UPDATE events SET at = '2025-06-01' WHERE id IN (1, 11)";
    world.assert_logs(sql, &["1 events {2026-01-01,1,1}", "1 events {2025-06-01,1,1}"]).await;
    // Within a level below the root, from one leaf to the other, and from one org to another.
    let sql = "UPDATE events_2026 SET org = 2 WHERE id = 3";
    world.assert_logs(sql, &["1 events {2026-01-01,3,1}"]).await;
    let sql = "UPDATE events_2026 SET org = 1 WHERE id = 3";
    world.assert_logs(sql, &["1 events {2026-01-01,3,1}"]).await;
}

#[tokio::test]
async fn writes_of_an_org_that_has_moved_are_refused_by_the_name_of_any_level() {
    let world = world().await;
    world.set_mode("1", "moved").await;
    for table in ["events", "events_2026", "events_2026_1"] {
        for sql in [
            format!("INSERT INTO {table} (id, org, at) VALUES (101, 1, '2026-01-01')"),
            format!("UPDATE {table} SET what = 'x' WHERE id = 1"),
            format!("DELETE FROM {table} WHERE org = 1"),
        ] {
            let refusal = refused(world.app.batch_execute(&sql).await);
            assert_eq!(refusal.code, "MV001", "{sql}: {refusal:?}");
        }
    }
    world.assert_logs("UPDATE events_2026 SET what = 'x' WHERE org = 2", &[]).await;
}

#[tokio::test]
async fn a_partition_that_is_attached_later_is_guarded_by_the_next_install() {
    let world = world().await;
    world
        .old
        .batch_execute(
            "
        CREATE TABLE public.later (what text, org int NOT NULL, at date NOT NULL, id bigint NOT NULL);
        GRANT ALL ON public.later TO app;
        ALTER TABLE events ATTACH PARTITION public.later FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
        )
        .await
        .unwrap();
    // By the root's name it is seen at once.
    world.assert_logs("INSERT INTO events VALUES (1, 1, '2027-01-01')", &["1 events {2027-01-01,1,1}"]).await;
    assert_eq!(world.status().await.unguarded, ["public.later"]);
    assert_eq!(world.install().await, ["public.later"]);
    assert_eq!(world.status().await.unguarded, [""; 0]);
    world.assert_logs("UPDATE later SET id = 2", &["1 events {2027-01-01,1,1}", "1 events {2027-01-01,2,1}"]).await;
}
