//! Children that come and go at run time.

use std::collections::HashSet;
use std::time::Duration;

use mover_actors::otp::{
    ChildEvent, ChildPolicy, ChildSpec, Down, Dynamic, DynamicError, DynamicSpec, Exit, Intensity, Registry, Restart,
    Root, Shutdown, StartFailed, Strategy, SupervisorSpec,
};
use tokio::time::Instant;

use crate::probe::{Behaviour, EventLog, Failure, PATIENT, Ping, Probe, run, start};

async fn tree(spec: DynamicSpec) -> (Root, Dynamic<Probe>, Registry) {
    let orgs = Dynamic::named("orgs");
    let registry = Registry::new();
    let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(ChildSpec::dynamic(&orgs, spec));
    let mut root = Root::start(spec, &registry);
    root.up().await.unwrap();
    (root, orgs, registry)
}

fn calm() -> impl Fn(mover_actors::otp::SelfHandle) -> std::future::Ready<Result<Probe, StartFailed>> {
    start(&EventLog::default(), Behaviour::Good)
}

#[test]
fn a_child_is_added_found_by_its_id_and_gone_after_a_normal_end() {
    run(async {
        let (_root, orgs, registry) = tree(DynamicSpec::default()).await;
        let mut monitor = orgs.monitor();
        let acme = orgs.start_child("acme", calm()).await.unwrap();
        assert_eq!(acme.send(Ping).await, Ok(1));
        assert_eq!(orgs.child("acme").unwrap().send(Ping).await, Ok(1));
        assert_eq!(orgs.ids(), ["acme"]);
        assert!(registry.child("root/orgs/acme").is_some());

        acme.notify(Failure::Finish).unwrap();
        let ended = Down { id: "acme".into(), exit: Exit::Normal };
        assert_eq!(monitor.next().await, Some(ChildEvent::Ended(ended)));
        assert!(orgs.is_empty() && orgs.child("acme").is_none());
        assert!(registry.child("root/orgs/acme").is_none());
        orgs.start_child("acme", calm()).await.unwrap();
    });
}

#[test]
fn a_child_that_falls_is_restarted_after_a_pause_under_the_same_ref() {
    run(async {
        let (_root, orgs, _) = tree(DynamicSpec::default()).await;
        let mut monitor = orgs.monitor();
        let acme = orgs.start_child("acme", calm()).await.unwrap();
        let globex = orgs.start_child("globex", calm()).await.unwrap();
        let fallen = Instant::now();
        acme.send(Failure::Panic("boom")).await.unwrap_err();
        let down = Down { id: "acme".into(), exit: Exit::Panic("boom".into()) };
        assert_eq!(monitor.next().await, Some(ChildEvent::Restarting(down)));
        acme.running().await;
        assert_eq!(fallen.elapsed().as_millis() / 10, 5, "50 ms by default");
        assert_eq!((acme.send(Ping).await, globex.send(Ping).await), (Ok(2), Ok(1)));
    });
}

#[test]
fn an_id_is_taken_once() {
    run(async {
        let (_root, orgs, _) = tree(DynamicSpec::default()).await;
        orgs.start_child("acme", calm()).await.unwrap();
        let again = orgs.start_child("acme", calm()).await.unwrap_err();
        assert_eq!(again.to_string(), "starting orgs/acme: it exists already");
    });
}

#[test]
fn a_first_start_that_fails_is_told_to_the_caller_and_not_tried_again() {
    run(async {
        let (_root, orgs, registry) = tree(DynamicSpec::default()).await;
        let failing = async |_| Err(StartFailed::because("no such org"));
        let error = orgs.start_child("acme", failing).await.unwrap_err();
        assert_eq!(error.to_string(), "starting orgs/acme: error: did not start: no such org");

        let panics = start(&EventLog::default(), Behaviour::PanicsInStarted);
        let error = orgs.start_child("acme", panics).await.unwrap_err();
        assert!(matches!(error, DynamicError::Fell { exit: Exit::Panic(_), .. }), "{error}");
        assert!(orgs.is_empty() && registry.child("root/orgs/acme").is_none());
    });
}

