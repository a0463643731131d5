//! The stores as a single org sees them: what the engine does for a cohort, asked for one.
#![allow(dead_code, reason = "each test binary asks for some of it")]

use async_trait::async_trait;
use mover::engine::PgEngine;
use mover_actors::domain::record::{Lease, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{Mismatch, Tally};
use mover_actors::ports::{Access, BackedUp, CaughtUp, Copied, Engine, EngineError, Side, WriteBlock};

fn only<T>(mut answers: Vec<T>) -> T {
    assert_eq!(answers.len(), 1, "an answer for each org");
    answers.remove(0)
}

#[async_trait]
pub(crate) trait OneOrg {
    async fn drain(&self, lease: &Lease) -> Result<(), EngineError>;
    async fn copy(&self, lease: &Lease) -> Result<Copied, EngineError>;
    async fn tally(&self, lease: &Lease, side: Side) -> Result<Tally, EngineError>;
    async fn verify(&self, lease: &Lease) -> Result<(Tally, Tally), EngineError>;
    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError>;
    async fn settle(&self, lease: &Lease) -> Result<(), EngineError>;
    async fn discard(&self, lease: &Lease) -> Result<(), EngineError>;
    async fn capture(&self, lease: &Lease) -> Result<(), EngineError>;
    async fn copy_live(&self, lease: &Lease) -> Result<Copied, EngineError>;
    async fn catch_up(&self, lease: &Lease, way: Way) -> Result<CaughtUp, EngineError>;
    async fn compare(&self, lease: &Lease, way: Way) -> Result<(Tally, Tally), EngineError>;
    async fn has_moved(&self, lease: &Lease, way: Way) -> Result<bool, EngineError>;
    /// `None` if the org has moved already.
    async fn block(&self, lease: &Lease, way: Way) -> Result<Option<Box<dyn WriteBlock>>, EngineError>;
    async fn complete(&self, lease: &Lease, way: Way) -> Result<(), EngineError>;
    async fn release(&self, lease: &Lease) -> Result<(), EngineError>;
    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError>;
    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError>;
    async fn close(&self, lease: &Lease, backup: &BackedUp) -> Result<(), EngineError>;
    async fn purge(&self, lease: &Lease, backup: &BackedUp) -> Result<i64, EngineError>;
}

#[async_trait]
impl OneOrg for PgEngine {
    async fn drain(&self, lease: &Lease) -> Result<(), EngineError> {
        Engine::drain(self, std::slice::from_ref(lease)).await
    }

    async fn copy(&self, lease: &Lease) -> Result<Copied, EngineError> {
        Engine::copy(self, std::slice::from_ref(lease)).await
    }

    async fn tally(&self, lease: &Lease, side: Side) -> Result<Tally, EngineError> {
        Engine::tally(self, std::slice::from_ref(lease), side).await.map(only)
    }

    async fn verify(&self, lease: &Lease) -> Result<(Tally, Tally), EngineError> {
        Engine::verify(self, std::slice::from_ref(lease)).await.map(only)
    }

    async fn explain(&self, lease: &Lease, mismatch: &Mismatch) -> Result<Place, EngineError> {
        Engine::explain(self, lease, mismatch).await
    }

    async fn settle(&self, lease: &Lease) -> Result<(), EngineError> {
        Engine::settle(self, std::slice::from_ref(lease)).await
    }

    async fn discard(&self, lease: &Lease) -> Result<(), EngineError> {
        Engine::discard(self, lease).await
    }

    async fn capture(&self, lease: &Lease) -> Result<(), EngineError> {
        Engine::capture(self, std::slice::from_ref(lease)).await
    }

    async fn copy_live(&self, lease: &Lease) -> Result<Copied, EngineError> {
        Engine::copy_live(self, std::slice::from_ref(lease)).await
    }

    async fn catch_up(&self, lease: &Lease, way: Way) -> Result<CaughtUp, EngineError> {
        Engine::catch_up(self, std::slice::from_ref(lease), way).await
    }

    async fn compare(&self, lease: &Lease, way: Way) -> Result<(Tally, Tally), EngineError> {
        Engine::compare(self, std::slice::from_ref(lease), way).await.map(only)
    }

    async fn has_moved(&self, lease: &Lease, way: Way) -> Result<bool, EngineError> {
        Engine::has_moved(self, lease, way).await
    }

    async fn block(&self, lease: &Lease, way: Way) -> Result<Option<Box<dyn WriteBlock>>, EngineError> {
        let blocked = Engine::block(self, std::slice::from_ref(lease), way).await?;
        assert!(matches!(only(blocked.orgs), Access::Held | Access::Moved), "a single org is waited for");
        Ok(blocked.block)
    }

    async fn complete(&self, lease: &Lease, way: Way) -> Result<(), EngineError> {
        Engine::complete(self, std::slice::from_ref(lease), way).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        Engine::release(self, lease).await
    }

    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError> {
        Engine::discard_rolled_back(self, lease).await
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        Engine::back_up(self, lease).await
    }

    async fn close(&self, lease: &Lease, backup: &BackedUp) -> Result<(), EngineError> {
        Engine::close(self, lease, &backup.file).await
    }

    async fn purge(&self, lease: &Lease, backup: &BackedUp) -> Result<i64, EngineError> {
        Engine::purge(self, lease, &backup.file).await
    }
}
