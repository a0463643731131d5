//! Closing the way back: the source's rows go to a file, and are then removed.

use crate::one_org::OneOrg;
use mover::engine::LiveLimits;

use crate::world::{World, backups, copied, lease, moved, refusal, restored};

#[tokio::test]
async fn a_finalized_org_is_gone_from_the_source_and_its_backup_can_be_loaded() {
    let world = World::start().await;
    let limits = LiveLimits { purge_rows: 7, ..LiveLimits::default() };
    let engine = world.engine().with_live_limits(limits).with_backups_in(backups().join("finalized"));
    copied(&engine, &lease("2", 1)).await;
    assert!(refusal(engine.back_up(&lease("2", 1)).await).contains("lives here"));
    moved(&engine, &lease("1", 2)).await;
    let rows = world.rows(&world.old, "1").await;
    let others = world.others("1").await;

    let backup = engine.back_up(&lease("1", 3)).await.unwrap();
    assert_eq!(usize::try_from(backup.rows).unwrap(), rows.len());
    assert_eq!(engine.back_up(&lease("1", 3)).await.unwrap(), backup);
    assert!(refusal(engine.purge(&lease("1", 3), &backup).await).contains("lives here"));
    world.new.batch_execute("UPDATE accounts SET touched = 1 WHERE org = 1").await.unwrap();
    for _ in 0..2 {
        engine.close(&lease("1", 3), &backup).await.unwrap();
    }
    assert_eq!(world.modes("1").await, ("moved".into(), "settled".into()));
    world.new.batch_execute("UPDATE accounts SET touched = 2 WHERE org = 1").await.unwrap();
    assert_eq!(world.count(&world.new, "mover.change_log WHERE org_key = '1'").await, 0);
    assert_eq!(engine.purge(&lease("1", 3), &backup).await.unwrap(), backup.rows);
    assert_eq!(engine.purge(&lease("1", 3), &backup).await.unwrap(), 0);
    assert!(world.rows(&world.old, "1").await.is_empty());
    assert_eq!(world.others("1").await, others);
    assert_eq!(world.modes("1").await, ("moved".into(), "settled".into()));

    let reason = refusal(restored(&engine, &backup.file.path, "new").await);
    assert!(reason.contains("already holds rows of org"), "{reason}");
    assert_eq!(restored(&engine, &backup.file.path, "old").await.unwrap(), backup.rows);
    assert_eq!(world.rows(&world.old, "1").await, rows);
    assert_eq!(world.others("1").await, others);
}

/// The source's guard is of an earlier version, and the target knows a label that the source does not.
#[tokio::test]
async fn an_org_that_moved_under_an_earlier_version_is_finalized() {
    let world = World::start().await;
    let engine = world.engine().with_backups_in(backups().join("earlier"));
    moved(&engine, &lease("1", 1)).await;
    for store in [&world.old, &world.new] {
        store.batch_execute(include_str!("../support/earlier_guard.sql")).await.unwrap();
    }
    world.new.batch_execute("ALTER TYPE mood ADD VALUE 'angry'").await.unwrap();
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    assert_eq!(engine.purge(&lease("1", 2), &backup).await.unwrap(), backup.rows);
    assert!(world.rows(&world.old, "1").await.is_empty());
}

#[tokio::test]
async fn a_damaged_backup_is_refused_before_anything_is_loaded() {
    let world = World::start().await;
    let engine = world.engine().with_backups_in(backups().join("damaged"));
    moved(&engine, &lease("1", 1)).await;
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    engine.purge(&lease("1", 2), &backup).await.unwrap();
    let whole = std::fs::read(&backup.file.path).unwrap();
    for damage in ["flipped", "cut", "no end", "empty", "other"] {
        let mut bytes = whole.clone();
        match damage {
            "flipped" => bytes[whole.len() / 2] ^= 1,
            "cut" => bytes.truncate(whole.len() / 2),
            "no end" => bytes.truncate(whole.len() - 30),
            "empty" => bytes.clear(),
            _ => bytes = b"{\"format\":\"something else\"}\n".to_vec(),
        }
        std::fs::write(&backup.file.path, &bytes).unwrap();
        let reason = refusal(restored(&engine, &backup.file.path, "old").await);
        assert!(reason.contains("backup ") && reason.contains(".backup: "), "{damage}: {reason}");
        assert!(world.rows(&world.old, "1").await.is_empty(), "{damage}");
    }
    std::fs::write(&backup.file.path, &whole).unwrap();
    assert_eq!(restored(&engine, &backup.file.path, "old").await.unwrap(), backup.rows);
}
