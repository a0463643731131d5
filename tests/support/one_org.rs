//! The stores as a single org sees them: what the engine does for a cohort, asked for one.
#![allow(dead_code, reason = "each test binary asks for some of it")]

use async_trait::async_trait;
use mover::engine::PgEngine;
use mover_actors::domain::record::{Claim, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{Mismatch, Tally};
use mover_actors::ports::{Access, BackedUp, CaughtUp, Copied, Engine, EngineError, Side, WriteBlock};

fn only<T>(mut answers: Vec<T>) -> T {
    assert_eq!(answers.len(), 1, "an answer for each org");
    answers.remove(0)
}

#[async_trait]
pub(crate) trait OneOrg {
    async fn drain(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn copy(&self, claim: &Claim) -> Result<Copied, EngineError>;
    async fn tally(&self, claim: &Claim, side: Side) -> Result<Tally, EngineError>;
    async fn verify(&self, claim: &Claim) -> Result<(Tally, Tally), EngineError>;
    async fn explain(&self, claim: &Claim, mismatch: &Mismatch) -> Result<Place, EngineError>;
    async fn settle(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn discard(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn capture(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn copy_live(&self, claim: &Claim) -> Result<Copied, EngineError>;
    async fn catch_up(&self, claim: &Claim, way: Way) -> Result<CaughtUp, EngineError>;
    async fn compare(&self, claim: &Claim, way: Way) -> Result<(Tally, Tally), EngineError>;
    async fn has_moved(&self, claim: &Claim, way: Way) -> Result<bool, EngineError>;
    /// `None` if the org has moved already.
    async fn block(&self, claim: &Claim, way: Way) -> Result<Option<Box<dyn WriteBlock>>, EngineError>;
    async fn complete(&self, claim: &Claim, way: Way) -> Result<(), EngineError>;
    async fn release(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn discard_rolled_back(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn back_up(&self, claim: &Claim) -> Result<BackedUp, EngineError>;
    async fn close(&self, claim: &Claim) -> Result<(), EngineError>;
    async fn purge(&self, claim: &Claim) -> Result<i64, EngineError>;
}

#[async_trait]
impl OneOrg for PgEngine {
    async fn drain(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::drain(self, std::slice::from_ref(claim)).await
    }

    async fn copy(&self, claim: &Claim) -> Result<Copied, EngineError> {
        Engine::copy(self, std::slice::from_ref(claim)).await
    }

    async fn tally(&self, claim: &Claim, side: Side) -> Result<Tally, EngineError> {
        Engine::tally(self, std::slice::from_ref(claim), side).await.map(only)
    }

    async fn verify(&self, claim: &Claim) -> Result<(Tally, Tally), EngineError> {
        Engine::verify(self, std::slice::from_ref(claim)).await.map(only)
    }

    async fn explain(&self, claim: &Claim, mismatch: &Mismatch) -> Result<Place, EngineError> {
        Engine::explain(self, claim, mismatch).await
    }

    async fn settle(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::settle(self, std::slice::from_ref(claim)).await
    }

    async fn discard(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::discard(self, claim).await
    }

    async fn capture(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::capture(self, std::slice::from_ref(claim)).await
    }

    async fn copy_live(&self, claim: &Claim) -> Result<Copied, EngineError> {
        Engine::copy_live(self, std::slice::from_ref(claim)).await
    }

    async fn catch_up(&self, claim: &Claim, way: Way) -> Result<CaughtUp, EngineError> {
        Engine::catch_up(self, std::slice::from_ref(claim), way).await
    }

    async fn compare(&self, claim: &Claim, way: Way) -> Result<(Tally, Tally), EngineError> {
        Engine::compare(self, std::slice::from_ref(claim), way).await.map(only)
    }

    async fn has_moved(&self, claim: &Claim, way: Way) -> Result<bool, EngineError> {
        Engine::has_moved(self, claim, way).await
    }

    async fn block(&self, claim: &Claim, way: Way) -> Result<Option<Box<dyn WriteBlock>>, EngineError> {
        let blocked = Engine::block(self, std::slice::from_ref(claim), way).await?;
        assert!(matches!(only(blocked.orgs), Access::Held | Access::Moved), "a single org is waited for");
        Ok(blocked.block)
    }

    async fn complete(&self, claim: &Claim, way: Way) -> Result<(), EngineError> {
        Engine::complete(self, std::slice::from_ref(claim), way).await
    }

    async fn release(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::release(self, claim).await
    }

    async fn discard_rolled_back(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::discard_rolled_back(self, claim).await
    }

    async fn back_up(&self, claim: &Claim) -> Result<BackedUp, EngineError> {
        Engine::back_up(self, claim).await
    }

    async fn close(&self, claim: &Claim) -> Result<(), EngineError> {
        Engine::close(self, claim).await
    }

    async fn purge(&self, claim: &Claim) -> Result<i64, EngineError> {
        Engine::purge(self, claim).await
    }
}
