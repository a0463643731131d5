//! A commit that arrives after its move was aborted.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use mover_actors::domain::ids::Epoch;
use mover_actors::domain::state::{Aim, State, Step, Strategy, Way};

use crate::node::{Node, play};
use crate::stores::{Mode, Stores, permanent, transient};

#[test]
fn a_late_point_of_no_return_does_not_shut_the_org_out() {
    play(async {
        let sent = AtomicI64::new(0);
        let stores = Stores::new(move |guards, method, epoch| match method {
            // It was sent and held back; its sender gives up.
            "leave" => {
                sent.store(epoch.0, Relaxed);
                Err(permanent("the answer is lost"))
            }
            // It arrives when the abort is stored.
            "release" => {
                assert!(!guards.moved(Way::Forward, Epoch(sent.load(Relaxed))), "it was committed: {guards:?}");
                Ok(())
            }
            _ => Ok(()),
        });
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        let record = node.ends(State::Failed).await;
        assert_eq!(record.failure.unwrap().reason, "the answer is lost");
        assert_eq!(stores.modes(), (Mode::Settled, Mode::Discarded));
    });
}

#[test]
fn a_late_point_of_no_return_of_a_rollback_does_not_shut_the_org_out() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        node.ends(State::Migrated).await;
        let sent = Arc::new(AtomicI64::new(0));
        let held_back = sent.clone();
        stores.follow(move |_, method, epoch| match method {
            "leave" => {
                held_back.store(epoch.0, Relaxed);
                Err(permanent("the answer is lost"))
            }
            _ => Ok(()),
        });
        node.begin(Aim::RollBack).await;
        let record = node.ends(State::Migrated).await;
        assert_eq!(record.failure.unwrap().step, Step::Switch);
        assert!(!stores.act(|guards| guards.moved(Way::Back, Epoch(sent.load(Relaxed)))));
        assert_eq!(stores.modes(), (Mode::Moved, Mode::Capturing));
    });
}

#[test]
fn a_point_of_no_return_that_was_committed_unheard_leads_forward() {
    play(async {
        let stores = Stores::new(|guards, method, epoch| {
            if method == "leave" && guards.moved(Way::Forward, epoch) {
                return Err(permanent("the answer is lost"));
            }
            Ok(())
        });
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        node.ends(State::Migrated).await;
        assert!(!node.states().contains(&State::Started(Step::Abort)), "{:?}", node.states());
        assert_eq!(stores.modes(), (Mode::Moved, Mode::Capturing));
    });
}

/// The abort was stored without revoking the request, which then arrived.
#[test]
fn an_abort_that_finds_the_org_moved_goes_forward() {
    play(async {
        let stores = Stores::new(|guards, method, _| match method {
            "block" if guards.old.mode != Mode::Moved => Err(permanent("somebody is in the way")),
            "release" => {
                guards.old.mode = Mode::Moved;
                Err(transient("the connection was lost"))
            }
            _ => Ok(()),
        });
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        let record = node.ends(State::Migrated).await;
        let [.., abort, switch, end] = node.states()[..] else { panic!("{:?}", node.states()) };
        assert_eq!([abort, switch, end], [State::Started(Step::Abort), State::Started(Step::Switch), State::Migrated]);
        assert_eq!(record.failure, None);
        assert_eq!(stores.modes(), (Mode::Moved, Mode::Capturing));
    });
}

#[test]
fn an_abort_of_a_rollback_that_finds_the_org_back_goes_on() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        node.ends(State::Migrated).await;
        let mut asked = 0;
        stores.follow(move |guards, method, _| match method {
            "block" if guards.new.mode != Mode::Moved => Err(permanent("somebody is in the way")),
            "has_moved" => {
                asked += 1;
                // Twice before it is given up; then the abort asks.
                if asked == 3 {
                    guards.new.mode = Mode::Moved;
                }
                Ok(())
            }
            _ => Ok(()),
        });
        node.begin(Aim::RollBack).await;
        node.ends(State::RolledBack).await;
        assert!(node.states().contains(&State::Started(Step::Abort)), "{:?}", node.states());
        assert_eq!(stores.modes(), (Mode::Settled, Mode::Moved));
    });
}

/// Nothing was done in a store that an abort would have to undo, and the way back stays open.
#[test]
fn a_backup_that_fails_leaves_both_stores_as_they_are() {
    play(async {
        let stores = Stores::new(|_, _, _| Ok(()));
        let node = Node::start(Strategy::Online, &stores).await;
        node.begin(Aim::Migrate).await;
        node.ends(State::Migrated).await;
        stores.follow(|_, method, _| match method {
            "back_up" => Err(permanent("the disk is full")),
            _ => Ok(()),
        });
        node.begin(Aim::Finalize).await;
        let record = node.ends(State::Migrated).await;
        assert_eq!(record.failure.unwrap().reason, "the disk is full");
        assert_eq!(stores.modes(), (Mode::Moved, Mode::Capturing));
    });
}

#[test]
fn a_late_copy_does_not_come_back_after_it_was_taken_back() {
    for (strategy, method) in [(Strategy::Offline, "copy"), (Strategy::Online, "copy_live")] {
        play(async move {
            let sent = Arc::new(AtomicI64::new(0));
            let held_back = sent.clone();
            let stores = Stores::new(move |_, called, epoch| {
                if called == method {
                    held_back.store(epoch.0, Relaxed);
                    return Err(permanent("a row is in the way"));
                }
                Ok(())
            });
            let node = Node::start(strategy, &stores).await;
            node.begin(Aim::Migrate).await;
            node.ends(State::Failed).await;
            assert_eq!(stores.modes().1, Mode::Discarded);
            assert!(!stores.act(|guards| guards.copied(Epoch(sent.load(Relaxed)))), "{strategy:?}");
        });
    }
}
