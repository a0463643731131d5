//! How long a step is retried: forever if no user is blocked, and within its budget otherwise.

use std::time::Duration;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::record::Place;
use mover_actors::domain::state::{Aim, State, Step, Strategy};
use mover_actors::ports::EngineError;
use tokio::time::{Instant, sleep};

use crate::node::{BUDGET, Node, play};
use crate::stores::{Mode, Stores, permanent, transient};

/// An outage that is much longer than the budget.
const OUTAGE: Duration = Duration::from_secs(600);

#[test]
fn an_online_move_waits_for_a_store_and_keeps_what_it_has_copied() {
    for away in ["capture", "copy_live", "catch_up", "compare"] {
        play(async move {
            let back_at = Instant::now() + OUTAGE;
            let stores = Stores::new(move |_, method, _| match method == away && Instant::now() < back_at {
                true => Err(transient("the store is away")),
                false => Ok(()),
            });
            let node = Node::start(Strategy::Online, &stores).await;
            node.begin(Aim::Migrate).await;
            sleep(OUTAGE / 2).await;
            let children = node.tree.registry().tree().unwrap().children;
            let orgs = children.iter().find(|child| child.id == "orgs").unwrap();
            let note = &orgs.children[0].note;
            assert!(note.contains("waiting: the store is away"), "{note}");
            node.ends(State::Migrated).await;
            assert!(!node.states().contains(&State::Started(Step::Abort)), "{away}: {:?}", node.states());
        });
    }
}

#[test]
fn a_rollback_waits_for_a_store() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        node.ends(State::Migrated).await;
        let back_at = Instant::now() + OUTAGE;
        stores.follow(move |_, method, _| match method == "catch_up" && Instant::now() < back_at {
            true => Err(transient("the store is away")),
            false => Ok(()),
        });
        node.begin(Aim::RollBack).await;
        node.ends(State::RolledBack).await;
    });
}

#[test]
fn where_users_are_shut_out_patience_ends() {
    for (strategy, away) in [(Strategy::Offline, "copy"), (Strategy::Offline, "tally"), (Strategy::Online, "block")] {
        play(async move {
            let stores = Stores::new(move |_, method, _| match method == away {
                true => Err(transient("the store is away")),
                false => Ok(()),
            });
            let node = Node::start(strategy, &stores).await;
            let begun = Instant::now();
            node.begin(Aim::Migrate).await;
            let record = node.ends(State::Failed).await;
            assert_eq!(record.failure.unwrap().reason, "the store is away");
            assert!(begun.elapsed() >= BUDGET && begun.elapsed() < BUDGET * 5, "{:?}", begun.elapsed());
            assert_ne!(stores.modes().1, Mode::Incoming);
        });
    }
}

/// The row may stay forever, and the backlog behind it grows; but each finished round is progress.
#[test]
fn a_row_that_stays_in_the_way_ends_patience_since_the_last_round() {
    play(async {
        let begun = Instant::now();
        let mut rounds = 0;
        let stores = Stores::new(move |_, method, _| {
            if method != "catch_up" {
                return Ok(());
            }
            rounds += 1;
            let is_in_the_way = begun.elapsed() >= BUDGET * 5 || rounds % 2 == 0;
            let place = Place { row: Some("(id)=(7)".into()), ..Place::default() };
            match is_in_the_way {
                true => Err(EngineError { place: Box::new(place), ..transient("it is taken") }),
                false => Ok(()),
            }
        });
        stores.slow_down(BUDGET / 4);
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        node.ends(State::Failed).await;
        assert!(begun.elapsed() >= BUDGET * 6, "{:?}", begun.elapsed());
    });
}

#[test]
fn an_org_is_let_in_while_its_copy_cannot_be_taken_back() {
    play(async {
        let stores = Stores::new(|_, method, _| match method {
            "copy" => Err(permanent("a row is in the way")),
            "discard" => Err(transient("the store is away")),
            _ => Ok(()),
        });
        let node = Node::start(Strategy::Offline, &stores).await;
        node.begin(Aim::Migrate).await;
        sleep(OUTAGE).await;
        assert_eq!(node.record().state, State::Started(Step::Abort));
        let acme = FlagKey::org(&node.record().org);
        let hash = node.world.look(|facts| facts.redis.hashes[&acme].clone());
        assert_eq!(hash.get("503_mode"), None, "it is on its source, and nobody is let in");
        stores.follow(|_, _, _| Ok(()));
        node.ends(State::Failed).await;
    });
}
