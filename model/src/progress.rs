//! Whether there is always a way out: a path from every reachable state to one where the move is at rest and everything is
//! written.
//!
//! The checker's `eventually` misses cycles, and this protocol has some: backing off, and writers that give up. So the
//! graph is built here, and walked backwards from the states where everything is done.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::cohort::Cohort;
use crate::explored::Explored;
use crate::model::Cutover;
use crate::participants::Writing;
use crate::setting::{Orgs, Setting};
use crate::state::{Stage, State, Step};

/// The result of the walk.
#[derive(Debug)]
pub struct Progress {
    /// The number of states.
    pub states: usize,
    /// In how many of them everything is done.
    pub done: usize,
    /// From how many no such state can be reached; or an org that is at its switch, or behind it, cannot come to rest without the
    /// writers of another.
    pub stuck: usize,
    /// One of these.
    pub example: Option<String>,
}

/// Walks the whole graph of a setting; all of it is held in memory.
pub fn walk(setting: &Setting) -> Progress {
    match setting.orgs {
        Orgs::One => walk_model(&Cutover::new(*setting, None)),
        Orgs::Two | Orgs::TwoThenEach => walk_model(&Cohort::new(*setting, None)),
    }
}

fn walk_model<M: Explored>(model: &M) -> Progress {
    let (states, mut edges) = graph(model);
    edges.sort_unstable();
    let orgs = states.first().map_or(0, |state| M::orgs(state).len());
    let rests = |state: &M::State, org: usize| is_done(model, &M::orgs(state)[org]);
    let mut is_stuck = vec![false; states.len()];
    for org in 0..orgs {
        let follows = |state: &M::State| M::follows(state, org);
        let ends = |state: &M::State| follows(state) && rests(state, org);
        let reached = backwards(&states, &edges, |_| true, ends);
        let is_of_another = |edge: &Edge| edge.writer.is_some_and(|writer| usize::from(writer) != org);
        let reached_alone = backwards(&states, &edges, |edge| !is_of_another(edge), ends);
        for (at, state) in states.iter().enumerate().filter(|(_, state)| follows(state)) {
            let must_alone = waits_for_no_other(&M::orgs(state)[org]);
            is_stuck[at] |= !reached[at] || must_alone && !reached_alone[at];
        }
    }
    let done = |state: &&M::State| (0..orgs).all(|org| !M::follows(state, org) || rests(state, org));
    Progress {
        states: states.len(),
        done: states.iter().filter(done).count(),
        stuck: is_stuck.iter().filter(|stuck| **stuck).count(),
        example: is_stuck.iter().position(|stuck| *stuck).map(|at| format!("{:#?}", states[at])),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    to: u32,
    from: u32,
    /// The org whose writer acts.
    writer: Option<u8>,
}

fn graph<M: Explored>(model: &M) -> (Vec<M::State>, Vec<Edge>) {
    let mut numbers: HashMap<M::State, u32> = HashMap::new();
    let mut states = model.init_states();
    let mut edges: Vec<Edge> = Vec::new();
    numbers.extend(states.iter().copied().zip(0..));
    let mut actions = Vec::new();
    let mut next = 0;
    while let Some(state) = states.get(next).copied() {
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(after) = model.next_state(&state, action) else { continue };
            let to = match numbers.entry(after) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    states.push(after);
                    *new.insert(states.len() as u32 - 1)
                }
            };
            let writer = M::writer_of(action).map(|org| org as u8);
            edges.push(Edge { to, from: next as u32, writer });
        }
        next += 1;
    }
    (states, edges)
}

fn is_done<M: Explored>(model: &M, state: &State) -> bool {
    let wrote = |(writer, script): (&crate::participants::Writer, &&[crate::setting::Txn])| {
        writer.at == Writing::Idle && usize::from(writer.txn) == script.len()
    };
    !matches!(state.log.stage, Stage::Running(_)) && state.writers.iter().zip(&model.one().setting.writers).all(wrote)
}

/// From the switch on an org waits for its own writers only; before it, all orgs wait for everyone who writes to their tables.
fn waits_for_no_other(org: &State) -> bool {
    !matches!(org.log.stage, Stage::Running(Step::Capture | Step::Copy | Step::Verify))
}

/// From which states one that is `done` can be reached by the edges that are `taken`. The edges are sorted.
fn backwards<S>(states: &[S], edges: &[Edge], taken: impl Fn(&Edge) -> bool, done: impl Fn(&S) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = states.iter().map(done).collect();
    let mut open: Vec<u32> = (0..).zip(&reached).filter(|(_, reached)| **reached).map(|(at, _)| at).collect();
    while let Some(at) = open.pop() {
        let first = edges.partition_point(|edge| edge.to < at);
        for edge in edges[first..].iter().take_while(|edge| edge.to == at).filter(|edge| taken(edge)) {
            if !std::mem::replace(&mut reached[edge.from as usize], true) {
                open.push(edge.from);
            }
        }
    }
    reached
}
