//! A panic ends one incarnation and nothing else, wherever it happens.

use mover_actors::otp::{
    ActorRef, ChildEvent, ChildSpec, Down, Exit, RefError, Registry, Root, Strategy, SupervisorSpec,
};

use crate::probe::{Behaviour, EventLog, Failure, PATIENT, PanicInActFuture, Ping, Probe, probe, probe_with, run};

/// Makes a child fail while a sibling watches, and returns why it failed.
async fn fall_of(fall: impl AsyncFnOnce(&ActorRef<Probe>)) -> Exit {
    let (victim, sibling) = (ActorRef::named("victim"), ActorRef::named("sibling"));
    let event_log = EventLog::default();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne)
        .child(probe(&victim, &event_log))
        .child(probe(&sibling, &event_log));
    let mut root = Root::start(spec, &Registry::new());
    root.up().await.unwrap();
    let mut monitor = victim.monitor();

    fall(&victim).await;

    let Some(ChildEvent::Restarting(Down { exit, .. })) = monitor.next().await else {
        panic!("it was not restarted");
    };
    victim.running().await;
    assert_eq!(victim.send(Ping).await, Ok(2), "a new incarnation answers");
    assert_eq!(sibling.send(Ping).await, Ok(1), "the sibling did not notice");
    exit
}

#[test]
fn a_panic_in_a_handler_ends_that_actor_only() {
    let exit = run(fall_of(async |victim| {
        let answer = victim.send(Failure::Panic("boom")).await;
        assert_eq!(answer, Err(RefError::Died { name: "victim".into() }));
    }));
    assert_eq!(exit, Exit::Panic("boom".into()));
}

#[test]
fn a_panic_in_the_future_of_an_answer_ends_that_actor_only() {
    let exit = run(fall_of(async |victim| {
        let answer = victim.send(PanicInActFuture).await;
        assert_eq!(answer, Err(RefError::Died { name: "victim".into() }));
    }));
    assert_eq!(exit, Exit::Panic("victim cannot answer".into()));
}

#[test]
fn a_panic_in_a_spawned_future_ends_that_actor_only() {
    let exit = run(fall_of(async |victim| {
        victim.send(Failure::PanicInSpawned("later")).await.unwrap();
    }));
    assert_eq!(exit, Exit::Panic("later".into()));
}

#[test]
fn a_panic_in_started_on_every_try_escalates() {
    run(async {
        let child = ActorRef::named("child");
        let event_log = EventLog::default();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(probe_with(
            &child,
            &event_log,
            Behaviour::PanicsInStarted,
        ));
        let gave_up = Root::start(spec, &Registry::new()).up().await.unwrap_err();
        assert_eq!(gave_up.root_cause(), ("root/child", &Exit::Panic("no way to begin".into())));
        assert_eq!(event_log.take().len(), 4, "the first start and three restarts");
    });
}

/// How a child that fails or stops in this way ends, and whether the tree continues.
async fn end_of(behaviour: Behaviour, fall: Option<Failure>) -> Exit {
    let child = ActorRef::named("child");
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).intensity(PATIENT).child(probe_with(
        &child,
        &EventLog::default(),
        behaviour,
    ));
    let mut root = Root::start(spec, &Registry::new());
    root.up().await.unwrap();
    let mut monitor = child.monitor();
    match fall {
        Some(fall) => {
            let _ = child.send(fall).await;
            child.running().await;
            assert_eq!(child.send(Ping).await, Ok(2));
        }
        None => root.stop().await.unwrap(),
    }
    match monitor.next().await {
        Some(ChildEvent::Restarting(down) | ChildEvent::Ended(down)) => down.exit,
        None => panic!("no end"),
    }
}

#[test]
fn a_panic_in_stopped_after_a_panic_does_not_abort_the_process() {
    let exit = run(end_of(Behaviour::PanicsInStopped, Some(Failure::Panic("first"))));
    assert_eq!(exit, Exit::Panic("first".into()));
}

#[test]
fn a_panic_in_drop_after_a_panic_does_not_abort_the_process() {
    let exit = run(end_of(Behaviour::PanicsInDrop, Some(Failure::Panic("first"))));
    assert_eq!(exit, Exit::Panic("first".into()));
}

#[test]
fn a_panic_in_stopped_is_the_reason_of_an_otherwise_normal_end() {
    let exit = run(end_of(Behaviour::PanicsInStopped, Some(Failure::Finish)));
    assert_eq!(exit, Exit::Panic("no way to end".into()));
}

#[test]
fn a_panic_while_shutting_down_is_told_and_does_not_stop_the_shutdown() {
    let exit = run(end_of(Behaviour::PanicsInStopped, None));
    assert_eq!(exit, Exit::Panic("no way to end".into()));
}

#[test]
fn a_panic_in_the_start_function_is_a_failed_start() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let spec = ChildSpec::actor(&child, async |_| panic!("no store"));
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(spec);
        let gave_up = Root::start(spec, &Registry::new()).ended().await.unwrap_err();
        assert_eq!(gave_up.root_cause(), ("root/child", &Exit::Panic("no store".into())));
    });
}
