//! Killed again while it recovers, and killed at any instant. The seed of everything random is printed; MOVER_CRASH_SEED
//! repeats a run.

use std::time::Duration;

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use super::gate::Gate;
use super::offline::OFFLINE_PLACES;
use super::world::{OFFLINE, ORGS, World, in_flight};

/// Kills in one test: few enough that there is always an org left to be killed at.
const KILLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_while_it_recovers_1() {
    killed_at_failpoints().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_while_it_recovers_2() {
    killed_at_failpoints().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_while_it_recovers_3() {
    killed_at_failpoints().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_while_it_recovers_4() {
    killed_at_failpoints().await;
}

/// The place where an org was left when Mover died is often the one where Mover dies next.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_same_place_twice() {
    killed_at(&["settle.committed", "settle.committed", "switch.desired"]).await;
}

/// Migrating again has nothing to claim: it brings every org to its end, or says what does.
#[tokio::test(flavor = "multi_thread")]
async fn killed_with_every_org_in_flight_and_migrated_again() {
    let world = World::ready(OFFLINE).await;
    let gate = Gate::in_copy(&world).await;
    let campaign = world.start("migrate whole_org_offline all workers=8");
    world.until(|states| in_flight(states) == i64::from(ORGS)).await;
    gate.is_reached().await;
    campaign.kill9().await.by_sigkill();
    gate.open().await;
    let again = world.exec("migrate whole_org_offline all").await;
    if again.status.code() != Some(0) {
        assert!(again.said.contains("resume"), "it should say how to go on: {again}");
        world.exec("resume").await.with_code(0);
    }
    world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_1() {
    killed_at_instants().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_2() {
    killed_at_instants().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_3() {
    killed_at_instants().await;
}

async fn killed_at_failpoints() {
    let mut random = seeded();
    let forward: Vec<&str> = OFFLINE_PLACES.iter().copied().filter(|place| is_forward(place)).collect();
    let places: Vec<&str> = (0..KILLS).filter_map(|_| forward.choose(&mut random).copied()).collect();
    killed_at(&places).await;
}

/// The others need an org that fails; see `failpoints`.
fn is_forward(place: &str) -> bool {
    !place.starts_with("abort.") && !place.starts_with("discard.")
}

async fn killed_at(places: &[&str]) {
    println!("killed at {places:?}");
    let world = World::ready_one_by_one(OFFLINE).await;
    let mut command = "migrate whole_org_offline all workers=2";
    for place in places {
        world.start_to_die(command, place).end().await.by_sigkill();
        command = "resume";
    }
    world.exec("resume").await.with_code(0);
    world.assert_all_moved().await;
}

/// The operator resumes, or simply migrates again: both must continue what the dead process left.
async fn killed_at_instants() {
    let mut random = seeded();
    let world = World::ready(OFFLINE).await;
    for _ in 0..KILLS {
        let command = if random.random() { "resume" } else { "migrate whole_org_offline all workers=2" };
        let alive = Duration::from_millis(random.random_range(50..1200));
        println!("{command} is killed after {alive:?}");
        let campaign = world.start(command);
        sleep(alive).await;
        // It may have ended before: there may have been nothing to resume yet, or nothing left to move.
        campaign.signal(Signal::SIGKILL);
        campaign.end().await;
    }
    // Whatever is left of a campaign, and whatever no campaign has begun with.
    world.exec("resume").await;
    if world.states().await.contains_key("ready") {
        world.exec("migrate whole_org_offline all").await.with_code(0);
    }
    world.assert_all_moved().await;
}

fn seeded() -> StdRng {
    let seed = std::env::var("MOVER_CRASH_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("MOVER_CRASH_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
