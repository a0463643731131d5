//! Ctrl-C: the first drains, the second stops at once.

use mover::demo::route::Route;
use nix::sys::signal::Signal;

use super::gate::Gate;
use super::world::{OFFLINE, ORGS, World, in_flight};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_ctrl_c_drains() {
    stopped_by(Signal::SIGINT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_too() {
    stopped_by(Signal::SIGTERM).await;
}

/// Orgs in flight continue to their end, the others stay ready, and a later campaign takes them.
async fn stopped_by(signal: Signal) {
    let world = World::ready_one_by_one(OFFLINE).await;
    let campaign = world.start("migrate whole_org_offline all workers=2");
    world.until(|states| in_flight(states) > 0).await;
    campaign.signal(signal);
    // It was halted before all was done.
    let ended = campaign.end().await.with_code(1);
    assert!(ended.answer.contains("0 failed (Ctrl-C)"), "{ended}");

    let states = world.states().await;
    assert_eq!(in_flight(&states), 0, "{states:?}");
    assert!(states["migrated"] > 0 && states["ready"] > 0, "{states:?}");
    for org in &world.orgs {
        assert!(matches!(world.route(org).await, Route::To(_)), "{} is shut", org.name);
    }
    let nothing = world.exec("resume").await.with_code(1);
    assert!(nothing.said.contains("`migrate MIGRATION all` moves them"), "it should say how to go on: {nothing}");
    world.exec("migrate whole_org_offline all").await.with_code(0);
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_ctrl_c_stops_at_once() {
    let world = World::ready_one_by_one(OFFLINE).await;
    let gate = Gate::in_copy(&world).await;
    let mut campaign = world.start("migrate whole_org_offline all");
    gate.is_reached().await;
    campaign.signal(Signal::SIGINT);
    campaign.says("halting").await;
    campaign.signal(Signal::SIGINT);
    let ended = campaign.end().await.with_code(130);
    assert!(ended.said.contains("mover exec resume"), "{ended}");
    let states = world.states().await;
    assert!(in_flight(&states) > 0 && states["ready"] < i64::from(ORGS), "{states:?}");
    world.mover(&["health"]).await.with_code(2);

    gate.open().await;
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}
