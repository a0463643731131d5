//! Which nodes are alive, and what happens to the orgs of dead ones.

use std::collections::BTreeSet;

use mover_actors::domain::ids::MoveId;
use mover_actors::domain::state::{State, Step};
use mover_actors::ports::{LogError, MoveLog};

use super::World;
use super::world::*;

pub(super) async fn a_name_keeps_its_id<W: World>(world: &W) {
    let log = world.process().await;
    let a = log.join("a", LEASE).await.unwrap();
    let b = log.join("b", LEASE).await.unwrap();
    assert_ne!(a, b);
    assert_eq!(log.join("a", LEASE).await.unwrap(), a);
    log.leave(a).await.unwrap();
    assert_eq!(log.join("a", LEASE).await.unwrap(), a);
}

pub(super) async fn moves_of_living_nodes_stay<W: World>(world: &W) {
    let running = running(world, 2).await;
    running.claim(2).await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    assert!(other.adopt_orphans(heir, 9).await.unwrap().is_empty());
    assert!(running.log.adopt_orphans(running.node, 9).await.unwrap().is_empty());
    // Joining again is no restart.
    running.log.join("a", LEASE).await.unwrap();
    assert!(running.log.adopt_orphans(running.node, 9).await.unwrap().is_empty());
}

pub(super) async fn moves_of_a_node_whose_lease_ended_are_adopted<W: World>(world: &W) {
    let running = running(world, 3).await;
    let mut claimed = running.claim(3).await;
    running.walk_to(&mut claimed[1], Step::Switch).await;
    running.migrate(&mut claimed[2]).await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    world.expire_lease(running.node).await;

    let first = other.adopt_orphans(heir, 1).await.unwrap();
    let second = other.adopt_orphans(heir, 9).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    let adopted = [&first[0], &second[0]];
    for (adopted, former) in adopted.into_iter().zip(&claimed) {
        assert_eq!((adopted.id, adopted.state), (former.id, former.state));
        assert_eq!((&adopted.verified, adopted.campaign), (&former.verified, former.campaign));
        assert_eq!(adopted.attempts, former.attempts + 1);
        assert!(claimed.iter().all(|former| adopted.epoch > former.epoch));
        assert_eq!(&other.load(adopted.id).await.unwrap(), adopted);
    }
    assert!(other.adopt_orphans(heir, 9).await.unwrap().is_empty());
}

pub(super) async fn moves_of_a_killed_node_are_adopted<W: World>(world: &W) {
    let running = running(world, 2).await;
    running.claim(2).await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    world.kill(running.node).await;
    assert_eq!(other.adopt_orphans(heir, 9).await.unwrap().len(), 2);
}

pub(super) async fn moves_of_a_node_that_left_are_adopted<W: World>(world: &W) {
    let running = running(world, 2).await;
    running.claim(2).await;
    let heir = running.log.join("b", LEASE).await.unwrap();
    running.log.leave(running.node).await.unwrap();
    assert_eq!(running.log.adopt_orphans(heir, 9).await.unwrap().len(), 2);
}

pub(super) async fn a_restarted_node_finds_its_former_moves<W: World>(world: &W) {
    let running = running(world, 2).await;
    let mut claimed = running.claim(2).await;
    running.walk_to(&mut claimed[0], Step::Copy).await;
    world.kill(running.node).await;

    let reborn = world.process().await;
    let node = reborn.join("a", LEASE).await.unwrap();
    assert_eq!(node, running.node);
    let adopted = reborn.adopt_orphans(node, 9).await.unwrap();
    let states: Vec<State> = adopted.iter().map(|record| record.state).collect();
    assert_eq!(states, [State::Started(Step::Copy), State::Started(Step::Block)]);
    assert!(adopted.iter().all(|record| record.epoch > claimed[1].epoch));
    assert!(reborn.adopt_orphans(node, 9).await.unwrap().is_empty());
}

pub(super) async fn adoption_is_exclusive<W: World>(world: &W) {
    let running = running(world, 60).await;
    running.claim(60).await;
    let mut heirs = Vec::new();
    for number in 0..4 {
        let log = world.process().await;
        let node = log.join(&format!("heir_{number}"), LEASE).await.unwrap();
        heirs.push((log, node));
    }
    world.kill(running.node).await;
    let adopting = heirs.into_iter().map(|(log, node)| {
        tokio::spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..30 {
                mine.extend(log.adopt_orphans(node, 4).await.unwrap());
            }
            (log, mine)
        })
    });
    let (mut all, mut living) = (Vec::new(), Vec::new());
    for heir in adopting.collect::<Vec<_>>() {
        // An heir that is through must stay alive, or the others inherit from it.
        let (log, mine) = heir.await.unwrap();
        living.push(log);
        all.extend(mine);
    }
    let moves: BTreeSet<MoveId> = all.iter().map(|record| record.id).collect();
    assert_eq!((all.len(), moves.len()), (60, 60));
}

pub(super) async fn a_heartbeat_revives_a_late_node<W: World>(world: &W) {
    let running = running(world, 1).await;
    running.claim_one().await;
    let other = world.process().await;
    let heir = other.join("b", LEASE).await.unwrap();
    world.expire_lease(running.node).await;
    running.log.heartbeat(running.node, LEASE).await.unwrap();
    assert!(other.adopt_orphans(heir, 9).await.unwrap().is_empty());
}

pub(super) async fn a_node_that_left_has_no_heartbeat<W: World>(world: &W) {
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    log.leave(node).await.unwrap();
    assert!(matches!(log.heartbeat(node, LEASE).await, Err(LogError::Invalid { .. })));
}

pub(super) async fn a_node_holds_what_it_claimed_and_has_not_ended<W: World>(world: &W) {
    let running = running(world, 3).await;
    let mut claimed = running.claim(3).await;
    running.migrate(&mut claimed[0]).await;
    let held = running.log.held(running.node, 9).await.unwrap();
    assert_eq!(held, [claimed[1].id, claimed[2].id]);
    assert_eq!(running.log.held(running.node, 1).await.unwrap().len(), 1);
    let other = running.log.join("b", LEASE).await.unwrap();
    assert!(running.log.held(other, 9).await.unwrap().is_empty());
}
