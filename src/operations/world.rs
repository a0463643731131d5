//! The world of commands: the move log, the flags, the stores, the definitions.

use std::sync::Arc;

use mover_actors::domain::campaign::{FailurePolicy, Tuning};
use mover_actors::domain::ids::MigrationName;
use mover_actors::tree::Ports;

use crate::config::{Definition, Definitions};
use crate::engine::PgEngine;
use crate::flags::RedisFlags;
use crate::state::PgMoveLog;

use super::error::OperationError;

/// See the module's documentation.
#[derive(Clone)]
pub struct World {
    /// Where moves are kept.
    pub log: Arc<PgMoveLog>,
    /// What applications read.
    pub flags: Arc<RedisFlags>,
    /// The stores.
    pub engine: Arc<PgEngine>,
    /// What can be moved, and how.
    pub definitions: Arc<Definitions>,
    /// What a campaign does where the command does not say.
    pub campaign: CampaignDefaults,
}

/// What a campaign does where the command does not say.
#[derive(Debug, Clone, Copy)]
pub struct CampaignDefaults {
    /// Concurrency, sleep time and pace.
    pub tuning: Tuning,
    /// When it stops by itself.
    pub failure_policy: FailurePolicy,
}

impl World {
    /// The definition of that name or alias.
    pub fn definition(&self, name: &MigrationName) -> Result<&Definition, OperationError> {
        Ok(self.definitions.find(name)?)
    }

    /// The world as the supervision tree sees it.
    pub fn ports(&self) -> Ports {
        Ports { log: self.log.clone(), flags: self.flags.clone(), engine: self.engine.clone() }
    }
}
