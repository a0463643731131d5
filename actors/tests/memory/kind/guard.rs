//! Where orgs stand in one store.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::{EngineError, Side};
use mover_actors::protocol::store::{Guard, Keeps};
use mover_actors::protocol::{Cohort, Doing, LiveLimits, Mode, Patience, Standing};

use super::super::process::Process;
use super::super::stores::{Fault, Requested};
use super::super::world::WorldGuard;
use super::connection::Connection;
use super::request::{LOCK_TIMEOUT, request, request_patiently};

/// A session that holds a lock for one statement.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// See the module's documentation.
pub(super) struct MemoryGuard {
    process: Process,
    store: StoreName,
    side: Side,
    limits: LiveLimits,
}

impl MemoryGuard {
    pub(super) fn new(process: &Process, store: StoreName, side: Side, limits: LiveLimits) -> Self {
        Self { process: process.clone(), store, side, limits }
    }

    fn doing<'a>(&'a self, what: &'a str) -> Doing<'a> {
        Doing::new(&self.store, what)
    }

    /// One statement, with a short patience.
    async fn try_change(
        &self,
        method: &'static str,
        what: &str,
        cohort: &Cohort,
        requested: Requested,
        patience: Duration,
    ) -> Result<Option<HashMap<OrgKey, Mode>>, EngineError> {
        let (side, cohort) = (self.side, cohort.clone());
        let change = move |scene: &mut WorldGuard<'_>| scene.change_standings(side, &cohort, requested);
        request_patiently(&self.process, method, self.doing(what), patience, change).await
    }

    /// The same, again and again for one org. Nobody waits for the writers of another: a cohort is refused.
    async fn change(
        &self,
        method: &'static str,
        what: &str,
        cohort: &Cohort,
        requested: Requested,
    ) -> Result<HashMap<OrgKey, Mode>, EngineError> {
        let mut patience = Patience::new(self.limits.lock_budget);
        loop {
            if let Some(modes) = self.try_change(method, what, cohort, requested, self.limits.lock_timeout).await? {
                return Ok(modes);
            }
            let Some(lease) = cohort.single() else {
                return Err(self.doing(what).refused("the row of one of these orgs is locked by its writers"));
            };
            self.pause(&mut patience, lease, what).await?;
        }
    }

    async fn pause(&self, patience: &mut Patience, lease: &Lease, what: &str) -> Result<(), EngineError> {
        if patience.is_over() {
            return Err(self.doing(what).refused(format!("not had within {:?}", patience.budget())));
        }
        patience.pause(&lease.key).await;
        Ok(())
    }
}

#[async_trait]
impl Guard for MemoryGuard {
    fn store(&self) -> &StoreName {
        &self.store
    }

    async fn ensure(&self, keeps: Keeps) -> Result<(), EngineError> {
        let side = self.side;
        match keeps {
            // It is found when it is needed.
            Keeps::Standings => Ok(()),
            Keeps::Changes => {
                let doing = self.doing("creating the guard's tables");
                request(&self.process, "ensure", doing, move |scene| {
                    scene.keep_changes(side);
                    Ok(())
                })
                .await
            }
        }
    }

    async fn exists(&self) -> Result<bool, EngineError> {
        let side = self.side;
        let doing = self.doing("looking for the guard's tables");
        request(&self.process, "exists", doing, move |scene| Ok(scene.keeps_changes(side))).await
    }

    async fn standings(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Standing>, EngineError> {
        let (side, cohort) = (self.side, cohort.clone());
        let doing = self.doing("asking where the org stands");
        request(&self.process, "standings", doing, move |scene| Ok(scene.standings(side, &cohort))).await
    }

    async fn capture(&self, cohort: &Cohort) -> Result<(), EngineError> {
        self.change("capture", "beginning to log what is written", cohort, Requested::Capture).await.map(drop)
    }

    async fn fence(&self, cohort: &Cohort) -> Result<HashMap<OrgKey, Mode>, EngineError> {
        self.change("fence", "asking whether the org has moved", cohort, Requested::Fence).await
    }

    async fn refuse_older(&self, lease: &Lease) -> Result<(), EngineError> {
        let what = "keeping out what was sent before";
        self.change("refuse_older", what, &Cohort::one(lease), Requested::RefuseOlder).await.map(drop)
    }

    async fn left_ago(&self, lease: &Lease) -> Result<Option<Duration>, EngineError> {
        let (side, lease) = (self.side, lease.clone());
        let ago = move |scene: &mut WorldGuard<'_>| Ok(scene.facts.stores.left_at(&lease.migration, side, &lease.key));
        let left_at = request(&self.process, "left_ago", self.doing("asking when the org has left"), ago).await?;
        Ok(left_at.map(|at| at.elapsed()))
    }

    async fn arrive(&self, cohort: &Cohort, way: Way) -> Result<(), EngineError> {
        let what = "making the org live here";
        let arrived = self.try_change("arrive", what, cohort, Requested::Arrive(way), LOCK_TIMEOUT).await?;
        arrived.ok_or_else(|| Fault::Locked.told(self.doing(what)))?;
        let (side, cohort) = (self.side, cohort.clone());
        request(&self.process, "forget_pieces", self.doing(what), move |scene| {
            cohort.leases().iter().for_each(|lease| scene.forget_pieces(&lease.migration, side, &lease.key));
            Ok(())
        })
        .await
    }

    async fn stop_capture(&self, lease: &Lease, what: &'static str) -> Result<(), EngineError> {
        let connection = Connection::open(&self.process, &self.store, self.side);
        let mut patience = Patience::new(self.limits.lock_budget);
        loop {
            let asked = lease.clone();
            let locked = connection.ask_within("lock", what, self.limits.lock_timeout, move |scene, id| {
                scene.lock_alone(id, &asked.migration, &asked.key)?;
                scene.end_when_idle(id, Some(IDLE_MAX))
            });
            if locked.await?.is_some() {
                break;
            }
            connection.stop_waiting();
            self.pause(&mut patience, lease, what).await?;
        }
        let (side, asked) = (self.side, lease.clone());
        connection.wait_at_most(self.limits.lock_timeout);
        connection
            .ask("stop_capture", what, move |scene, _| {
                scene.change_standings(side, &Cohort::one(&asked), Requested::StopCapture)
            })
            .await?;
        let asked = lease.clone();
        connection
            .ask("unlock", what, move |scene, id| {
                scene.unlock(id, &asked.migration, &asked.key)?;
                scene.end_when_idle(id, None)
            })
            .await?;
        connection.release();
        Ok(())
    }

    async fn settle(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let what = "declaring the org live";
        let settled = self.try_change("settle", what, cohort, Requested::Settle, LOCK_TIMEOUT).await?;
        settled.map(drop).ok_or_else(|| Fault::Locked.told(self.doing(what)))
    }
}
