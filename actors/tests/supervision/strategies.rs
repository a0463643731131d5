//! Which children are restarted when one fails.

use std::time::Duration;

use mover_actors::otp::{ActorRef, Registry, Restart, Root, Strategy, SupervisorSpec};

use crate::probe::{EventLog, Failure, Ping, Probe, probe, run};

/// Three children a, b and c; b falls. Returns the event log from the failure on.
async fn when_b_falls(strategy: Strategy) -> Vec<String> {
    let [a, b, c] = ["a", "b", "c"].map(ActorRef::<Probe>::named);
    let event_log = EventLog::default();
    let mut spec = SupervisorSpec::new("root", strategy);
    for child in [&a, &b, &c] {
        spec = spec.child(probe(child, &event_log));
    }
    let mut root = Root::start(spec, &Registry::new());
    root.up().await.unwrap();
    assert_eq!(event_log.take(), ["start a", "start b", "start c"]);

    b.send(Failure::Panic("boom")).await.unwrap_err();
    settled().await;
    event_log.take()
}

/// Until the supervisor has handled a failure: paused time advances only when no task has anything
/// left to do.
async fn settled() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[test]
fn one_for_one_restarts_the_one_that_fell() {
    assert_eq!(run(when_b_falls(Strategy::OneForOne)), ["start b"]);
}

#[test]
fn one_for_all_stops_the_others_in_reverse_and_starts_all_in_order() {
    assert_eq!(run(when_b_falls(Strategy::OneForAll)), ["stop c", "stop a", "start a", "start b", "start c"]);
}

#[test]
fn rest_for_one_restarts_those_started_after_it() {
    assert_eq!(run(when_b_falls(Strategy::RestForOne)), ["stop c", "start b", "start c"]);
}

#[test]
fn a_temporary_sibling_is_stopped_with_the_others_and_not_started_again() {
    run(async {
        let [keeper, guest] = ["keeper", "guest"].map(ActorRef::<Probe>::named);
        let event_log = EventLog::default();
        let spec = SupervisorSpec::new("root", Strategy::OneForAll)
            .child(probe(&guest, &event_log).restart(Restart::Temporary))
            .child(probe(&keeper, &event_log));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        keeper.send(Failure::Panic("boom")).await.unwrap_err();
        settled().await;
        assert_eq!(event_log.take()[2..], ["stop guest", "start keeper"]);
        assert!(!guest.is_running());
    });
}

#[test]
fn two_that_fall_at_once_are_both_restarted() {
    run(async {
        let [a, b] = ["a", "b"].map(ActorRef::<Probe>::named);
        let event_log = EventLog::default();
        let spec =
            SupervisorSpec::new("root", Strategy::OneForOne).child(probe(&a, &event_log)).child(probe(&b, &event_log));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        b.notify(Failure::Panic("boom")).unwrap();
        a.notify(Failure::Panic("boom")).unwrap();
        settled().await;
        assert_eq!((a.send(Ping).await, b.send(Ping).await), (Ok(2), Ok(2)));
    });
}
