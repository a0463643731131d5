//! The registry shows the tree as it is.

use std::time::Duration;

use mover_actors::otp::{
    ActorRef, ChildSpec, Dynamic, DynamicSpec, Registry, Restart, Root, State, Strategy, SupervisorSpec,
};
use tokio::sync::oneshot;

use crate::probe::{Behaviour, EventLog, Failure, Note, Pause, Ping, Probe, probe, run, start};

#[test]
fn the_tree_is_drawn_with_state_age_mailbox_restarts_and_notes() {
    run(async {
        let [journal, guest, node] = ["journal", "guest", "node"].map(ActorRef::<Probe>::named);
        let orgs = Dynamic::<Probe>::named("orgs");
        let event_log = EventLog::default();
        let spec = SupervisorSpec::new("root", Strategy::RestForOne)
            .child(probe(&journal, &event_log))
            .child(ChildSpec::dynamic(&orgs, DynamicSpec::default()))
            .child(probe(&node, &event_log))
            .child(probe(&guest, &event_log).restart(Restart::Temporary));
        let registry = Registry::new();
        assert!(registry.tree().is_none());
        let mut root = Root::start(spec, &registry);
        root.up().await.unwrap();
        for org in ["globex", "acme"] {
            let child = orgs.start_child(org, start(&event_log, Behaviour::Good)).await.unwrap();
            child.send(Note(if org == "acme" { "acme copy" } else { "" })).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(75)).await;
        guest.send(Failure::Panic("boom")).await.unwrap_err();
        let (_go_on, until) = oneshot::channel();
        journal.send(Pause(until)).await.unwrap();
        let _waiting = [journal.send(Ping), journal.send(Ping)];
        orgs.child("globex").unwrap().send(Failure::Panic("no disk")).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(5)).await;

        let drawn = registry.tree().unwrap().to_string();
        println!("{drawn}");
        assert_eq!(
            drawn.trim_end().lines().map(str::trim_end).collect::<Vec<_>>(),
            [
                "root            running       1m20s  rest_for_one",
                "├── journal     running       1m20s  mailbox 2",
                "├── orgs        running       1m20s  dynamic",
                "│   ├── acme    running       1m20s  acme copy",
                "│   └── globex  running          4s  restarts 1  last panic: no disk",
                "├── node        running       1m20s",
                "└── guest       down             5s  last panic: boom",
            ]
        );
    });
}

#[test]
fn a_child_is_shown_while_it_starts_and_while_it_stops() {
    run(async {
        let child = ActorRef::<Probe>::named("child");
        let (go, mut wait) = tokio::sync::watch::channel(false);
        wait.mark_unchanged();
        let event_log = EventLog::default();
        let start = start(&event_log, Behaviour::NeedsToFinishFirst(Duration::from_secs(1)));
        let start = std::sync::Arc::new(start);
        let spec = ChildSpec::actor(&child, move |me| {
            let (mut wait, start) = (wait.clone(), start.clone());
            async move {
                wait.changed().await?;
                start(me).await
            }
        });
        let registry = Registry::new();
        let spec = SupervisorSpec::new("root", Strategy::OneForOne).child(spec);
        let mut root = Root::start(spec, &registry);
        let state = || registry.child("root/child").map(|row| row.state);
        while state() != Some(State::Starting) {
            tokio::task::yield_now().await;
        }
        go.send(true).unwrap();
        root.up().await.unwrap();
        assert_eq!(state(), Some(State::Running));
        let stopping = tokio::task::spawn_local(root.stop());
        while state() != Some(State::Stopping) {
            tokio::task::yield_now().await;
        }
        stopping.await.unwrap().unwrap();
        assert_eq!(state(), Some(State::Down));
    });
}
