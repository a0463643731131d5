//! What must never be, each property in a file of its own. They know the world and nothing of the tree.

mod accounts;
mod bounded_block;
mod equality;
mod fences;
mod finalized;
mod isolation;
mod left_behind;
mod one_writer;
mod operator_503;
mod replay_safe;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

pub use fences::Fences;

use super::operator::Operator503;
use super::participants::Participants;
use crate::memory::World;

/// Since when nothing goes wrong any more.
#[derive(Clone, Default)]
pub struct Calm(Arc<Mutex<Option<Instant>>>);

impl Calm {
    /// From now on.
    pub fn begins(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets all of them watch.
pub fn all(world: &World, participants: &Arc<Participants>, operator_503: &Operator503, calm: &Calm) {
    world.watch(equality::Equality::new(participants));
    world.watch(one_writer::OneWriter::new(participants));
    world.watch(replay_safe::ReplaySafe::new(world, participants));
    world.watch(isolation::Isolation::new(world, participants));
    world.watch(left_behind::LeftBehind::new(participants));
    world.watch(bounded_block::BoundedBlock::new(participants, operator_503, calm));
    world.watch(fences::Fences::default());
    world.watch(operator_503::Operator503Survives::new(participants, operator_503));
    world.watch(accounts::Accounts);
    world.watch(finalized::Finalized::new(world, participants));
}
