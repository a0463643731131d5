//! Whether an org that is to be switched was found equal in both stores as they are now.

use std::sync::Arc;
use std::time::Instant;

use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::Verified;
use mover_actors::ports::{Engine, EngineError};
use tracing::info;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::proofs::{Proofs, Unchanged, What};
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
        cohort: &Cohort,
        from: &Session,
        to: &Session,
    ) -> Result<(), EngineError> {
        let what = "looking whether both stores are as they were compared";
        let (leaving, receiving) = (Doing::new(&live.plan.source, what), Doing::new(&live.plan.target, what));
        if self.unchanged.is_so((from, leaving), (to, receiving)).await? {
            return Ok(());
        }
        cohort.leases().iter().for_each(|lease| self.proofs.breaks(lease, self.what));
        let problem =
            "a schema was changed or a store was started again since the org was compared; it is compared again";
        Err(EngineError { transient: true, ..leaving.refused(problem) })
    }

    /// The orgs have moved.
    pub(super) fn has_served(&self, cohort: &Cohort) {
        cohort.leases().iter().for_each(|lease| self.proofs.forget(lease, &[self.what]));
    }
}

impl PgEngine {
    /// The way for orgs that are equal in both stores; where no proof of that is left, or it is of other schemas or of an
    /// earlier life of a store, both are compared again.
    pub(super) async fn proven_route<'a>(
        &'a self,
        definition: &'a Definition,
        cohort: &Cohort,
        way: Way,
    ) -> Result<Route<'a>, EngineError> {
        let proof_of = |lease: &Lease| self.proofs.of(lease, What::Compared(way));
        let is_broken = |lease: &Lease| proof_of(lease).is_some_and(|proof| proof.is_broken);
        let not_before = if cohort.leases().iter().any(is_broken) { Instant::now() } else { self.a_moment_ago() };
        let route = self.route_since(definition, way, not_before).await?;
        let holds = |lease: &Lease| proof_of(lease).is_some_and(|proof| proof.holds(lease, &route.basis));
        if let Some(unproven) = cohort.only(|lease| !holds(lease)) {
            self.prove_again(&route, definition, &unproven, way).await?;
        }
        Ok(route)
    }

    async fn prove_again(
        &self,
        route: &Route<'_>,
        definition: &Definition,
        cohort: &Cohort,
        way: Way,
    ) -> Result<(), EngineError> {
        let changed = |lease: &Lease| {
            self.proofs.of(lease, What::Compared(way)).and_then(|before| before.basis.changes(&route.basis, definition))
        };
        let changes = cohort.leases().iter().find_map(changed);
        info!(migration = %definition.name, orgs = cohort.leases().len(), changes = changes.as_deref(), "orgs are compared again");
        // A table that was put in the place of another brings no triggers.
        let plan = &route.live.plan;
        for (store, tables) in [(route.leaving, &plan.source_oids), (route.receiving, &plan.target_oids)] {
            guard::must_watch(store, definition, tables).await?;
        }
        let tallies = self.compare_on(route, definition, cohort, way).await?;
        let mismatch_of = |lease: &Lease| {
            let (leaving, receiving) = tallies.get(&lease.key)?;
            let compared = match way {
                Way::Forward => Verified::compare(leaving, receiving),
                Way::Back => Verified::compare(receiving, leaving),
            };
            compared.err()
        };
        let mut mismatches = cohort.leases().iter().filter_map(|lease| Some((lease, mismatch_of(lease)?)));
        let Some((lease, mismatch)) = mismatches.next() else { return Ok(()) };
        let place = Box::new(self.explain(lease, &mismatch).await?);
        let reason = match changes {
            Some(changes) => format!("{mismatch}; since the org was compared {changes}"),
            None => mismatch.to_string(),
        };
        Err(EngineError { transient: false, reason, place })
    }

    /// Writes the backup again, to the same file, if the schema has changed since: what is removed must be in it.
    pub(super) async fn back_up_what_changed(&self, definition: &Definition, lease: &Lease) -> Result<(), EngineError> {
        // After a restart, or when some rows may be gone already, the file that is there is the better one.
        let Some(backup) = self.proofs.of(lease, What::BackedUp) else { return Ok(()) };
        let route = self.route_since(definition, Way::Forward, Instant::now()).await?;
        if !backup.basis.source.glance.has_schema_of(&route.basis.source.glance) {
            self.live_back_up(lease).await?;
        }
        self.proofs.forget(lease, &[What::BackedUp]);
        Ok(())
    }
}
