//! Several migrations over the same tables: their triggers judge the same writes, and none may lock an org out of both stores.

use std::sync::Arc;

use crate::one_org::OneOrg;
use mover::config::Definition;
use mover::engine::{Level, PgEngine, Store};
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::{Strategy, Way};
use mover_actors::ports::Limits;
use tokio_postgres::Client;

use crate::world::{
    KEY, MIGRATION, World, backups, caught_up, copied, definition, lease, moved, proven, refusal, store, switched,
};

const RENAMED: &str = "renamed";
const BACK: &str = "back";
const OFFLINE: &str = "offline";
const WRITE: &str = "UPDATE accounts SET touched = 7 WHERE org = 1";

/// The migration of the world, a renamed copy of it, its reverse, and the same offline.
async fn engine(world: &World) -> PgEngine {
    let limits = Limits { max_block_ms: 5_000, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 };
    let named = |name: &str| Definition { name: MigrationName::new(name).unwrap(), ..definition(limits) };
    let back = Definition { from: store("new"), to: store("old"), ..named(BACK) };
    let offline = Definition { strategy: Strategy::Offline, ..named(OFFLINE) };
    let open = |name: &str| Store::open(store(name), &world.server.url(name), 8).unwrap();
    let engine = PgEngine::new([open("old"), open("new")], [definition(limits), named(RENAMED), back, offline])
        .with_backups_in(backups())
        .with_backup_keys(Arc::new(KEY));
    world.new.batch_execute("INSERT INTO orgs SELECT o, 'org ' || o FROM generate_series(1, 3) o").await.unwrap();
    for migration in [RENAMED, BACK] {
        for name in ["old", "new"] {
            engine.install_guard(&MigrationName::new(migration).unwrap(), &store(name)).await.unwrap();
        }
    }
    engine
}

fn by(migration: &str, epoch: i64) -> Lease {
    Lease { migration: MigrationName::new(migration).unwrap(), ..lease("1", epoch) }
}

async fn finalized(engine: &PgEngine, epoch: i64) {
    let ours = lease("1", epoch);
    let backup = engine.back_up(&ours).await.unwrap();
    engine.close(&ours, &backup).await.unwrap();
    engine.purge(&ours, &backup).await.unwrap();
}

async fn rolled_back(engine: &PgEngine, lease: &Lease) {
    caught_up(engine, lease, Way::Back).await;
    proven(&engine.compare(lease, Way::Back).await.unwrap());
    switched(engine, lease, Way::Back).await;
}

/// As when a move is given up.
async fn aborted(engine: &PgEngine, lease: &Lease) {
    for _ in 0..2 {
        engine.release(lease).await.unwrap();
        engine.discard(lease).await.unwrap();
    }
}

async fn accepts(client: &Client) -> bool {
    match client.batch_execute(WRITE).await {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.code().map(|code| code.code()), Some("MV001"), "{error:?}");
            false
        }
    }
}

async fn remove_guard(engine: &PgEngine, name: &str, migration: &str) {
    let key = lease("1", 1).key;
    let migration = MigrationName::new(migration).unwrap();
    engine.remove_guard_after(&migration, &store(name), false, &[&key]).await.unwrap();
}

#[tokio::test]
async fn an_org_that_another_migration_has_moved_is_refused_and_stays_writable() {
    let world = World::start().await;
    let engine = engine(&world).await;
    moved(&engine, &lease("1", 1)).await;
    let renamed = by(RENAMED, 2);
    for reason in [
        refusal(engine.capture(&renamed).await),
        refusal(engine.copy_live(&renamed).await),
        refusal(engine.copy(&by(OFFLINE, 3)).await),
    ] {
        let parts = [
            "org 1",
            MIGRATION,
            "moved here",
            "store old",
            "finalize whole_org org 1",
            "mover guard remove old whole_org",
            "rollback whole_org org 1",
        ];
        for part in parts {
            assert!(reason.contains(part), "{part}: {reason}");
        }
    }
    aborted(&engine, &renamed).await;
    engine.discard(&by(OFFLINE, 3)).await.unwrap();
    assert_eq!(world.count(&world.new, "mover.org_guard WHERE org_key = '1' AND migration = 'renamed'").await, 0);
    assert!(accepts(&world.new).await, "nobody can write");
    assert!(!accepts(&world.old).await);
    rolled_back(&engine, &lease("1", 4)).await;
    assert!(accepts(&world.old).await);
}

