//! Stopping: in reverse order, each child within its time.

use std::time::Duration;

use mover_actors::otp::{ActorRef, ChildEvent, ChildSpec, Exit, Registry, Root, Shutdown, Strategy, SupervisorSpec};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::probe::{Behaviour, EventLog, Pause, Ping, Probe, probe, probe_with, run};

#[test]
fn children_stop_in_reverse_start_order_through_all_levels() {
    run(async {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(ActorRef::<Probe>::named);
        let event_log = EventLog::default();
        let inner =
            SupervisorSpec::new("inner", Strategy::OneForOne).child(probe(&b, &event_log)).child(probe(&c, &event_log));
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(probe(&a, &event_log))
            .child(ChildSpec::supervisor(inner))
            .child(probe(&d, &event_log));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        assert_eq!(event_log.take(), ["start a", "start b", "start c", "start d"]);
        root.stop().await.unwrap();
        assert_eq!(event_log.take(), ["stop d", "stop c", "stop b", "stop a"]);
    });
}

/// A child with these behaviour between two good ones is stopped: its exit, the time it took, and the
/// The event log of the stop.
async fn stopping(behaviour: Behaviour, shutdown: Shutdown) -> (Exit, Duration, Vec<String>) {
    let [first, odd, last] = ["first", "odd", "last"].map(ActorRef::<Probe>::named);
    let event_log = EventLog::default();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(probe(&first, &event_log))
        .child(probe_with(&odd, &event_log, behaviour).shutdown(shutdown))
        .child(probe(&last, &event_log));
    let mut root = Root::start(spec, &Registry::new());
    root.up().await.unwrap();
    let mut monitor = odd.monitor();
    event_log.take();
    let asked = Instant::now();
    root.stop().await.unwrap();
    let Some(ChildEvent::Ended(down)) = monitor.next().await else { panic!("not ended") };
    assert_eq!(odd.send(Ping).await.unwrap_err().to_string(), "sending to odd: it is not running");
    (down.exit, asked.elapsed(), event_log.take())
}

const THREE_SECONDS: Duration = Duration::from_secs(3);

#[test]
fn a_child_that_refuses_to_stop_is_killed_after_its_time_limit() {
    let (exit, took, event_log) = run(stopping(Behaviour::RefusesToStop, Shutdown::Within(THREE_SECONDS)));
    assert_eq!(exit, Exit::Killed);
    assert_eq!(took.as_secs(), 3);
    assert_eq!(event_log, ["stop last", "odd stays", "stop first"]);
}

#[test]
fn a_child_may_finish_its_work_within_its_time_limit() {
    let behaviour = Behaviour::NeedsToFinishFirst(Duration::from_secs(2));
    let (exit, took, event_log) = run(stopping(behaviour, Shutdown::Within(THREE_SECONDS)));
    assert_eq!(exit, Exit::Shutdown);
    assert_eq!(took.as_secs(), 2);
    assert_eq!(event_log, ["stop last", "odd finishes", "stop odd", "stop first"]);
}

#[test]
fn a_brutal_shutdown_does_not_ask() {
    let (exit, took, event_log) = run(stopping(Behaviour::RefusesToStop, Shutdown::Brutal));
    assert_eq!(exit, Exit::Killed);
    assert_eq!(took.as_secs(), 0);
    assert_eq!(event_log, ["stop last", "stop first"]);
}

#[test]
fn a_child_stuck_in_a_wait_is_killed_after_its_time_limit() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let event_log = EventLog::default();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(probe(&child, &event_log));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        let (_never, until) = oneshot::channel();
        child.send(Pause(until)).await.unwrap();
        root.stop().await.unwrap();
        assert_eq!(event_log.take(), ["start child"], "it was dropped without running its code again");
    });
}

#[test]
fn a_supervisor_over_its_time_limit_is_killed_with_all_its_children() {
    run(async {
        let [a, b] = ["a", "b"].map(ActorRef::<Probe>::named);
        let event_log = EventLog::default();
        let inner = SupervisorSpec::new("inner", Strategy::OneForOne).child(probe(&a, &event_log)).child(
            probe_with(&b, &event_log, Behaviour::RefusesToStop).shutdown(Shutdown::Within(Duration::from_secs(60))),
        );
        let inner = ChildSpec::supervisor(inner).shutdown(Shutdown::Within(THREE_SECONDS));
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(inner);
        let registry = Registry::new();
        let mut root = Root::start(spec, &registry);
        root.up().await.unwrap();
        let asked = Instant::now();
        root.stop().await.unwrap();
        assert_eq!(asked.elapsed().as_secs(), 3);
        assert!(!a.is_running() && !b.is_running());
        for path in ["root/inner", "root/inner/a", "root/inner/b"] {
            assert_eq!(registry.child(path).unwrap().last_exit.as_deref(), Some("killed"), "{path}");
        }
    });
}

#[test]
fn a_stop_during_a_start_abandons_the_start() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let spec = ChildSpec::actor(&child, |_| std::future::pending());
        let root = Root::start(SupervisorSpec::new("root", Strategy::OneForOne).child(spec), &Registry::new());
        tokio::task::yield_now().await;
        root.stop().await.unwrap();
        assert!(!child.is_running());
    });
}

#[test]
fn dropping_the_root_kills_the_tree() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let event_log = EventLog::default();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(probe(&child, &event_log));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        let mut monitor = child.monitor();
        drop(root);
        let Some(ChildEvent::Ended(down)) = monitor.next().await else { panic!("not ended") };
        assert_eq!(down.exit, Exit::Killed);
    });
}
