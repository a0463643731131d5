//! The order in which a switch sends requests to the stores and to Redis.

use std::sync::{Arc, Mutex};

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::state::{Aim, State, Step, Strategy};
use tokio::time::{Instant, sleep};

use crate::memory::{Call, Fate, Outcome, Port};
use crate::node::{BUDGET, Node, PAUSE, play};
use crate::stores::Stores;

/// Requests to the stores, in order, each with the route of applications at that time.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// The route of applications.
fn routed(node: &Node) -> impl Fn() -> Option<String> + use<> {
    let (world, acme) = (node.world.clone(), FlagKey::org(&node.record().org));
    move || world.look(|facts| facts.redis.hashes.get(&acme).and_then(|hash| hash.get("store").cloned()))
}

/// Records requests to the stores from now on.
fn listen(node: &Node, stores: &Stores) -> Asked {
    let (asked, routed) = (Asked::default(), routed(node));
    let list = asked.clone();
    stores.follow(move |_, method, _| {
        list.lock().unwrap().push((method.to_owned(), routed()));
        Ok(())
    });
    asked
}

#[test]
fn an_org_leaves_then_arrives_and_is_routed_then() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        for (aim, end, before, after) in
            [(Aim::Migrate, State::Migrated, None, "new"), (Aim::RollBack, State::RolledBack, Some("new"), "old")]
        {
            let asked = listen(&node, &stores);
            node.begin(aim).await;
            node.ends(end).await;
            let asked = asked.lock().unwrap();
            let since = asked.iter().position(|(what, _)| what == "block").unwrap();
            let wanted = ["block", "leave", "arrive"].map(|what| (what.to_owned(), before.map(str::to_owned)));
            assert_eq!(asked[since..][..3], wanted, "{asked:?}");
            assert_eq!(routed(&node)().as_deref(), Some(after));
        }
    });
}

#[test]
fn writers_continue_while_flags_cannot_be_written() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        let asked = listen(&node, &stores);
        node.world.set_faults(|_, call: Call, _| match call.port {
            Port::Flags => Fate::of(Outcome::NotDone),
            Port::Log | Port::Engine => Fate::SMOOTH,
        });
        node.begin(Aim::Migrate).await;
        let begun = Instant::now();
        while node.record().state != State::Failed {
            assert!(begun.elapsed() < BUDGET * 5, "{:?} {asked:?}", node.record());
            sleep(PAUSE).await;
        }
        assert_eq!(node.record().failure.unwrap().step, Step::Switch);
        assert!(asked.lock().unwrap().iter().all(|(what, _)| what != "block"), "{asked:?}");
        node.world.set_faults(|_, _, _| Fate::SMOOTH);
        node.ends(State::Failed).await;
    });
}

/// It answers, so only a write shows that the org could not be routed after its switch.
#[test]
fn writers_continue_while_redis_answers_and_takes_no_writes() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        let asked = listen(&node, &stores);
        node.world.set_faults(|_, call: Call, _| match (call.port, call.method) {
            (Port::Flags, "write" | "try_write") => Fate::of(Outcome::Refused),
            _ => Fate::SMOOTH,
        });
        node.begin(Aim::Migrate).await;
        let begun = Instant::now();
        while node.record().state != State::Failed {
            assert!(begun.elapsed() < BUDGET * 5, "{:?} {asked:?}", node.record());
            sleep(PAUSE).await;
        }
        assert_eq!(node.record().failure.unwrap().step, Step::Switch);
        assert!(asked.lock().unwrap().iter().all(|(what, _)| what != "block"), "{asked:?}");
        node.world.set_faults(|_, _, _| Fate::SMOOTH);
        node.ends(State::Failed).await;
    });
}

/// Offline the rows are made live before the org is routed.
#[test]
fn an_org_stays_where_it_is_while_redis_answers_and_takes_no_writes() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Offline, &stores).await;
        let asked = listen(&node, &stores);
        let settled = |asked: &Asked| asked.lock().unwrap().iter().any(|(what, _)| what == "settle");
        node.world.set_faults(|_, call: Call, _| match (call.port, call.method) {
            (Port::Flags, "try_write") => Fate::of(Outcome::Refused),
            _ => Fate::SMOOTH,
        });
        node.begin(Aim::Migrate).await;
        let begun = Instant::now();
        while node.record().state != State::Started(Step::Switch) {
            assert!(begun.elapsed() < BUDGET * 5, "{:?} {asked:?}", node.record());
            sleep(PAUSE).await;
        }
        sleep(BUDGET).await;
        assert!(!settled(&asked), "{asked:?}");
        node.world.set_faults(|_, _, _| Fate::SMOOTH);
        node.ends(State::Migrated).await;
        assert!(settled(&asked));
    });
}
