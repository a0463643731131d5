//! Commits are durable, whatever is set for Mover's role, and even if a commit is cancelled.

use std::time::Duration;

use crate::one_org::OneOrg;
use tokio::time::Instant;

use crate::world::{World, lease, moved};

/// Commits that are not flushed to disk are lost in a crash.
const LAZY: &str = "ALTER SYSTEM SET wal_writer_delay = '10s'";
const WAITING: &str = "pg_stat_activity WHERE wait_event = 'SyncRep'";

async fn reload(world: &World, sql: &str) {
    for sql in [sql, "SELECT pg_reload_conf()"] {
        world.server.everywhere(sql).await;
    }
}

async fn moved_and_crashed(setting: impl Fn(&str) -> String) {
    let mut world = World::start().await;
    reload(&world, LAZY).await;
    for (client, name) in [(&world.old, "old"), (&world.new, "new")] {
        client.batch_execute(&setting(name)).await.unwrap();
    }
    moved(&world.engine(), &lease("1", 1)).await;
    world.server.crash().await;
    (world.old, world.new) = (world.server.connect("old").await, world.server.connect("new").await);
    assert_eq!(world.modes("1").await, ("moved".into(), "capturing".into()));
    world.assert_alike("1").await;
}

#[tokio::test]
async fn a_move_outlives_a_crash_although_commits_are_lazy_for_the_role() {
    moved_and_crashed(|_| "ALTER ROLE mover SET synchronous_commit = off".into()).await;
}

#[tokio::test]
async fn a_move_outlives_a_crash_although_commits_are_lazy_for_the_databases() {
    moved_and_crashed(|name| format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
}

/// A standby that never answers.
async fn without_its_standby() -> World {
    let world = World::start().await;
    reload(&world, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    let set = "pg_settings WHERE name = 'synchronous_standby_names' AND setting = 'nobody'";
    world.wait_for("old", set).await;
    world
}

#[tokio::test]
async fn a_commit_that_waits_for_a_standby_is_left_waiting() {
    let world = without_its_standby().await;
    let (engine, lease) = (world.engine(), lease("1", 1));
    tokio::select! {
        ended = engine.capture(&lease) => panic!("nobody has the commit, but: {ended:?}"),
        () = world.wait_for("old", WAITING) => {}
    }
    // No one waits for the answer any more; the commit is invisible until the standby has it.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        assert_eq!(world.count(&world.old, WAITING).await, 1);
        assert_ne!(world.mode(&world.old, "1").await.as_deref(), Some("capturing"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    reload(&world, "ALTER SYSTEM RESET synchronous_standby_names").await;
    world.wait_for("old", "mover.org_guard WHERE org_key = '1' AND mode = 'capturing'").await;
    engine.capture(&lease).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_wait_was_ended_is_not_taken_for_done() {
    let world = without_its_standby().await;
    let engine = world.engine();
    let lease = lease("1", 1);
    let impatient = async {
        world.wait_for("old", WAITING).await;
        world.old.query(&format!("SELECT pg_cancel_backend(pid) FROM {WAITING}"), &[]).await.unwrap();
    };
    let (captured, ()) = tokio::join!(engine.capture(&lease), impatient);
    let error = captured.unwrap_err();
    assert!(error.transient, "{error}");
    reload(&world, "ALTER SYSTEM RESET synchronous_standby_names").await;
    engine.capture(&lease).await.unwrap();
}
