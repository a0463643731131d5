//! Whether there is always a way out: a path from every reachable state to one where the move is at rest and everything is
//! written.
//!
//! The checker's `eventually` misses cycles, and this protocol has some: backing off, and writers that give up. So the
//! graph is built here, and walked backwards from the states where everything is done.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stateright::Model;

use crate::model::Cutover;
use crate::participants::Writing;
use crate::setting::Setting;
use crate::state::{Stage, State};

/// The result of the walk.
#[derive(Debug)]
pub struct Progress {
    /// The number of states.
    pub states: usize,
    /// In how many of them everything is done.
    pub done: usize,
    /// From how many no such state can be reached.
    pub stuck: usize,
    /// One of these.
    pub example: Option<String>,
}

/// Walks the whole graph of a setting; all of it is held in memory.
pub fn walk(setting: &Setting) -> Progress {
    let model = Cutover::new(*setting, None);
    let mut numbers: HashMap<State, u32> = HashMap::new();
    let mut states = model.init_states();
    let mut edges: Vec<(u32, u32)> = Vec::new();
    numbers.extend(states.iter().copied().zip(0..));
    let mut actions = Vec::new();
    let mut next = 0;
    while let Some(state) = states.get(next).copied() {
        model.actions(&state, &mut actions);
        for action in actions.drain(..) {
            let Some(after) = model.next_state(&state, action) else { continue };
            let number = match numbers.entry(after) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    states.push(after);
                    *new.insert(states.len() as u32 - 1)
                }
            };
            edges.push((number, next as u32));
        }
        next += 1;
    }
    drop(numbers);
    let done: Vec<u32> = (0..).zip(&states).filter(|(_, state)| is_done(&model, state)).map(|(at, _)| at).collect();
    let reached = backwards(states.len(), edges, &done);
    let stuck = reached.iter().filter(|reached| !**reached).count();
    let example = reached.iter().position(|reached| !reached).map(|at| format!("{:#?}", states[at]));
    Progress { states: states.len(), done: done.len(), stuck, example }
}

fn is_done(model: &Cutover, state: &State) -> bool {
    let wrote = |(writer, script): (&crate::participants::Writer, &&[crate::setting::Txn])| {
        writer.at == Writing::Idle && usize::from(writer.txn) == script.len()
    };
    !matches!(state.log.stage, Stage::Running(_)) && state.writers.iter().zip(&model.setting.writers).all(wrote)
}

/// Edges are (to, from).
fn backwards(states: usize, mut edges: Vec<(u32, u32)>, from: &[u32]) -> Vec<bool> {
    edges.sort_unstable();
    let mut reached = vec![false; states];
    let mut open = from.to_vec();
    for at in from {
        reached[*at as usize] = true;
    }
    while let Some(at) = open.pop() {
        let first = edges.partition_point(|(to, _)| *to < at);
        for (_, before) in edges[first..].iter().take_while(|(to, _)| *to == at) {
            if !std::mem::replace(&mut reached[*before as usize], true) {
                open.push(*before);
            }
        }
    }
    reached
}
