//! Too many restarts: a supervisor gives up, and its own supervisor is notified.

use std::time::Duration;

use mover_actors::otp::{
    ActorRef, Backoff, ChildSpec, Exit, GaveUp, Intensity, Registry, Root, State, Strategy, SupervisorSpec,
};

use tokio::time::Instant;

use crate::probe::{Behaviour, EventLog, Failure, Ping, Probe, probe, probe_with, run};

const TWICE_A_MINUTE: Intensity = Intensity { restarts_max: 2, within: Duration::from_secs(60) };

#[test]
fn restarts_are_counted_within_their_window_only() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .intensity(TWICE_A_MINUTE)
            .child(probe(&child, &EventLog::default()));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        for _ in 0..10 {
            child.send(Failure::Panic("boom")).await.unwrap_err();
            child.running().await;
            tokio::time::sleep(Duration::from_secs(31)).await;
        }
        assert_eq!(child.send(Ping).await, Ok(11));
    });
}

#[test]
fn too_many_restarts_stop_the_siblings_and_name_the_culprit() {
    run(async {
        let [first, bad, last] = ["first", "bad", "last"].map(ActorRef::<Probe>::named);
        let event_log = EventLog::default();
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne).intensity(TWICE_A_MINUTE);
        for child in [&first, &bad, &last] {
            spec = spec.child(probe(child, &event_log));
        }
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        for _ in 0..3 {
            bad.running().await;
            bad.send(Failure::Panic("boom")).await.unwrap_err();
        }
        let gave_up = root.ended().await.unwrap_err();
        assert_eq!(gave_up.to_string(), "root gave up after 2 restarts in 60s: root/bad: panic: boom");
        assert_eq!(event_log.take()[5..], ["stop last", "stop first"]);
    });
}

#[test]
fn a_supervisor_may_pause_before_each_restart() {
    run(async {
        let (child, calm) = (ActorRef::<Probe>::named("child"), ActorRef::<Probe>::named("calm"));
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .intensity(Intensity { restarts_max: 10, within: Duration::from_secs(10) })
            .backoff(Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) })
            .child(probe_with(&child, &EventLog::default(), Behaviour::PanicsInStarted))
            .child(probe(&calm, &EventLog::default()));
        let begun = Instant::now();
        let gave_up = Root::start(spec, &Registry::new()).ended().await.unwrap_err();
        assert_eq!(gave_up.to_string(), "root gave up after 10 restarts in 10s: root/child: panic: no way to begin");
        // 50 + 100 + 200 + 400 + 800 + 5 * 1000 ms: long enough for a server to come back, short enough to be counted.
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(6_550) && took < Duration::from_secs(7), "{took:?}");
    });
}

/// root -> orgs -> acme
fn two_levels(acme: ChildSpec) -> SupervisorSpec {
    let orgs = SupervisorSpec::new("orgs", Strategy::OneForOne).intensity(TWICE_A_MINUTE).child(acme);
    SupervisorSpec::new("root", Strategy::RestForOne)
        .intensity(Intensity { restarts_max: 1, ..TWICE_A_MINUTE })
        .child(ChildSpec::supervisor(orgs))
}

#[test]
fn a_supervisor_that_gave_up_is_restarted_by_its_own() {
    run(async {
        let acme = ActorRef::<Probe>::named("acme");
        let registry = Registry::new();
        let mut root = Root::start(two_levels(probe(&acme, &EventLog::default())), &registry);
        root.up().await.unwrap();
        for _ in 0..3 {
            acme.running().await;
            acme.send(Failure::Panic("boom")).await.unwrap_err();
        }
        acme.running().await;
        assert_eq!(acme.send(Ping).await, Ok(4));
        let orgs = registry.child("root/orgs").unwrap();
        assert_eq!((orgs.state, orgs.restarts), (State::Running, 1));
        assert_eq!(
            orgs.last_exit.as_deref(),
            Some("root/orgs gave up after 2 restarts in 60s: root/orgs/acme: panic: boom")
        );
    });
}

#[test]
fn escalation_through_two_levels_ends_the_root_with_the_culprit() {
    run(async {
        let acme = ActorRef::<Probe>::named("acme");
        let event_log = EventLog::default();
        let acme = probe_with(&acme, &event_log, Behaviour::PanicsInStarted);
        let mut root = Root::start(two_levels(acme), &Registry::new());
        let gave_up: GaveUp = root.ended().await.unwrap_err();
        assert_eq!(event_log.take().len(), 6, "three starts under each of two incarnations of orgs");
        assert_eq!(gave_up.culprit, "root/orgs");
        assert_eq!(gave_up.root_cause(), ("root/orgs/acme", &Exit::Panic("no way to begin".into())));
        assert_eq!(
            gave_up.to_string(),
            "root gave up after 1 restart in 60s: root/orgs gave up after 2 restarts in 60s: \
             root/orgs/acme: panic: no way to begin"
        );
    });
}
