//! Monitors receive every end once, with the reason.

use futures_util::FutureExt;
use mover_actors::otp::{ActorRef, ChildEvent, Down, Exit, Registry, Restart, Root, Strategy, SupervisorSpec};

use crate::probe::{EventLog, Failure, Probe, probe, run};

fn down(id: &str, exit: Exit) -> Down {
    Down { id: id.into(), exit }
}

async fn tree(restart: Restart) -> (Root, ActorRef<Probe>) {
    let child = ActorRef::named("child");
    let spec =
        SupervisorSpec::new("root", Strategy::OneForOne).child(probe(&child, &EventLog::default()).restart(restart));
    let mut root = Root::start(spec, &Registry::new());
    root.up().await.unwrap();
    (root, child)
}

#[test]
fn every_end_is_told_once_with_the_message_of_its_panic() {
    run(async {
        let (_root, child) = tree(Restart::Transient).await;
        let mut monitor = child.monitor();
        let mut second_monitor = child.monitor();
        child.send(Failure::Panic("boom")).await.unwrap_err();
        child.running().await;
        child.notify(Failure::Finish).unwrap();

        for monitor in [&mut monitor, &mut second_monitor] {
            let first = monitor.next().await.unwrap();
            assert_eq!(first, ChildEvent::Restarting(down("child", Exit::Panic("boom".into()))));
            let second = monitor.next().await.unwrap();
            assert_eq!(second, ChildEvent::Ended(down("child", Exit::Normal)));
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            assert_eq!(monitor.next().now_or_never(), None, "nothing more");
        }
    });
}

#[test]
fn a_monitor_that_comes_after_the_end_hears_of_it_at_once() {
    run(async {
        let (_root, child) = tree(Restart::Temporary).await;
        let mut early = child.monitor();
        child.send(Failure::Panic("boom")).await.unwrap_err();
        let event = early.next().await;
        assert_eq!(child.monitor().next().await, event);
        assert_eq!(event, Some(ChildEvent::Ended(down("child", Exit::Panic("boom".into())))));
    });
}

#[test]
fn a_shutdown_is_told_as_shutdown() {
    run(async {
        let (root, child) = tree(Restart::Permanent).await;
        let mut monitor = child.monitor();
        root.stop().await.unwrap();
        assert_eq!(monitor.next().await, Some(ChildEvent::Ended(down("child", Exit::Shutdown))));
    });
}
