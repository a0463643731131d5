//! What the tree asks of online moves.

use std::path::PathBuf;

use async_trait::async_trait;
use mover_actors::ports::EngineError;

/// Which store an org leaves and which receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the source to the target.
    Forward,
    /// From the target to the source.
    Back,
}

/// The org's writers wait while this lives. Dropped, it lets them go on wherever the org is live then; the store does the
/// same by itself if the process dies.
#[async_trait]
pub trait WriteBlock: Send {
    /// Brings over what was written last, commits the point of no return in the store that the org leaves, and makes
    /// it live in the other. After an error [`Engine::has_moved`] knows how far it came. Writers still wait.
    async fn hand_over(&mut self) -> Result<CaughtUp, EngineError>;
    /// Lets the writers go on.
    async fn release(self: Box<Self>) -> Result<(), EngineError>;
}

/// What one round of catching up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaughtUp {
    /// Keys that were brought up to date.
    pub keys: i64,
    /// Entries that were logged meanwhile.
    pub left: i64,
}

/// Where an org's rows were written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The file, on the node that wrote it.
    pub path: PathBuf,
    /// Rows over all tables.
    pub rows: i64,
}
