//! Which ends are followed by a restart, and what a restart is made from.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use mover_actors::otp::{
    ActorRef, Backoff, Child, ChildEvent, ChildSpec, Exit, Registry, Restart, Root, Strategy, SupervisorSpec,
};
use tokio::time::Instant;

use crate::probe::{EventLog, Failure, Probe, probe, run};

/// Whether a child with this policy is restarted after this fall.
fn restarted(restart: Restart, fall: Failure) -> bool {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(probe(&child, &EventLog::default()).restart(restart));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        let mut monitor = child.monitor();
        let _ = child.notify(fall);
        match monitor.next().await.unwrap() {
            ChildEvent::Restarting(_) => true,
            ChildEvent::Ended(_) => false,
        }
    })
}

#[test]
fn permanent_is_always_restarted_transient_after_failures_temporary_never() {
    let falls = [Failure::Finish, Failure::Fail("no disk"), Failure::Panic("boom")];
    let table = [
        (Restart::Permanent, [true, true, true]),
        (Restart::Transient, [false, true, true]),
        (Restart::Temporary, [false, false, false]),
    ];
    for (restart, expected) in table {
        assert_eq!(falls.map(|fall| restarted(restart, fall)), expected, "{restart:?}");
    }
}

/// Counts in memory; stores only on request.
struct Counter {
    count: u32,
    store: Arc<Mutex<u32>>,
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Child for Counter {}

#[derive(Message)]
#[rtype(u32)]
enum Count {
    OneMore,
    OneMoreAndStore,
    ThenFall,
}

impl Handler<Count> for Counter {
    type Result = u32;

    fn handle(&mut self, count: Count, _: &mut Context<Self>) -> u32 {
        self.count += 1;
        match count {
            Count::OneMore => {}
            Count::OneMoreAndStore => *self.store.lock().unwrap() = self.count,
            Count::ThenFall => panic!("fell at {}", self.count),
        }
        self.count
    }
}

#[test]
fn a_restart_is_built_from_the_store_and_not_from_the_old_struct() {
    run(async {
        let store = Arc::new(Mutex::new(0));
        let counter = ActorRef::named("counter");
        let stored = store.clone();
        let child = ChildSpec::actor(&counter, move |_| {
            let store = stored.clone();
            async move {
                tokio::task::yield_now().await;
                let count = *store.lock().unwrap();
                Ok(Counter { count, store })
            }
        });
        let mut root = Root::start(SupervisorSpec::new("root", Strategy::OneForOne).child(child), &Registry::new());
        root.up().await.unwrap();
        counter.send(Count::OneMoreAndStore).await.unwrap();
        counter.send(Count::OneMore).await.unwrap();
        counter.send(Count::ThenFall).await.unwrap_err();
        counter.running().await;
        assert_eq!(counter.send(Count::OneMore).await, Ok(2), "one stored, one new");
    });
}

#[test]
fn a_start_that_fails_counts_as_a_fall_and_is_tried_again() {
    run(async {
        let counter = ActorRef::named("counter");
        let tries = Arc::new(AtomicU32::new(0));
        let tried = tries.clone();
        let child = ChildSpec::actor(&counter, move |_| {
            let again = tried.fetch_add(1, Ordering::Relaxed) < 2;
            async move {
                if again {
                    Err(std::io::Error::other("store not reachable"))?;
                }
                Ok(Counter { count: 7, store: Arc::default() })
            }
        });
        let registry = Registry::new();
        let mut root = Root::start(SupervisorSpec::new("root", Strategy::OneForOne).child(child), &registry);
        root.up().await.unwrap();
        assert_eq!(counter.send(Count::OneMore).await, Ok(8));
        let row = registry.child("root/counter").unwrap();
        assert_eq!(row.restarts, 2);
        assert_eq!(row.last_exit.as_deref(), Some("error: did not start: store not reachable"));
    });
}

#[test]
fn a_child_with_backoff_pauses_longer_after_each_fall_up_to_its_limit() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(3) };
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .intensity(crate::probe::PATIENT)
            .child(probe(&child, &EventLog::default()).backoff(backoff));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        for expected in [1, 2, 3, 3] {
            let fallen = Instant::now();
            child.send(Failure::Panic("boom")).await.unwrap_err();
            child.running().await;
            assert_eq!(fallen.elapsed().as_secs(), expected);
        }
        tokio::time::sleep(backoff.max).await;
        let fallen = Instant::now();
        child.send(Failure::Panic("boom")).await.unwrap_err();
        child.running().await;
        assert_eq!(fallen.elapsed().as_secs(), 1, "it had been well for a while");
    });
}

#[test]
fn an_actor_that_fails_with_a_reason_ends_with_that_reason() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let spec = SupervisorSpec::new("root", Strategy::OneForOne)
            .child(probe(&child, &EventLog::default()).restart(Restart::Temporary));
        let mut root = Root::start(spec, &Registry::new());
        root.up().await.unwrap();
        let mut monitor = child.monitor();
        child.notify(Failure::Fail("no disk")).unwrap();
        let Some(ChildEvent::Ended(down)) = monitor.next().await else { panic!("not ended") };
        assert_eq!(down.exit, Exit::Error("no disk".into()));
    });
}
