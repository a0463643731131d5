//! What must hold in every state, and what must be reachable so that this is not vacuous.

use stateright::{Model, Property};

use crate::explored::Explored;
use crate::model::Cutover;
use crate::participants::{At, Writing};
use crate::setting::{Isolation, Setting};
use crate::state::{ABSENT, LATE, Mode, NEW, NOBODY, OLD, Stage, State};

/// A property by the name that reports and tests use.
pub(crate) type Name = &'static str;

pub(crate) const P1: Name = "P1 equal at the switch";
pub(crate) const P2: Name = "P2 one store accepts writes";
pub(crate) const P3: Name = "P3 acknowledged writes are in the owning store";
pub(crate) const P7: Name = "P7 failed means as before";
pub(crate) const P8: Name = "P8 a block has a living holder that can go on";
pub(crate) const P9: Name = "P9 epochs never fall";
pub(crate) const P10: Name = "P10 at rest, guards, flags and move log agree";
pub(crate) const P11: Name = "P11 rolled back keeps every write";
pub(crate) const P12: Name = "P12 finalized leaves nothing behind";
pub(crate) const CAUSE: Name = "nothing fails without a cause";

/// What holds in every state of a model of type `$model`.
macro_rules! always_in {
    ($number:literal, $model:ty, $name:expr, $holds:expr) => {
        Property::always($name, |model: &$model, state: &<$model as Model>::State| {
            let holds: fn(&$model, &<$model as Model>::State) -> bool = $holds;
            let one = Explored::one(model);
            one.is_decided($number) || holds(model, state) || !one.decide($number)
        })
    };
}

/// What must be reached in a model of type `$model`.
macro_rules! sometimes_in {
    ($number:literal, $model:ty, $name:expr, $holds:expr) => {
        stateright::Property::sometimes($name, |model: &$model, state: &<$model as stateright::Model>::State| {
            let holds: fn(&$model, &<$model as stateright::Model>::State) -> bool = $holds;
            let one = $crate::explored::Explored::one(model);
            !one.is_decided($number) && holds(model, state) && one.decide($number)
        })
    };
}
pub(crate) use sometimes_in;

/// What holds for each org.
macro_rules! always {
    ($number:literal, $name:expr, $holds:expr) => {
        always_in!($number, M, $name, |model, state| {
            let holds: fn(&Cutover, &State) -> bool = $holds;
            M::orgs(state).iter().all(|org| holds(model.one(), org))
        })
    };
}

/// What must be reached with one of the orgs.
macro_rules! sometimes {
    ($number:literal, $name:expr, $holds:expr) => {
        sometimes_in!($number, M, $name, |model, state| {
            let holds: fn(&Cutover, &State) -> bool = $holds;
            M::orgs(state).iter().any(|org| holds(model.one(), org))
        })
    };
}

/// The properties of a setting; those that its budgets cannot reach are left out.
pub(crate) fn of<M: Explored>(setting: &Setting) -> Vec<Property<M>> {
    let mut properties = safety();
    let budget = &setting.budget;
    properties.extend([
        sometimes!(20, "a move ends migrated", |_, state| state.log.stage == Stage::Migrated),
        sometimes!(21, "a write is acknowledged and logged in the new store", |_, state| {
            state.stores[NEW].mode == Mode::Capturing && state.stores[NEW].log != 0
        }),
        sometimes!(22, "a writer is about to be refused with MV001", |_, state| meets(state, Mode::Moved)),
        sometimes!(23, "a writer is about to be refused with MV002", |_, state| meets(state, Mode::Incoming)),
    ]);
    if budget.failures > 0 {
        properties.push(sometimes!(24, "a move ends failed", |_, state| state.log.stage == Stage::Failed));
    }
    if budget.failures > 0 || budget.crashes > 0 {
        properties.push(sometimes!(25, "a node finds `moved` and goes forward", |_, state| finds_moved(state)));
    }
    if budget.rollbacks > 0 {
        properties.push(sometimes!(26, "a move ends rolled back", |_, state| state.log.stage == Stage::RolledBack));
    }
    if budget.finalizes > 0 {
        properties.push(sometimes!(31, "a move ends finalized", |_, state| state.log.stage == Stage::Finalized));
    }
    if budget.expiries > 0 {
        properties.extend([
            sometimes!(27, "a node that was overtaken is about to be refused by the old store", |_, state| {
                overtaken_in(state, OLD, |at| matches!(at, At::CommitMoved))
            }),
            sometimes!(28, "a node that was overtaken is about to be refused by the new store", |_, state| {
                overtaken_in(state, NEW, |at| matches!(at, At::RoundBegin | At::Accept | At::AcceptLate))
            }),
        ]);
        if budget.rollbacks > 0 {
            properties.push(sometimes!(29, "a node that was overtaken is about to be refused by Redis", |_, state| {
                state.nodes.iter().any(|node| node.at == At::WriteFlags && node.epoch < state.redis.epoch)
            }));
        }
    }
    let has_snapshots = setting.writers.iter().flat_map(|txns| txns.iter());
    if has_snapshots.into_iter().any(|txn| txn.isolation == Isolation::RepeatableRead) {
        properties.push(sometimes!(30, "a writer is about to be refused with 40001", |_, state| {
            let stale = |writer: &crate::participants::Writer| writer.at == Writing::Written && writer.stale;
            state.writers.iter().any(stale)
        }));
    }
    properties
}

