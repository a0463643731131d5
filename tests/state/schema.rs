//! Schema migrations: once, forward, and only by programs that have them.

use mover::state::{PgMoveLog, SchemaStatus, StateError};

use crate::support::{Server, connect};

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_migrate_an_empty_database_once() {
    let server = Server::start().await;
    let url = server.empty().await;
    let mut migrating = Vec::new();
    for _ in 0..8 {
        let log = PgMoveLog::new(connect(&url, 1).await.unwrap());
        migrating.push(tokio::spawn(async move { log.migrate_schema().await.unwrap() }));
    }
    let mut ran = 0;
    for migrating in migrating {
        ran += migrating.await.unwrap();
    }
    assert_eq!(ran, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_migrations_are_told_before_and_not_after() {
    let server = Server::start().await;
    let log = PgMoveLog::new(connect(&server.empty().await, 1).await.unwrap());
    assert!(log.needs_migration().await.unwrap());
    assert_eq!(log.schema_status().await.unwrap(), SchemaStatus::Pending(11));
    log.migrate_schema().await.unwrap();
    assert!(!log.needs_migration().await.unwrap());
    assert_eq!(log.migrate_schema().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_the_engine_is_no_obstacle() {
    let server = Server::start().await;
    let log = PgMoveLog::new(connect(&server.empty().await, 1).await.unwrap());
    let guard = "CREATE SCHEMA mover; CREATE TABLE mover.org_guard (org_key text)";
    log.pool().get().await.unwrap().batch_execute(guard).await.unwrap();
    assert_eq!(log.migrate_schema().await.unwrap(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_program_is_refused() {
    let server = Server::start().await;
    let world = server.world().await;
    world.run("INSERT INTO mover.schema_migration VALUES (12, 'from_the_future', 'x')").await.unwrap();
    let expected = StateError::SchemaTooNew { found: 12, known: 11 };
    assert_eq!(world.log.needs_migration().await.unwrap_err(), expected);
    assert_eq!(world.log.migrate_schema().await.unwrap_err(), expected);
    assert!(expected.to_string().contains("use the newer program"), "{expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_migration_is_noticed() {
    let server = Server::start().await;
    let world = server.world().await;
    world.run("UPDATE mover.schema_migration SET checksum = 'other' WHERE number = 2").await.unwrap();
    let error = world.log.migrate_schema().await.unwrap_err();
    assert!(matches!(error, StateError::SchemaDiffers { number: 2, .. }), "{error:?}");
}
