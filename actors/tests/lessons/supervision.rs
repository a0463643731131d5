//! Whoever falls in the midst of a campaign, once or again and again: all orgs come to their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mover_actors::domain::campaign::{Phase, Tuning};
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use tokio::time::Instant;

use crate::memory::{Fate, Outcome, Port};
use crate::stage::{Stage, TUNING, is, play};

/// Who may fall.
const ACTORS: [&str; 6] =
    ["journal", "darklaunch", "workers/crew/worker_1", "workers/crew/worker_2", "node", "manager"];

/// Every call that a campaign makes, and the actor that makes it.
const CALLS: [(Port, &str, &str); 17] = [
    (Port::Log, "advance", "journal"),
    (Port::Flags, "read", "darklaunch"),
    (Port::Log, "desire", "darklaunch"),
    (Port::Flags, "write", "darklaunch"),
    (Port::Flags, "is_whole", "darklaunch"),
    (Port::Log, "desired", "darklaunch"),
    (Port::Engine, "drain", "workers/crew"),
    (Port::Engine, "enter", "workers/crew"),
    (Port::Engine, "rows", "workers/crew"),
    (Port::Engine, "commit", "workers/crew"),
    (Port::Engine, "tally", "workers/crew"),
    (Port::Engine, "settle", "workers/crew"),
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
            let stage = Stage::new(8).await;
            let node = stage.node("a").await;
            let (armed, fell) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let (arm, has_fallen) = (armed.clone(), fell.clone());
            stage.world.set_weather(move |_, call, _| {
                if is(call, port, method) && armed.load(Relaxed) && !fell.swap(true, Relaxed) {
                    return Fate::of(Outcome::Panic);
                }
                // The campaign is long enough for heartbeats and probes to come in between.
                let ms = if is(call, Port::Engine, "rows") { 1_000 } else { 0 };
                Fate { before: Duration::from_millis(ms), ..Fate::SMOOTH }
            });
            node.migrate().await.unwrap();
            stage.until("one has migrated", |stage| stage.states().contains(&State::Migrated)).await;
            arm.store(true, Relaxed);
            stage.until_all(State::Migrated).await;
            stage.until("it has ended", |stage| stage.campaign().phase == Phase::Ended).await;
            stage.until(&format!("{actor} has called {method}"), |_| has_fallen.load(Relaxed)).await;
            let restarts = ACTORS.map(|actor| node.restarts(&format!("root/{actor}")));
            let named = ACTORS.iter().zip(restarts).filter(|(path, _)| path.starts_with(actor));
            assert_eq!(named.map(|(_, restarts)| restarts).sum::<u32>(), 1, "{actor} fell in {method}: {restarts:?}");
            assert!((1..=8).all(|org| stage.door(org) == Some(Side::Target)), "{method}");
        });
    }
}

/// What falls again and again for some seconds, as when a server restarts, does not end the process.
#[test]
fn an_actor_that_cannot_start_for_some_seconds_ends_nothing() {
    play(async {
        let stage = Stage::new(2).await;
        let mut node = stage.node("a").await;
        let back_at = Instant::now() + Duration::from_secs(5);
        stage.world.set_weather(move |_, call, now| {
            let falls = is(call, Port::Log, "heartbeat") && now < back_at;
            if falls { Fate::of(Outcome::Panic) } else { Fate::SMOOTH }
        });
        assert!(tokio::time::timeout_at(back_at, node.tree.ended()).await.is_err(), "the process gave up");
        node.migrate().await.unwrap();
        stage.until_all(State::Migrated).await;
        assert!(node.restarts("root/node") > 3);
    });
}

#[test]
fn a_step_that_always_panics_parks_its_org_and_no_other() {
    play(async {
        let stage = Stage::new(3).await;
        let node = stage.node("a").await;
        let mut panics = 0;
        stage.world.set_weather(move |_, call, _| {
            // The first org's, because nobody else copies before it has ended.
            let falls = is(call, Port::Engine, "enter") && panics < 3;
            panics += u32::from(falls);
            if falls { Fate::of(Outcome::Panic) } else { Fate::SMOOTH }
        });
        let one_at_a_time = Tuning { concurrency: 1, ..TUNING };
        node.migrate_with(one_at_a_time, Default::default()).await.unwrap();
        stage.until("it has ended", |stage| stage.campaign().phase == Phase::Ended).await;
        assert_eq!(stage.states(), [State::Failed, State::Migrated, State::Migrated]);
        let reason = stage.record(1).failure.unwrap().reason;
        assert!(reason.contains("crashed 3 times") && reason.contains("injected"), "{reason}");
        assert_eq!(stage.door(1), Some(Side::Source));
    });
}
