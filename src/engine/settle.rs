//! Before an offline move declares a copy live: the proof must be of both stores as they are now.

use std::sync::Arc;
use std::time::Instant;

use mover_actors::domain::record::Claim;
use mover_actors::domain::verified::{Mismatch, Tally, Verified};
use mover_actors::ports::{Engine, EngineError, Side};
use tracing::warn;

use super::catalog::Catalog;
use super::copy::First;
use super::plan::Plan;
use super::proofs::What;
use super::tenancy::tables_named;
use super::{PgEngine, copy, guard, tally};
use crate::config::Definition;

/// Both sides of an offline proof.
pub(super) const TALLIES: [What; 2] = [What::Tallied(Side::Source), What::Tallied(Side::Target)];

impl PgEngine {
    /// Refuses unless both stores hold the same rows of the org. They need not be read again if neither has changed since they
    /// were tallied; otherwise they are compared anew and, if they differ, copied anew: nobody writes to the org, and there is
    /// no way back from this step.
    pub(super) async fn prove_settling(&self, definition: &Definition, claim: &Claim) -> Result<(), EngineError> {
        let kept = self.plan_since(definition, Instant::now()).await;
        if let Ok(kept) = &kept {
            let holds = |what| self.proofs.of(claim, what).is_some_and(|proof| proof.holds(claim, &kept.basis));
            if TALLIES.into_iter().all(holds) {
                return Ok(());
            }
        }
        let (source, target) = (self.store(&definition.from)?, self.store(&definition.to)?);
        if !guard::is_incoming(target, claim).await? {
            return Ok(()); // It is live already, or the guard says why it must not be.
        }
        let kept = kept?;
        if self.tally_both(&kept.plan, definition, claim).await?.is_ok() {
            return Ok(());
        }
        let before = self.proofs.of(claim, What::Tallied(Side::Source));
        let changes = before.and_then(|before| before.basis.changes(&kept.basis, definition)).unwrap_or_default();
        warn!(migration = %definition.name, org = %claim.org, %changes, "the copy is not as it was proven and is made anew");
        let copied = copy::copy(&kept.plan, source, target, claim, First::Snapshot).await;
        self.reconsider(definition, copied)?;
        match self.tally_both(&kept.plan, definition, claim).await? {
            Ok(_) => Ok(()),
            Err(mismatch) => {
                let place = Box::new(self.explain(claim, &mismatch).await?);
                Err(EngineError { transient: false, reason: mismatch.to_string(), place })
            }
        }
    }

    async fn tally_both(
        &self,
        plan: &Plan,
        definition: &Definition,
        claim: &Claim,
    ) -> Result<Result<Verified, Mismatch>, EngineError> {
        let (source, target) = futures_util::try_join!(
            self.tally_by(plan, definition, claim, Side::Source),
            self.tally_by(plan, definition, claim, Side::Target)
        )?;
        Ok(Verified::compare(&source, &target))
    }

    pub(super) async fn tally_by(
        &self,
        plan: &Plan,
        definition: &Definition,
        claim: &Claim,
        side: Side,
    ) -> Result<Tally, EngineError> {
        let (store, sql) = match side {
            Side::Source => (&definition.from, &plan.tally_on_source),
            Side::Target => (&definition.to, &plan.tally_on_target),
        };
        self.reconsider(definition, tally::tally(plan, self.store(store)?, sql, &claim.key).await)
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
