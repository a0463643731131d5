//! Orgs that are written while they move: what a Postgres store does for it.
//!
//! The triggers of the guard log the keys of written rows; [`capture`] reads them and the rows. [`replace`] brings rows up to date
//! in the receiving store. [`gate`] and [`lock`] block writers at the switch. [`cut`] and [`piece_log`] are about large orgs,
//! [`standing`] about guard rows. The protocol (`mover_actors::protocol`) decides the order. Both directions run the same code over
//! a plan made for the stores in that order ([`plan`]).

mod arrays;
mod backup;
mod backup_file;
mod capture;
mod cut;
mod gate;
mod keyed;
mod lock;
mod lost;
mod orphans;
mod piece_log;
mod plan;
mod progress;
mod purge;
mod range;
mod replace;
mod restore;
mod single_rows;
pub(super) mod standing;
mod subtree;

use std::path::Path;

use async_trait::async_trait;
use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::{BackedUp, EngineError};
use mover_actors::protocol::Stores;
use mover_actors::protocol::store::{LeavingSession, LiveLeaving, LiveReceiving, ReceivingSession, Watching};

pub(super) use plan::{LivePlan, LiveSide, LiveTable};
pub use progress::RangedCopy;
pub(super) use progress::progress;
pub(super) use standing::OrgGuard;
pub(super) use subtree::Branch;

use crate::engine::PgEngine;
use crate::engine::guard;
use crate::engine::rows::side::{End, Leaves, Receives, RouteEnd};
use crate::engine::store::cohort::Cohort;

#[async_trait]
impl<E: End> Watching for RouteEnd<LivePlan, E> {
    async fn must_watch(&self) -> Result<(), EngineError> {
        let terms = &self.side.terms;
        guard::must_watch(&self.side.store, &terms.definition, E::oids(self.side.plan()), terms.limits.lock_budget)
            .await
    }

    async fn watch(&self, cohort: &Cohort) -> Result<(), EngineError> {
        guard::watch(&self.side.store, cohort).await
    }

    fn sessions_max(&self) -> usize {
        self.side.store.pool_status().max_size
    }
}

#[async_trait]
impl LiveLeaving for RouteEnd<LivePlan, Leaves> {
    async fn session(&self) -> Result<Box<dyn LeavingSession>, EngineError> {
        Ok(Box::new(self.open().await?))
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        backup::back_up(&self.side.terms.plan, &self.side.store, lease, &self.side.terms.backups).await
    }
}

#[async_trait]
impl LiveReceiving for RouteEnd<LivePlan, Receives> {
    async fn session(&self) -> Result<Box<dyn ReceivingSession>, EngineError> {
        Ok(Box::new(self.open().await?))
    }

    async fn purge(&self, lease: &Lease) -> Result<i64, EngineError> {
        purge::purge(&self.side.terms.plan, &self.side.store, lease, self.side.terms.limits.purge_rows).await
    }
}

impl PgEngine {
    /// Loads the rows of a backup into one of the two stores of its migration, which must not hold any row of the org. All rows
    /// or none; returns how many.
    pub async fn restore(&self, file: &Path, store: &StoreName) -> Result<i64, EngineError> {
        let header = backup_file::check(file).await?;
        let definition = self.definition(&header.migration)?;
        let receiving = self.store_of(definition, store)?;
        let way = if *store == definition.from { Way::Back } else { Way::Forward };
        let kept = self.live_plan(definition, way, self.a_moment_ago()).await?;
        restore::restore(&kept.plan, receiving, file, &header).await
    }
}
