//! An org of any size takes the same memory.

use crate::one_org::OneOrg;

use crate::world::{World, carry, keyed, lease, verify};

const MEGABYTE: i64 = 1024 * 1024;

#[tokio::test]
async fn memory_stays_constant_for_a_big_org() {
    let schema = "CREATE TABLE blobs (id int PRIMARY KEY, org int NOT NULL, body bytea); CREATE INDEX ON blobs (org);
        ALTER TABLE blobs ALTER body SET STORAGE EXTERNAL";
    let world = World::with_schema(schema).await;
    // 300 MB, in rows of 1 KB and some of 5 MB.
    world
        .old
        .batch_execute(
            "INSERT INTO blobs SELECT i, 1, decode(repeat(md5(i::text), CASE WHEN i % 10000 = 0 THEN 327680 ELSE 64 END), 'hex')
             FROM generate_series(1, 200000) i",
        )
        .await
        .unwrap();
    let engine = world.engine(vec![keyed("blobs", "org")]);
    engine.copy(&lease("2", 1)).await.unwrap();
    let before = peak_memory();
    let copied = carry(&engine, &lease("1", 1)).await;
    assert!(copied.bytes > 300_000_000, "{}", copied.bytes);
    world.new.batch_execute("DELETE FROM blobs WHERE id % 1000 = 0").await.unwrap();
    let mismatch = verify(&engine, &lease("1", 1)).await.unwrap_err();
    engine.explain(&lease("1", 1), &mismatch).await.unwrap();
    let growth = peak_memory() - before;
    assert!(growth < 50 * MEGABYTE, "memory grew by {} MB", growth / MEGABYTE);
}

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024
}
