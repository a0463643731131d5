//! Between which stores the migrations of a process lead.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::record::{Lease, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::Mismatch;
use mover_actors::ports::{Copied, EngineError, Side};
use mover_actors::protocol::store::Guard;
use mover_actors::protocol::{Cohort, CopyRoute, Doing, LiveLimits, LiveRoute, Migration, Mode, Proofs, Stores, Turns};

use super::super::stores::{Row, TABLES};
use super::super::world::InjectedBug;
use super::request::request;
use super::{MemoryEngine, name_of};

#[async_trait]
impl Stores for MemoryEngine {
    fn migration(&self, name: &MigrationName) -> Result<&Migration, EngineError> {
        let unknown =
            || EngineError { transient: false, reason: format!("there is no migration {name}"), place: Box::default() };
        self.migrations.get(name).ok_or_else(unknown)
    }

    fn live_limits(&self) -> LiveLimits {
        self.limits
    }

    fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    fn turns(&self) -> &Turns {
        &self.turns
    }

    fn guard(&self, store: &StoreName) -> Result<&dyn Guard, EngineError> {
        let unknown = || Doing::new(store, "looking for the store").refused("there is no such store");
        let guard = self.guards.iter().find(|guard| guard.store() == store);
        Ok(guard.ok_or_else(unknown)?)
    }

    async fn copy_route(&self, migration: &Migration, not_before: Instant) -> Result<CopyRoute, EngineError> {
        let basis = self.basis(migration, not_before).await?;
        let leaving = Arc::new(self.site(migration, Side::Source));
        let receiving = Arc::new(self.site(migration, Side::Target));
        Ok(CopyRoute { leaving, receiving, basis, labels: TABLES.map(str::to_owned).into() })
    }

    async fn live_route(&self, migration: &Migration, way: Way, not_before: Instant) -> Result<LiveRoute, EngineError> {
        let basis = self.basis(migration, not_before).await?;
        let (leaving, receiving) = match way {
            Way::Forward => (Side::Source, Side::Target),
            Way::Back => (Side::Target, Side::Source),
        };
        Ok(LiveRoute {
            way,
            leaving: Arc::new(self.site(migration, leaving)),
            receiving: Arc::new(self.site(migration, receiving)),
            basis,
            tables: self.outlines.clone(),
        })
    }

    fn doubt(&self, migration: &MigrationName) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).remove(migration);
    }

    fn a_moment_ago(&self) -> Instant {
        self.a_moment_ago
    }

    async fn discard(&self, migration: &Migration, cohort: &Cohort) -> Result<(), EngineError> {
        let what = "removing the copied rows";
        let site = self.site(migration, Side::Target);
        let connection = site.connect();
        if self.process.world().look(|facts| facts.has_injected_bug(InjectedBug::DiscardNothing)) {
            connection.release();
            return Ok(());
        }
        let asked = cohort.clone();
        let entered = connection.ask("discard.enter", what, move |scene, id| scene.enter(id, &asked, Mode::Discarded));
        if !entered.await?.again.is_empty() {
            let asked = cohort.clone();
            let cleared = connection.ask("discard.clear", what, move |scene, id| {
                if scene.facts.has_injected_bug(InjectedBug::DiscardEverything) {
                    scene.remove_everything(id)?;
                }
                for lease in asked.leases() {
                    scene.forget_pieces_later(id, &lease.key)?;
                }
                scene.remove_rows(id, &asked, |_| true)
            });
            cleared.await?;
        }
        connection.commit(what).await?;
        connection.release();
        Ok(())
    }

    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError> {
        let (lease, table) = (lease.clone(), mismatch.table.clone());
        let new = name_of(Side::Target);
        request(&self.process, "explain", Doing::new(&new, "looking for the difference"), move |scene| {
            let of = |side| scene.facts.stores.rows(&lease.migration, side, &lease.key);
            let (source, target) = (of(Side::Source), of(Side::Target));
            let only = |in_one: &[Row], other: &[Row]| in_one.iter().find(|row| !other.contains(row)).copied();
            let row = only(&source, &target).or_else(|| only(&target, &source)).map(|row| row.id.to_string());
            Ok(Place {
                store: Some("new".into()),
                table: Some(table),
                columns: vec!["value".into()],
                row,
                ..Place::default()
            })
        })
        .await
    }

    async fn carry_out_steps(&self, _: &Lease) -> Result<Copied, EngineError> {
        Ok(Copied::default())
    }

    async fn take_back_steps(&self, _: &Lease) -> Result<(), EngineError> {
        Ok(())
    }
}
