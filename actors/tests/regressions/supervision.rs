//! Any actor may crash during a campaign, once or repeatedly: all orgs reach an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mover_actors::domain::campaign::{Phase, Tuning};
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use tokio::time::Instant;

use crate::fixture::{Fixture, TUNING, is, play};
use crate::memory::{Fate, Outcome, Port};

/// The actors that may fail.
const ACTORS: [&str; 6] =
    ["journal", "darklaunch", "workers/members/worker_1", "workers/members/worker_2", "node", "manager"];

/// Every call that a campaign makes, and the actor that makes it.
const CALLS: [(Port, &str, &str); 17] = [
    (Port::Log, "advance", "journal"),
    (Port::Flags, "read", "darklaunch"),
    (Port::Log, "desire", "darklaunch"),
    (Port::Flags, "write", "darklaunch"),
    (Port::Flags, "is_whole", "darklaunch"),
    (Port::Log, "desired", "darklaunch"),
    (Port::Engine, "drain", "workers/members"),
    (Port::Engine, "enter", "workers/members"),
    (Port::Engine, "rows", "workers/members"),
    (Port::Engine, "commit", "workers/members"),
    (Port::Engine, "tally", "workers/members"),
    (Port::Engine, "settle", "workers/members"),
    (Port::Log, "live_campaign", "manager"),
    (Port::Log, "claim", "manager"),
    (Port::Log, "heartbeat", "node"),
    (Port::Log, "adopt_orphans", "node"),
    (Port::Log, "held", "node"),
];

#[test]
fn any_actor_may_panic_in_the_midst_of_a_campaign() {
    for (port, method, actor) in CALLS {
        play(async move {
            let fixture = Fixture::new(8).await;
            let node = fixture.node("a").await;
            let (armed, fell) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (arm, has_fallen) = (armed.clone(), fell.clone());
            fixture.world.set_faults(move |_, call, _| {
                if is(call, port, method) && armed.load(Relaxed) && !fell.swap(true, Relaxed) {
                    return Fate::of(Outcome::Panic);
                }
                // The campaign is long enough for heartbeats and probes to come in between.
                let ms = if is(call, Port::Engine, "rows") { 1_000 } else { 0 };
                Fate { before: Duration::from_millis(ms), ..Fate::SMOOTH }
            });
            node.migrate().await.unwrap();
            fixture.until("one has migrated", |fixture| fixture.states().contains(&State::Migrated)).await;
            arm.store(true, Relaxed);
            fixture.until_all(State::Migrated).await;
            fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
            fixture.until(&format!("{actor} has called {method}"), |_| has_fallen.load(Relaxed)).await;
            let restarts = ACTORS.map(|actor| node.restarts(&format!("root/{actor}")));
            let named = ACTORS.iter().zip(restarts).filter(|(path, _)| path.starts_with(actor));
            assert_eq!(named.map(|(_, restarts)| restarts).sum::<u32>(), 1, "{actor} fell in {method}: {restarts:?}");
            assert!((1..=8).all(|org| fixture.routed_to(org) == Some(Side::Target)), "{method}");
        });
    }
}

/// An actor that fails repeatedly for some seconds, as when a server restarts, does not end the process.
#[test]
fn an_actor_that_cannot_start_for_some_seconds_ends_nothing() {
    play(async {
        let fixture = Fixture::new(2).await;
        let mut node = fixture.node("a").await;
        let back_at = Instant::now() + Duration::from_secs(5);
        fixture.world.set_faults(move |_, call, now| {
            let falls = is(call, Port::Log, "heartbeat") && now < back_at;
            if falls { Fate::of(Outcome::Panic) } else { Fate::SMOOTH }
        });
        assert!(tokio::time::timeout_at(back_at, node.tree.ended()).await.is_err(), "the process gave up");
        node.migrate().await.unwrap();
        fixture.until_all(State::Migrated).await;
        assert!(node.restarts("root/node") > 3);
    });
}

#[test]
fn a_step_that_always_panics_parks_its_org_and_no_other() {
    play(async {
        let fixture = Fixture::new(3).await;
        let node = fixture.node("a").await;
        let mut panics = 0;
        fixture.world.set_faults(move |_, call, _| {
            // That of the first org, because no other org is copied before it has ended.
            let falls = is(call, Port::Engine, "enter") && panics < 3;
            panics += u32::from(falls);
            if falls { Fate::of(Outcome::Panic) } else { Fate::SMOOTH }
        });
        let one_at_a_time = Tuning { concurrency: 1, ..TUNING };
        node.migrate_with(one_at_a_time, Default::default()).await.unwrap();
        fixture.until("it has ended", |fixture| fixture.campaign().phase == Phase::Ended).await;
        assert_eq!(fixture.states(), [State::Failed, State::Migrated, State::Migrated]);
        let reason = fixture.record(1).failure.unwrap().reason;
        assert!(reason.contains("crashed 3 times") && reason.contains("injected"), "{reason}");
        assert_eq!(fixture.routed_to(1), Some(Side::Source));
    });
}
