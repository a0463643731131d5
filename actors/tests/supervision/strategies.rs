//! Who is restarted when one child falls.

use std::time::Duration;

use mover_actors::otp::{ActorRef, Board, Restart, Root, Strategy, SupervisorSpec};

use crate::probe::{Diary, Fall, Ping, Probe, probe, run};

/// Three children a, b and c; b falls. Returns the diary from the fall on.
async fn when_b_falls(strategy: Strategy) -> Vec<String> {
    let [a, b, c] = ["a", "b", "c"].map(ActorRef::<Probe>::named);
    let diary = Diary::default();
    let mut spec = SupervisorSpec::new("root", strategy);
    for child in [&a, &b, &c] {
        spec = spec.child(probe(child, &diary));
    }
    let mut root = Root::start(spec, &Board::new());
    root.up().await.unwrap();
    assert_eq!(diary.take(), ["start a", "start b", "start c"]);

    b.send(Fall::Panic("boom")).await.unwrap_err();
    settled().await;
    diary.take()
}

/// Until the supervisor has dealt with a fall: paused time moves on only when nobody has anything
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
        let diary = Diary::default();
        let spec = SupervisorSpec::new("root", Strategy::OneForAll)
            .child(probe(&guest, &diary).restart(Restart::Temporary))
            .child(probe(&keeper, &diary));
        let mut root = Root::start(spec, &Board::new());
        root.up().await.unwrap();
        keeper.send(Fall::Panic("boom")).await.unwrap_err();
        settled().await;
        assert_eq!(diary.take()[2..], ["stop guest", "start keeper"]);
        assert!(!guest.is_running());
    });
}

#[test]
fn two_that_fall_at_once_are_both_restarted() {
    run(async {
        let [a, b] = ["a", "b"].map(ActorRef::<Probe>::named);
        let diary = Diary::default();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(probe(&a, &diary)).child(probe(&b, &diary));
        let mut root = Root::start(spec, &Board::new());
        root.up().await.unwrap();
        b.notify(Fall::Panic("boom")).unwrap();
        a.notify(Fall::Panic("boom")).unwrap();
        settled().await;
        assert_eq!((a.send(Ping).await, b.send(Ping).await), (Ok(2), Ok(2)));
    });
}
