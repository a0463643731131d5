//! Orgs that are written while they move: what a Postgres store does for it.
//!
//! The triggers of the guard log the keys of what is written; [`capture`] reads them, and the rows that they are about. [`replace`] brings
//! rows to their present state in the receiving store. [`gate`] and [`lock`] let writers wait at the switch. [`cut`] and [`noted`] are
//! about large orgs, [`standing`] about where orgs stand. In which order all this is done is the protocol's (`mover_actors::protocol`).
//! Both directions run the same code over a plan made for the pair in that order ([`plan`]).

mod arrays;
mod backup;
mod backup_file;
mod capture;
mod cut;
mod gate;
mod keyed;
mod lock;
mod lost;
mod noted;
mod orphans;
mod plan;
mod progress;
mod purge;
mod range;
mod replace;
mod restore;
mod rows_of;
mod standing;
mod subtree;

use std::path::Path;

use async_trait::async_trait;
use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::{BackedUp, EngineError};
use mover_actors::protocol::store::{LeavingSession, LiveLeaving, LiveReceiving, ReceivingSession};

pub(super) use plan::LivePlan;
pub use progress::RangedCopy;
pub(super) use progress::progress;
pub(super) use standing::OrgGuard;

use crate::engine::PgEngine;
use crate::engine::guard;
use crate::engine::rows::side::{From, Leaves, Receives, To};
use crate::engine::store::cohort::Cohort;

#[async_trait]
impl LiveLeaving for Leaves<LivePlan> {
    async fn must_watch(&self) -> Result<(), EngineError> {
        guard::must_watch(&self.0.store, &self.0.terms.definition, &self.0.plan().source_oids).await
    }

    async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        guard::watch(&self.0.store, cohort).await
    }

    async fn session(&self) -> Result<Box<dyn LeavingSession>, EngineError> {
        Ok(Box::new(From::open(&self.0).await?))
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        backup::back_up(&self.0.terms.plan, &self.0.store, lease, &self.0.terms.backups).await
    }

    fn sessions_max(&self) -> usize {
        self.0.store.pool_status().max_size
    }
}

#[async_trait]
impl LiveReceiving for Receives<LivePlan> {
    async fn must_watch(&self) -> Result<(), EngineError> {
        guard::must_watch(&self.0.store, &self.0.terms.definition, &self.0.plan().target_oids).await
    }

    async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        guard::watch(&self.0.store, cohort).await
    }

    async fn session(&self) -> Result<Box<dyn ReceivingSession>, EngineError> {
        Ok(Box::new(To::open(&self.0).await?))
    }

    async fn purge(&self, lease: &Lease) -> Result<i64, EngineError> {
        purge::purge(&self.0.terms.plan, &self.0.store, lease, self.0.terms.limits.purge_rows).await
    }

    fn sessions_max(&self) -> usize {
        self.0.store.pool_status().max_size
    }
}

impl PgEngine {
    /// Loads the rows of a backup into one of the two stores of its migration, which must not hold any row of the org.
    /// All of them or none; answers how many.
    pub async fn restore(&self, file: &Path, store: &StoreName) -> Result<i64, EngineError> {
        let header = backup_file::check(file).await?;
        let definition = self.definition(&header.migration)?;
        let receiving = self.store_of(definition, store)?;
        let way = if *store == definition.from { Way::Back } else { Way::Forward };
        let kept = self.live_plan(definition, way, self.moment_ago()).await?;
        restore::restore(&kept.plan, receiving, file, &header).await
    }
}
