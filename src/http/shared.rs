//! What all requests share.

use std::sync::Arc;

use mover_actors::otp::Board;

use crate::config::Http;
use crate::operations::{Running, World};

use super::access::{Book, Rates};
use super::api::views::Actor;
use super::events::Hub;
use super::fresh::Fresh;

/// See the module's documentation.
pub struct Shared {
    pub(super) world: World,
    pub(super) running: Running,
    /// The tree of the doors, beside that of the moves.
    pub(super) doors: Board,
    pub(super) settings: Http,
    pub(super) book: Book,
    pub(super) rates: Rates,
    pub(super) hub: Arc<Hub>,
    pub(super) status: Fresh,
    pub(super) health: Fresh,
}

impl Shared {
    /// Over a running tree.
    pub fn new(world: World, running: Running, doors: Board, settings: Http) -> Self {
        Self {
            rates: Rates::new(settings.requests_per_second),
            world,
            running,
            doors,
            settings,
            book: Book::default(),
            hub: Arc::default(),
            status: Fresh::default(),
            health: Fresh::default(),
        }
    }

    /// The world as this person changes it: their name is in every history.
    pub(super) fn world_of(&self, name: &str) -> World {
        World { log: self.world.log.on_behalf_of(name).into(), ..self.world.clone() }
    }
}

impl Shared {
    /// The tree of moves with that of the doors below it.
    pub(super) fn tree(&self) -> Option<Actor> {
        let mut tree = Actor::from(self.running.board.tree()?);
        tree.children.extend(self.doors.tree().map(Actor::from));
        Some(tree)
    }
}
