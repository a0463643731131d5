//! Orgs that are written while they move: what a Postgres store does for it.
//!
//! The triggers of the guard log the keys of written rows; [`capture`] reads them and the rows. [`replace`] brings rows up to date
//! in the receiving store. [`gate`] and [`lock`] block writers at the switch. [`cut`] and [`piece_log`] are about large orgs,
//! [`standing`] about guard rows. The protocol (`mover_actors::protocol`) decides the order. Both directions run the same code over
//! a plan made for the stores in that order ([`plan`]).

mod arrays;
mod backed_up;
mod backup;
mod backup_dir;
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
pub(super) mod restore;
mod restore_tables;
mod signature;
mod single_rows;
pub(super) mod standing;
mod subtree;

use std::collections::BTreeSet;

use async_trait::async_trait;
use mover_actors::domain::record::{Backup, Lease};
use mover_actors::ports::{BackedUp, EngineError};
use mover_actors::protocol::store::{Kept, LeavingSession, LiveLeaving, LiveReceiving, ReceivingSession, Watching};

pub(super) use backup::Backups;
pub use backup_file::Trust;
pub(super) use plan::{LivePlan, LiveSide, LiveTable};
pub use progress::RangedCopy;
pub(super) use progress::progress;
pub use restore::{OpenedBackup, Restored};
pub use signature::BackupKeys;
pub(super) use signature::{KeySource, NoKey};
pub(super) use standing::OrgGuard;
pub(super) use subtree::Branch;

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

    async fn back_up(
        &self,
        lease: &Lease,
        live: &BTreeSet<String>,
        instead_of: Option<&Backup>,
    ) -> Result<BackedUp, EngineError> {
        backup::back_up(self.open().await?, lease, live, instead_of).await
    }

    async fn read_backup(&self, lease: &Lease, backup: &Backup) -> Result<Kept, EngineError> {
        backup::read(self.side.plan(), &self.side.terms.backups.keys, lease, backup).await
    }
}

#[async_trait]
impl LiveReceiving for RouteEnd<LivePlan, Receives> {
    async fn session(&self) -> Result<Box<dyn ReceivingSession>, EngineError> {
        Ok(Box::new(self.open().await?))
    }

    async fn purge(&self, lease: &Lease, backup: Option<&Backup>) -> Result<i64, EngineError> {
        let terms = &self.side.terms;
        let opened = match backup {
            Some(backup) => Some(backup::open(&terms.backups.keys, backup).await?),
            None => None,
        };
        purge::purge(&terms.plan, &self.side.store, lease, terms.limits.purge_rows, opened).await
    }
}
