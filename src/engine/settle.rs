//! Before an offline move declares a copy live: the proof must be of both stores as they are now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::{Mismatch, Tally, Verified};
use mover_actors::ports::{Engine, EngineError, Side};
use tracing::warn;

use super::catalog::Catalog;
use super::cohort::Cohort;
use super::copy::First;
use super::error::Doing;
use super::ownership::tables_named;
use super::plan::Plan;
use super::proofs::What;
use super::{PgEngine, copy, guard, tally};
use crate::config::Definition;

/// Both sides of an offline proof.
pub(super) const TALLIES: [What; 2] = [What::Tallied(Side::Source), What::Tallied(Side::Target)];

impl PgEngine {
    /// Refuses unless both stores hold the same rows of each org. They need not be read again if neither has changed since they
    /// were tallied; otherwise they are compared anew and, if they differ, copied anew: nobody writes to the orgs, and there is
    /// no way back from this step.
    pub(super) async fn prove_settling(&self, definition: &Definition, cohort: &Cohort) -> Result<(), EngineError> {
        let kept = self.plan_since(definition, Instant::now()).await;
        let is_proven = |lease: &Lease| {
            let holds = |what, basis| self.proofs.of(lease, what).is_some_and(|proof| proof.holds(lease, basis));
            kept.as_ref().is_ok_and(|kept| TALLIES.into_iter().all(|what| holds(what, &kept.basis)))
        };
        let Some(unproven) = cohort.only(|lease| !is_proven(lease)) else { return Ok(()) };
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        // Others are live already, or the guard says why they must not be.
        let incoming = guard::incoming(target, &unproven).await?;
        let Some(unproven) = unproven.only(|lease| incoming.contains(lease.key.as_str())) else { return Ok(()) };
        let kept = kept?;
        let mismatches = self.mismatches(&kept.plan, definition, &unproven).await?;
        let Some(unlike) = unproven.only(|lease| mismatches.contains_key(&lease.key)) else { return Ok(()) };
        for lease in unlike.leases() {
            let before = self.proofs.of(lease, What::Tallied(Side::Source));
            let changes = before.and_then(|before| before.basis.changes(&kept.basis, definition)).unwrap_or_default();
            warn!(migration = %definition.name, org = %lease.org, %changes, "the copy is not as it was proven and is made anew");
        }
        let copied = copy::copy(&kept.plan, source, target, &unlike, First::Snapshot).await;
        self.reconsider(definition, copied)?;
        let mismatches = self.mismatches(&kept.plan, definition, &unlike).await?;
        match unlike.leases().iter().find_map(|lease| Some((lease, mismatches.get(&lease.key)?))) {
            None => Ok(()),
            Some((lease, mismatch)) => {
                let place = Box::new(self.explain(lease, mismatch).await?);
                Err(EngineError { transient: false, reason: mismatch.to_string(), place })
            }
        }
    }

    /// Those orgs whose rows are not alike in both stores.
    async fn mismatches(
        &self,
        plan: &Plan,
        definition: &Definition,
        cohort: &Cohort,
    ) -> Result<HashMap<OrgKey, Mismatch>, EngineError> {
        let (source, mut target) = futures_util::try_join!(
            self.tally_by(plan, definition, cohort, Side::Source),
            self.tally_by(plan, definition, cohort, Side::Target)
        )?;
        let compared = source.into_iter().filter_map(|(key, source)| {
            let target = target.remove(&key).unwrap_or_default();
            Verified::compare(&source, &target).err().map(|mismatch| (key, mismatch))
        });
        Ok(compared.collect())
    }

    pub(super) async fn tally_by(
        &self,
        plan: &Plan,
        definition: &Definition,
        cohort: &Cohort,
        side: Side,
    ) -> Result<HashMap<OrgKey, Tally>, EngineError> {
        let (store, sql) = match side {
            Side::Source => (&definition.from, &plan.tally_on_source),
            Side::Target => (&definition.to, &plan.tally_on_target),
        };
        let session = self.store(store)?.session().await?;
        let doing = Doing::new(store, "counting and hashing the org");
        let tallies = self.reconsider(definition, tally::tally(plan, &session, sql, cohort, doing).await)?;
        session.release();
        Ok(tallies)
    }

    /// A plan by which a copy can be removed from the target. What the source is like does not matter for that: a copy that
    /// was given up because the schemas differ must not stay.
    pub(super) async fn plan_to_remove(&self, definition: &Definition) -> Result<Arc<Plan>, EngineError> {
        match self.plan(definition).await {
            Err(error) if !error.transient => {
                let target = Catalog::read(self.store(&definition.to)?, &tables_named(&definition.tables)).await?;
                Plan::make(definition, &target, &target).map(Arc::new)
            }
            answer => answer,
        }
    }
}