fn safety<M: Explored>() -> Vec<Property<M>> {
    vec![
        always!(1, P1, |_, state| !state.ghost.unequal_at_switch),
        always!(2, P2, |_, state| !(state.ghost.foreign_write || accepts(state, OLD) && accepts(state, NEW))),
        always!(3, P3, |_, state| state.stores[state.owner()].rows == state.ghost.expected),
        always!(7, P7, |model, state| state.log.stage != Stage::Failed || is_as_before(model, state)),
        always_in!(8, M, P8, |model, state| {
            (0..M::orgs(state).len()).all(|org| (OLD..=NEW).all(|store| block_goes_on(model, state, org, store)))
        }),
        always!(9, P9, |_, state| !state.ghost.epoch_fell),
        always!(10, P10, |_, state| agrees_at_rest(state)),
        always!(11, P11, |_, state| state.log.stage != Stage::RolledBack || is_rolled_back(state)),
        always!(13, P12, |_, state| state.log.stage != Stage::Finalized || is_finalized(state)),
        always!(12, CAUSE, |_, state| !state.ghost.false_alarm),
    ]
}

/// A missing row (`Unknown`) lets writes pass too, but no flag leads there.
fn accepts(state: &State, store: usize) -> bool {
    matches!(state.stores[store].mode, Mode::Settled | Mode::Capturing)
}

fn is_as_before(model: &Cutover, state: &State) -> bool {
    let (old, new) = (&state.stores[OLD], &state.stores[NEW]);
    old.mode == Mode::Settled
        && old.log == 0
        && old.rows == state.ghost.expected
        && state.redis.to == OLD as u8
        && state.log.desired.to == OLD as u8
        && matches!(new.mode, Mode::Discarded | Mode::Unknown)
        && (new.rows == [ABSENT; crate::setting::KEYS] || model.setting.astray)
        && new.ranges == 0
        && pending_entries(state, OLD) == 0
}

fn is_rolled_back(state: &State) -> bool {
    let (old, new) = (&state.stores[OLD], &state.stores[NEW]);
    old.mode == Mode::Settled
        && old.rows == state.ghost.expected
        && old.log == 0
        && new.mode == Mode::Moved
        && new.log == 0
        && new.ranges == 0
        && new.rows == [ABSENT; crate::setting::KEYS]
}

fn is_finalized(state: &State) -> bool {
    let (old, new) = (&state.stores[OLD], &state.stores[NEW]);
    old.rows == [ABSENT; crate::setting::KEYS] && new.log == 0 && pending_entries(state, NEW) == 0
}

/// Entries that a writer may still commit although no round will read them.
fn pending_entries(state: &State, store: usize) -> u16 {
    state.writers_in(store).fold(0, |entries, writer| entries | writer.logged)
}

fn agrees_at_rest(state: &State) -> bool {
    let (modes, to) = match state.log.stage {
        Stage::Running(_) => return true,
        Stage::Migrated => ((Mode::Moved, Mode::Capturing), NEW),
        Stage::RolledBack => ((Mode::Settled, Mode::Moved), OLD),
        Stage::Finalized => ((Mode::Moved, Mode::Settled), NEW),
        Stage::Failed => ((Mode::Settled, state.stores[NEW].mode), OLD),
    };
    let to = to as u8;
    (state.stores[OLD].mode, state.stores[NEW].mode) == modes && state.redis.to == to && state.log.desired.to == to
}

/// The owner can act at once, or once another node, which can act, ends its transaction on the guard row.
fn block_goes_on<M: Explored>(model: &M, state: &M::State, number: usize, store: usize) -> bool {
    let (orgs, org) = (M::orgs(state), &M::orgs(state)[number]);
    let holder = org.stores[store].exclusive;
    // The store ends a session that idles while it has the lock.
    if holder == NOBODY || holder == LATE {
        return true;
    }
    let can_act = |node: u8| model.can_act(state, number, usize::from(node));
    let lives = org.nodes[usize::from(holder)].locked;
    let blocks = |node: u8| orgs.iter().flat_map(|org| &org.stores).any(|store| store.guard_locked == node);
    lives && (can_act(holder) || blocks(1 - holder) && can_act(1 - holder))
}

fn meets(state: &State, mode: Mode) -> bool {
    let meets = |writer: &crate::participants::Writer| {
        writer.at == Writing::Written && !writer.stale && state.stores[usize::from(writer.route)].mode == mode
    };
    state.writers.iter().any(meets)
}

fn finds_moved(state: &State) -> bool {
    state
        .nodes
        .iter()
        .any(|node| node.at == At::GoForward || (matches!(node.at, At::Accept | At::AcceptLate) && !node.locked))
}

fn overtaken_in(state: &State, store: usize, stands: fn(At) -> bool) -> bool {
    state.nodes.iter().any(|node| {
        let uses = node.step.leaving() == store || node.step.receiving() == store;
        uses && stands(node.at) && node.epoch < state.stores[store].epoch
    })
}
