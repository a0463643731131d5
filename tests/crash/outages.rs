//! Postgres and Redis are restarted, killed and emptied under a running campaign, which continues by itself.

use mover::embedded::ServerKind::{Postgres, Redis};
use nix::sys::signal::Signal;

use super::gate::Gate;
use super::program::Program;
use super::world::{OFFLINE, ONLINE, ORGS, World};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_restarted_in_mid_copy() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_copy(&world).await;
    let campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    world.servers.restart(Postgres).await.unwrap();
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_in_mid_copy() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_copy(&world).await;
    let campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    world.servers.kill9(Postgres).await.unwrap();
    world.servers.start_again(Postgres).await.unwrap();
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed_in_mid_switch() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_switch(&world).await;
    let campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    world.servers.kill9(Postgres).await.unwrap();
    world.servers.start_again(Postgres).await.unwrap();
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mover_and_postgres_die_together() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_copy(&world).await;
    let campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    world.servers.kill9(Postgres).await.unwrap();
    campaign.kill9().await.by_sigkill();
    world.servers.start_again(Postgres).await.unwrap();
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_in_mid_switch() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_switch(&world).await;
    let mut campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    world.servers.kill9(Redis).await.unwrap();
    gate.open().await;
    campaign.says("flags cannot be written").await;
    world.servers.start_again(Redis).await.unwrap();
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

/// No request is routed while Redis is down, and the campaign continues afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn redis_dies_in_mid_switch_and_then_mover() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_switch(&world).await;
    let mut campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    world.servers.kill9(Redis).await.unwrap();
    gate.open().await;
    campaign.says("flags cannot be written").await;
    campaign.kill9().await.by_sigkill();
    let mut resumed = world.start("resume");
    resumed.says("Redis").await;
    world.servers.start_again(Redis).await.unwrap();
    resumed.end().await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_loses_its_memory_in_mid_copy() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_copy(&world).await;
    let mut campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    flush(&world).await;
    campaign.says("Redis has lost its memory").await;
    gate.open().await;
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_loses_its_memory_in_mid_switch() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_switch(&world).await;
    let mut campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    flush(&world).await;
    campaign.says("Redis has lost its memory").await;
    gate.open().await;
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

/// Redis is empty and Mover is dead: the next process writes all flags again before any request is routed.
#[tokio::test(flavor = "multi_thread")]
async fn redis_loses_its_memory_while_mover_is_dead() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_switch(&world).await;
    let campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    campaign.signal(Signal::SIGKILL);
    campaign.end().await.by_sigkill();
    flush(&world).await;
    gate.open().await;
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn online_postgres_is_killed_in_mid_copy() {
    let world = World::ready(ONLINE).await;
    let (gate, campaign) = copying_online(&world).await;
    world.servers.kill9(Postgres).await.unwrap();
    world.servers.start_again(Postgres).await.unwrap();
    drop(gate);
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

/// No writer waits for flags that cannot be written: clients continue in the old store.
#[tokio::test(flavor = "multi_thread")]
async fn online_redis_is_away_at_the_switch() {
    let world = World::ready(ONLINE).await;
    let (gate, mut campaign) = copying_online(&world).await;
    world.servers.kill9(Redis).await.unwrap();
    gate.open().await;
    campaign.says("flags cannot be written").await;
    let touched = world.old_store().await.execute("UPDATE containers SET name = name", &[]).await.unwrap();
    assert!(touched >= u64::from(ORGS));
    world.servers.start_again(Redis).await.unwrap();
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn online_redis_loses_its_memory_in_mid_copy() {
    let world = World::ready(ONLINE).await;
    let (gate, mut campaign) = copying_online(&world).await;
    flush(&world).await;
    campaign.says("Redis has lost its memory").await;
    gate.open().await;
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}

async fn copying_online(world: &World) -> (Gate, Program) {
    world.install_guard().await;
    let gate = Gate::in_copy(world).await;
    let campaign = world.start("migrate whole_org all");
    gate.is_reached().await;
    (gate, campaign)
}

async fn flush(world: &World) {
    let client = redis::Client::open(world.servers.redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
}

/// A slow store is not a backlog: no org is parked, and the orgs continue when the store does.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_slow_for_a_while() {
    let world = World::ready(ONLINE).await;
    world.install_guard().await;
    let store = world.new_store().await;
    // Longer than the bound of a round that runs while writers wait.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
         CREATE TRIGGER slow AFTER UPDATE ON mover.org_guard EXECUTE FUNCTION slow();
         ALTER TABLE mover.org_guard ENABLE ALWAYS TRIGGER slow";
    store.batch_execute(slow).await.unwrap();
    let mut campaign = world.start("migrate whole_org all");
    campaign.says("the stores are slow").await;
    store.batch_execute("DROP FUNCTION slow() CASCADE").await.unwrap();
    campaign.end().await.with_code(0);
    world.assert_all_moved().await;
}
