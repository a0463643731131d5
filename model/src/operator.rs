//! Claims, and events from outside: crashes, expired leases, the operator.

use crate::action::{Action, Doing, Event};
use crate::model::Cutover;
use crate::mutations::Without;
use crate::participants::{At, Node};
use crate::state::{LATE, Mode, NOBODY, Stage, State, Step};

/// A free node takes the move if it has no owner. Free nodes are symmetric, so only the first of them does.
fn claims(state: &State, actions: &mut Vec<Action>) {
    let Some(free) = state.nodes.iter().position(|node| node.at == At::Idle) else { return };
    if matches!(state.log.stage, Stage::Running(_)) && state.log.holder == NOBODY {
        actions.push(Action::World(Event::Claim(free as u8)));
    }
}

pub(crate) fn actions(state: &State, actions: &mut Vec<Action>) {
    claims(state, actions);
    let running = matches!(state.log.stage, Stage::Running(_));
    for (number, node) in state.nodes.iter().enumerate() {
        let other = 1 - number;
        if node.at == At::Idle {
            let held_by_other = usize::from(state.log.holder) == other;
            if running && held_by_other && state.left.expiries > 0 {
                actions.push(Action::World(Event::TakeOver(number as u8)));
            }
        } else if state.left.crashes > 0 {
            actions.push(Action::World(Event::Crash(number as u8)));
        }
        if node.locked && state.left.lost_locks > 0 && state.stores.iter().any(|s| usize::from(s.exclusive) == number) {
            actions.push(Action::World(Event::LoseLock(number as u8)));
        }
    }
    if state.late != 0 {
        actions.extend([Event::LateMoved, Event::LateEnds].map(Action::World));
    }
    if matches!(state.log.stage, Stage::Failed | Stage::RolledBack) && state.left.retries > 0 {
        actions.push(Action::World(Event::Retry));
    }
    if state.log.stage == Stage::Migrated && state.left.rollbacks > 0 {
        actions.push(Action::World(Event::RollBack));
    }
    if state.log.stage == Stage::Migrated && state.left.finalizes > 0 {
        actions.push(Action::World(Event::Finalize));
    }
    if state.redis.epoch < state.log.desired.epoch {
        actions.push(Action::World(Event::FlagsCaughtUp));
    }
    if state.left.installs > 0 {
        let watched = state.stores.iter().enumerate().filter(|(_, store)| store.watched);
        actions.extend(watched.map(|(store, _)| Action::World(Event::Install(store as u8))));
    }
}

pub(crate) fn happen(model: &Cutover, state: &mut State, event: Event) -> Doing {
    match event {
        Event::Claim(node) => claim(state, node),
        Event::TakeOver(node) => {
            state.left.expiries -= 1;
            claim(state, node);
        }
        Event::Crash(node) => {
            state.left.crashes -= 1;
            crash(model, state, usize::from(node));
        }
        Event::LoseLock(node) => {
            state.left.lost_locks -= 1;
            release_lock(state, usize::from(node));
        }
        Event::LateMoved => {
            let late = state.stores.iter().position(|store| store.exclusive == LATE);
            if late.is_some_and(|store| state.guard_is_held(store)) {
                return Doing::Waits;
            }
            if let Some(store) = late {
                let ours = state.stores[store].epoch == state.late || !model.has(Without::EpochCheckInStore);
                if state.stores[store].mode == Mode::Capturing && ours {
                    let epoch = state.stores[store].epoch;
                    state.set_guard(store, Mode::Moved, epoch);
                    let (from, to) = (&state.stores[store], &state.stores[1 - store]);
                    state.ghost.unequal_at_switch |= from.rows != to.rows || from.log != 0;
                }
            }
            end_late(state);
        }
        Event::LateEnds => end_late(state),
        Event::Retry => {
            state.left.retries -= 1;
            state.log.stage = Stage::Running(Step::Capture);
        }
        Event::RollBack => {
            state.left.rollbacks -= 1;
            state.log.stage = Stage::Running(Step::BackVerify);
        }
        Event::Finalize => {
            state.left.finalizes -= 1;
            state.log.stage = Stage::Running(Step::Close);
        }
        Event::FlagsCaughtUp => state.redis = state.log.desired,
        Event::Install(store) => {
            state.left.installs -= 1;
            let store = &mut state.stores[usize::from(store)];
            let is_settled = matches!(store.mode, Mode::Unknown | Mode::Settled);
            store.watched = !is_settled && model.has(Without::InstallKeepsWatch);
        }
    }
    Doing::Done
}

fn claim(state: &mut State, node: u8) {
    let Stage::Running(step) = state.log.stage else { return };
    state.log.epoch += 1;
    state.log.holder = node;
    state.nodes[usize::from(node)] = Node { at: At::Begin, step, epoch: state.log.epoch, ..Node::IDLE };
}

fn crash(model: &Cutover, state: &mut State, node: usize) {
    if model.has(Without::LockThatDiesWithItsSession) {
        close_sessions(state, node);
    } else {
        release_guards(state, node);
    }
    state.nodes[node] = Node::IDLE;
    if usize::from(state.log.holder) == node {
        state.log.holder = NOBODY;
    }
}

fn end_late(state: &mut State) {
    state.late = 0;
    release_lock(state, usize::from(LATE));
}

/// Closes its connections, and with them its transactions and locks.
pub(crate) fn close_sessions(state: &mut State, node: usize) {
    release_lock(state, node);
    release_guards(state, node);
}

pub(crate) fn release_lock(state: &mut State, node: usize) {
    for store in &mut state.stores {
        if usize::from(store.exclusive) == node {
            store.exclusive = NOBODY;
        }
    }
}

fn release_guards(state: &mut State, node: usize) {
    for store in &mut state.stores {
        if usize::from(store.guard_locked) == node {
            store.guard_locked = NOBODY;
        }
    }
}
