//! Whether an org that is to be switched was found equal in both stores as they are now.

use std::sync::Arc;
use std::time::Instant;

use mover_actors::domain::record::Claim;
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::Verified;
use mover_actors::ports::{Engine, EngineError};
use tracing::info;

use super::super::connection::Session;
use super::super::error::Doing;
use super::super::proofs::{Proof, Proofs, Unchanged, What};
use super::super::{PgEngine, guard};
use super::Route;
use super::plan::LivePlan;
use crate::config::Definition;

/// The proof on which a switch rests.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) unchanged: Unchanged,
    pub(super) proofs: Arc<Proofs>,
    pub(super) what: What,
}

impl Proven {
    /// Refuses, for now, if a schema was changed or a store was started again since the comparison: writers go on, and the next
    /// try compares anew.
    pub(super) async fn must_stand(
        &self,
        live: &LivePlan,
        claim: &Claim,
        from: &Session,
        to: &Session,
    ) -> Result<(), EngineError> {
        let what = "looking whether both stores are as they were compared";
        let (leaving, receiving) = (Doing::new(&live.plan.source, what), Doing::new(&live.plan.target, what));
        if self.unchanged.is_so((from, leaving), (to, receiving)).await? {
            return Ok(());
        }
        self.proofs.breaks(claim, self.what);
        let problem =
            "a schema was changed or a store was started again since the org was compared; it is compared again";
        Err(EngineError { transient: true, ..leaving.refused(problem) })
    }

    /// The org has moved.
    pub(super) fn has_served(&self, claim: &Claim) {
        self.proofs.forget(claim, &[self.what]);
    }
}

impl PgEngine {
    /// The way for an org that is equal in both stores; where no proof of that is left, or it is of other schemas or of an
    /// earlier life of a store, both are compared again.
    pub(super) async fn proven_route<'a>(
        &'a self,
        definition: &'a Definition,
        claim: &Claim,
        way: Way,
    ) -> Result<Route<'a>, EngineError> {
        let proof = self.proofs.of(claim, What::Compared(way));
        let is_broken = proof.as_ref().is_some_and(|proof| proof.is_broken);
        let not_before = if is_broken { Instant::now() } else { self.a_moment_ago() };
        let route = self.route_since(definition, way, not_before).await?;
        if !proof.as_ref().is_some_and(|proof| proof.holds(claim, &route.basis)) {
            self.prove_again(&route, definition, claim, way, proof).await?;
        }
        Ok(route)
    }

    async fn prove_again(
        &self,
        route: &Route<'_>,
        definition: &Definition,
        claim: &Claim,
        way: Way,
        before: Option<Proof>,
    ) -> Result<(), EngineError> {
        let changes = before.and_then(|before| before.basis.changes(&route.basis, definition));
        info!(migration = %definition.name, org = %claim.org, changes = changes.as_deref(), "the org is compared again");
        // A table that was put in the place of another brings no triggers.
        let plan = &route.live.plan;
        for (store, tables) in [(route.leaving, &plan.source_oids), (route.receiving, &plan.target_oids)] {
            guard::must_watch(store, definition, tables).await?;
        }
        let (leaving, receiving) = self.compare_on(route, definition, claim, way).await?;
        let (source, target) = match way {
            Way::Forward => (&leaving, &receiving),
            Way::Back => (&receiving, &leaving),
        };
        let Err(mismatch) = Verified::compare(source, target) else { return Ok(()) };
        let place = Box::new(self.explain(claim, &mismatch).await?);
        let reason = match changes {
            Some(changes) => format!("{mismatch}; since the org was compared {changes}"),
            None => mismatch.to_string(),
        };
        Err(EngineError { transient: false, reason, place })
    }

    /// Writes the backup again, to the same file, if the schema has changed since: what is removed must be in it.
    pub(super) async fn back_up_what_changed(&self, definition: &Definition, claim: &Claim) -> Result<(), EngineError> {
        // After a restart, or when some rows may be gone already, the file that is there is the better one.
        let Some(backup) = self.proofs.of(claim, What::BackedUp) else { return Ok(()) };
        let route = self.route_since(definition, Way::Forward, Instant::now()).await?;
        if !backup.basis.source.glance.has_schema_of(&route.basis.source.glance) {
            self.live_back_up(claim).await?;
        }
        self.proofs.forget(claim, &[What::BackedUp]);
        Ok(())
    }
}
