//! Which stores can be reached.

use mover_actors::ports::EngineError;

use crate::engine::PgEngine;

impl PgEngine {
    /// Why stores cannot be reached; empty when all can.
    pub async fn unreachable_stores(&self) -> Vec<EngineError> {
        let mut unreachable = Vec::new();
        for store in self.stores.values() {
            match store.session().await {
                Ok(session) => session.release(),
                Err(error) => unreachable.push(error),
            }
        }
        unreachable
    }
}
