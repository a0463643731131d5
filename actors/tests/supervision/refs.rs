//! An `ActorRef` is good across restarts and threads.

use mover_actors::otp::{ActorRef, Backoff, RefError, Registry, Root, Strategy, SupervisorSpec};
use tokio::sync::oneshot;

use crate::probe::{AnswerLater, EventLog, Failure, Pause, Ping, Probe, TalkToYourself, probe, run};

async fn tree() -> (Root, ActorRef<Probe>) {
    let child = ActorRef::named("child");
    let spec = probe(&child, &EventLog::default()).backoff(Backoff::default());
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(spec);
    let mut root = Root::start(spec, &Registry::new());
    root.up().await.unwrap();
    (root, child)
}

#[test]
fn a_ref_works_again_after_a_restart() {
    run(async {
        let (_root, child) = tree().await;
        let clone = child.clone();
        assert_eq!(clone.send(Ping).await, Ok(1));
        child.send(Failure::Panic("boom")).await.unwrap_err();
        assert!(!clone.is_running());
        assert_eq!(clone.send(Ping).await, Err(RefError::NotRunning { name: "child".into() }));
        clone.running().await;
        assert_eq!(clone.send(Ping).await, Ok(2));
    });
}

#[test]
fn messages_that_wait_when_the_actor_falls_are_answered_with_died() {
    run(async {
        let (_root, child) = tree().await;
        let falling = child.send(Failure::Panic("boom"));
        let waiting = child.send(Ping);
        let died = RefError::Died { name: "child".into() };
        assert_eq!(falling.await, Err(died.clone()));
        assert_eq!(waiting.await, Err(died));
        assert_eq!(child.mailbox(), 0);
    });
}

#[test]
fn the_mailbox_counts_what_waits_and_what_is_in_work() {
    run(async {
        let (_root, child) = tree().await;
        let (answer, later) = oneshot::channel();
        let (go_on, until) = oneshot::channel();
        let in_work = child.send(AnswerLater(later));
        child.send(Pause(until)).await.unwrap();
        child.notify(Failure::PanicInSpawned("never mind")).unwrap();
        let waiting = child.send(Ping);
        assert_eq!(child.mailbox(), 3, "one in work, one told, one asked");

        answer.send(42).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(in_work.await, Ok(42));
        assert_eq!(waiting.await, Ok(1));
        assert_eq!(child.mailbox(), 0);
    });
}

#[test]
fn a_question_without_a_waiting_caller_is_withdrawn() {
    run(async {
        let (_root, child) = tree().await;
        drop(child.send(Failure::Panic("too late")));
        assert_eq!(child.send(Ping).await, Ok(1));
    });
}

#[test]
fn a_ref_can_be_used_from_another_thread() {
    run(async {
        let (_root, child) = tree().await;
        let (done, answer) = oneshot::channel();
        let sender = child.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            done.send(runtime.block_on(sender.send(Ping))).unwrap();
        });
        assert_eq!(answer.await.unwrap(), Ok(1));
    });
}

#[test]
fn an_actor_that_sends_to_itself_without_end_does_not_starve_others_and_can_be_stopped() {
    run(async {
        let (root, child) = tree().await;
        child.notify(TalkToYourself(child.clone())).unwrap();
        assert_eq!(child.send(Ping).await, Ok(1));
        root.stop().await.unwrap();
    });
}

#[test]
fn a_tree_runs_in_an_actix_system_over_a_multi_thread_runtime() {
    let system =
        actix_rt::System::with_tokio_rt(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap());
    system.block_on(async {
        let (root, child) = tree().await;
        let asked = tokio::spawn(child.send(Ping));
        assert_eq!(asked.await.unwrap(), Ok(1));
        child.send(Failure::Panic("boom")).await.unwrap_err();
        child.running().await;
        assert_eq!(child.send(Ping).await, Ok(2));
        root.stop().await.unwrap();
    });
}