#[test]
fn a_child_is_stopped_within_its_time_while_others_start() {
    run(async {
        let limit = Shutdown::Within(Duration::from_secs(3));
        let children = ChildPolicy { shutdown: limit, ..DynamicSpec::default().children };
        let (_root, orgs, _) = tree(DynamicSpec { children, ..DynamicSpec::default() }).await;
        let stays = start(&EventLog::default(), Behaviour::RefusesToStop);
        orgs.start_child("acme", stays).await.unwrap();
        let stopping = tokio::task::spawn_local({
            let orgs = orgs.clone();
            async move { orgs.stop_child("acme").await }
        });
        tokio::task::yield_now().await;
        let asked = Instant::now();
        orgs.start_child("globex", calm()).await.unwrap();
        assert_eq!(asked.elapsed().as_secs(), 0);
        assert_eq!(stopping.await.unwrap(), Ok(Exit::Killed));
        assert_eq!(asked.elapsed().as_secs(), 3);
        assert_eq!(orgs.stop_child("globex").await, Ok(Exit::Shutdown));
        let unknown = orgs.stop_child("globex").await.unwrap_err();
        assert_eq!(unknown.to_string(), "stopping orgs/globex: there is no such child");
    });
}

#[test]
fn too_many_falls_restart_the_dynamic_supervisor_without_its_children() {
    run(async {
        let once = Intensity { restarts_max: 1, within: Duration::from_secs(60) };
        let (_root, orgs, registry) = tree(DynamicSpec { intensity: once, ..DynamicSpec::default() }).await;
        let mut monitor = orgs.monitor();
        let acme = orgs.start_child("acme", calm()).await.unwrap();
        orgs.start_child("globex", calm()).await.unwrap();
        acme.send(Failure::Panic("one")).await.unwrap_err();
        acme.running().await;
        acme.send(Failure::Panic("two")).await.unwrap_err();

        let events: Vec<_> =
            [monitor.next().await, monitor.next().await, monitor.next().await].map(Option::unwrap).into();
        let down = |id: &str, exit| Down { id: id.into(), exit };
        assert_eq!(
            events,
            [
                ChildEvent::Restarting(down("acme", Exit::Panic("one".into()))),
                ChildEvent::Ended(down("acme", Exit::Panic("two".into()))),
                ChildEvent::Ended(down("globex", Exit::Shutdown)),
            ]
        );
        orgs.running().await;
        assert!(orgs.is_empty());
        assert_eq!(registry.child("root/orgs").unwrap().restarts, 1);
        orgs.start_child("acme", calm()).await.unwrap();
    });
}

#[test]
fn stopping_the_tree_stops_dynamic_children_and_refuses_new_ones() {
    run(async {
        let (root, orgs, _) = tree(DynamicSpec::default()).await;
        let acme = orgs.start_child("acme", calm()).await.unwrap();
        root.stop().await.unwrap();
        assert!(!acme.is_running());
        let refused = orgs.start_child("globex", calm()).await.unwrap_err();
        assert_eq!(refused.to_string(), "asking orgs for globex: orgs is not running");
    });
}

#[test]
fn ten_thousand_children_start_and_end_and_each_end_is_told_once() {
    run(async {
        let children = ChildPolicy { restart: Restart::Temporary, ..DynamicSpec::default().children };
        let (root, orgs, registry) = tree(DynamicSpec { children, intensity: PATIENT }).await;
        let mut monitor = orgs.monitor();
        let begun = std::time::Instant::now();
        for n in 0..10_000 {
            let child = orgs.start_child(format!("org_{n}"), calm()).await.unwrap();
            child.notify(if n % 2 == 0 { Failure::Finish } else { Failure::Fail("odd") }).unwrap();
        }
        let mut told = HashSet::new();
        while told.len() < 10_000 {
            match monitor.next().await.unwrap() {
                ChildEvent::Ended(down) => {
                    assert!(told.insert(down.id.clone()), "{} twice", down.id)
                }
                ChildEvent::Restarting(down) => panic!("{} restarted", down.id),
            }
        }
        println!("10,000 children started and ended in {:?}", begun.elapsed());
        assert!(orgs.is_empty());
        assert!(registry.tree().unwrap().children[0].children.is_empty());
        root.stop().await.unwrap();
    });
}
