//! What commands work on: the move log, the flags, the stores, the definitions.

use std::sync::Arc;

use mover_actors::domain::campaign::{FailurePolicy, Tuning};
use mover_actors::domain::ids::MigrationName;
use mover_actors::tree::Ports;

use crate::config::{Definition, Definitions};
use crate::engine::PgEngine;
use crate::flags::RedisFlags;
use crate::state::PgMoveLog;

use super::error::OperationError;
use super::routes::RouteWatch;

/// See the module's documentation.
#[derive(Clone)]
pub struct World {
    /// The move log.
    pub log: Arc<PgMoveLog>,
    /// The flags that applications read.
    pub flags: Arc<RedisFlags>,
    /// The stores.
    pub engine: Arc<PgEngine>,
    /// The definitions of the migrations.
    pub definitions: Arc<Definitions>,
    /// The defaults of campaigns.
    pub campaign: CampaignDefaults,
    /// Where flags route orgs, as last looked at for figures.
    pub routes: Arc<RouteWatch>,
}

/// The defaults of campaigns.
#[derive(Debug, Clone, Copy)]
pub struct CampaignDefaults {
    /// Concurrency, sleep time and pace.
    pub tuning: Tuning,
    /// When it halts by itself.
    pub failure_policy: FailurePolicy,
}

impl World {
    /// The definition of that name or alias.
    pub fn definition(&self, name: &MigrationName) -> Result<&Definition, OperationError> {
        Ok(self.definitions.find(name)?)
    }

    /// The ports of the supervision tree.
    pub fn ports(&self) -> Ports {
        Ports { log: self.log.clone(), flags: self.flags.clone(), engine: self.engine.clone() }
    }
}
