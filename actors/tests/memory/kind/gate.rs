//! Closing orgs for their writers.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use mover_actors::protocol::Cohort;
use mover_actors::protocol::store::{Capture, Gate, Hold, Seen};

use super::session::SiteSession;

#[async_trait]
impl Gate for SiteSession {
    async fn rehearse(&self, _: &Cohort, wait: Duration) -> Result<(), EngineError> {
        self.connection.ask("rehearse", "making ready for the switch", |_, _| Ok(())).await?;
        self.connection.wait_at_most(wait);
        Ok(())
    }

    async fn try_lock(&self, lease: &Lease, hold: Hold) -> Result<bool, EngineError> {
        let lease = lease.clone();
        let locked = self.connection.ask_within("try_lock", "keeping writers out", hold.wait, move |scene, id| {
            scene.end_when_idle(id, Some(hold.idle))?;
            scene.lock_alone(id, &lease.migration, &lease.key)
        });
        let is_locked = locked.await?.is_some();
        if !is_locked {
            self.connection.stop_waiting();
        }
        Ok(is_locked)
    }

    async fn lock_free(&self, cohort: &Cohort, hold: Hold) -> Result<HashSet<OrgKey>, EngineError> {
        let cohort = cohort.clone();
        self.connection
            .ask("lock_free", "keeping writers out", move |scene, id| {
                scene.end_when_idle(id, Some(hold.idle))?;
                let mut ours = HashSet::new();
                for lease in cohort.leases() {
                    if scene.lock_if_free(id, &lease.migration, &lease.key)? {
                        ours.insert(lease.key.clone());
                    }
                }
                Ok(ours)
            })
            .await
    }

    async fn lock_refusal(&self, _: &Lease, waited: Duration) -> Result<EngineError, EngineError> {
        let what = "keeping writers out";
        self.connection.ask("lock_refusal", what, |_, _| Ok(())).await?;
        Ok(self.connection.doing(what).refused(format!("not had within {waited:?}: a writer has not ended")))
    }

    async fn move_away(&self, cohort: &Cohort, seen: &Seen, has_snapshot: bool) -> Result<(), EngineError> {
        if has_snapshot {
            self.end_snapshot().await?;
        }
        let (cohort, seen) = (cohort.clone(), seen.clone());
        let what = "moving the org away";
        self.connection.ask("move_away", what, move |scene, id| scene.move_away(id, &cohort, &seen)).await
    }

    async fn unlock(&self, cohort: &Cohort) -> Result<(), EngineError> {
        let cohort = cohort.clone();
        self.connection
            .ask("unlock", "letting writers go on", move |scene, id| {
                cohort.leases().iter().try_for_each(|lease| scene.unlock(id, &lease.migration, &lease.key))
            })
            .await
    }

    async fn reset_timeouts(&self) -> Result<(), EngineError> {
        self.connection
            .ask("reset_timeouts", "letting writers go on", |scene, id| scene.end_when_idle(id, None))
            .await?;
        self.connection.wait_as_usual();
        Ok(())
    }
}