#[tokio::test]
async fn an_org_that_another_migration_moves_is_refused() {
    let world = World::start().await;
    let engine = engine(&world).await;
    copied(&engine, &lease("1", 1)).await;
    let reason = refusal(engine.capture(&by(RENAMED, 2)).await);
    assert!(reason.contains("capturing here by migration whole_org") && reason.contains("let the move"), "{reason}");
    // The copy is removed, and what the store keeps of it would refuse writes after a move by another migration.
    aborted(&engine, &lease("1", 3)).await;
    let reason = refusal(engine.capture(&by(RENAMED, 4)).await);
    assert!(reason.contains("discarded here") && reason.contains("mover guard remove new whole_org"), "{reason}");
    remove_guard(&engine, "new", MIGRATION).await;
    moved(&engine, &by(RENAMED, 5)).await;
    assert!(accepts(&world.new).await && !accepts(&world.old).await);
}

#[tokio::test]
async fn an_org_comes_back_by_another_migration_once_the_guard_of_the_first_is_removed() {
    let world = World::start().await;
    let engine = engine(&world).await;
    moved(&engine, &lease("1", 1)).await;
    finalized(&engine, 2).await;
    let back = by(BACK, 3);
    let reason = refusal(engine.capture(&back).await);
    assert!(reason.contains("moved here by migration whole_org"), "{reason}");
    assert!(reason.contains("next: mover guard remove old whole_org"), "{reason}");
    aborted(&engine, &back).await;
    assert!(accepts(&world.new).await);
    remove_guard(&engine, "old", MIGRATION).await;
    moved(&engine, &by(BACK, 4)).await;
    assert!(accepts(&world.old).await && !accepts(&world.new).await);
}

#[tokio::test]
async fn a_reverse_migration_that_began_too_early_does_not_spoil_the_rollback() {
    let world = World::start().await;
    let engine = engine(&world).await;
    moved(&engine, &lease("1", 1)).await;
    let back = by(BACK, 2);
    let reason = refusal(engine.capture(&back).await);
    assert!(reason.contains("finalize whole_org org 1, and then mover guard remove old whole_org"), "{reason}");
    aborted(&engine, &back).await;
    assert!(accepts(&world.new).await);
    rolled_back(&engine, &lease("1", 3)).await;
    assert!(accepts(&world.old).await && !accepts(&world.new).await);
}

/// Left by an earlier version.
#[tokio::test]
async fn the_way_back_is_not_taken_to_a_store_where_another_migration_refuses_writes() {
    let world = World::start().await;
    let engine = engine(&world).await;
    moved(&engine, &lease("1", 1)).await;
    let left = "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ('back', '1', 'discarded', 2)";
    world.old.batch_execute(left).await.unwrap();
    let reason = refusal(engine.catch_up(&lease("1", 3), Way::Back).await);
    assert!(reason.contains("org 1 is discarded here by migration back"), "{reason}");
    assert!(reason.contains("mover guard remove old back"), "{reason}");
    assert!(accepts(&world.new).await);
    remove_guard(&engine, "old", BACK).await;
    rolled_back(&engine, &lease("1", 4)).await;
    assert!(accepts(&world.old).await);
}

#[tokio::test]
async fn a_check_counts_orgs_that_another_migration_holds() {
    let world = World::start().await;
    let engine = engine(&world).await;
    let warnings = async |migration: &str| -> Vec<String> {
        let report = engine.check(&MigrationName::new(migration).unwrap()).await;
        let of_others = report
            .of_level(Level::Warning)
            .filter(|found| found.subject.starts_with("migration "))
            .map(ToString::to_string);
        of_others.collect()
    };
    assert_eq!(warnings(RENAMED).await, [""; 0]);
    for (key, epoch) in [("1", 1), ("2", 2)] {
        moved(&engine, &lease(key, epoch)).await;
    }
    // Its own moves are no obstacle.
    assert_eq!(warnings(MIGRATION).await, [""; 0]);
    for migration in [RENAMED, BACK, OFFLINE] {
        let found = warnings(migration).await;
        assert_eq!(found.len(), 1, "{migration}: {found:?}");
        let parts =
            ["2 orgs are", "moved in old", "capturing in new", "finalize whole_org all", "rollback whole_org all"];
        for part in parts {
            assert!(found[0].contains(part), "{part}: {found:?}");
        }
    }
    finalized(&engine, 3).await;
    let found = warnings(BACK).await.join("\n");
    assert!(found.contains("1 orgs are moved in old by migration whole_org"), "{found}");
    assert!(found.contains("mover guard remove old whole_org"), "{found}");
}
