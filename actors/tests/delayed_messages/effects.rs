//! An effect ends before the next one of its move begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mover_actors::domain::state::{Aim, State, Strategy};
use tokio::time::sleep;

use crate::memory::{Call, Fate, Outcome, Port};
use crate::node::{Node, play};
use crate::stores::Stores;

/// Everything below the failed actor fails with it, while an effect is still under way there.
#[test]
fn an_effect_whose_actors_fall_is_gone_before_it_is_tried_again() {
    for (port, method) in [(Port::Flags, "is_whole"), (Port::Log, "heartbeat")] {
        play(async move {
            let stores = Stores::new(|_, _, _| Ok(()));
            stores.hang();
            let node = Node::start(Strategy::Online, &stores).await;
            node.begin(Aim::Migrate).await;
            while stores.copies().is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
            let fell = Arc::new(AtomicBool::new(false));
            let has_fallen = fell.clone();
            node.world.set_faults(move |_, call: Call, _| {
                let falls = (call.port, call.method) == (port, method) && !fell.swap(true, Relaxed);
                if falls { Fate::of(Outcome::Panic) } else { Fate::SMOOTH }
            });
            while !has_fallen.load(Relaxed) {
                sleep(Duration::from_millis(5)).await;
            }
            if method == "heartbeat" {
                // Only the node failed: the org continues undisturbed.
                sleep(Duration::from_secs(60)).await;
                assert_eq!(stores.copies(), ["begun"]);
                return;
            }
            node.ends(State::Migrated).await;
            assert_eq!(stores.copies(), ["begun", "gone", "begun", "gone"]);
        });
    }
}
