//! The move log in memory fulfils the same contract as the one in Postgres; so results of the simulation are valid.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
#[path = "../actors/tests/memory/mod.rs"]
mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use mover_actors::domain::ids::{MigrationName, NodeId, OrgKey, OrgName};
use mover_actors::domain::state::{State, Strategy};

use memory::MemoryLog;

struct MemoryWorld(memory::World);

#[async_trait]
impl contract::World for MemoryWorld {
    type Log = MemoryLog;

    async fn process(&self) -> Arc<MemoryLog> {
        Arc::new(MemoryLog::new(&self.0.process()))
    }

    async fn capture(&self, migration: &MigrationName, strategy: Strategy, orgs: &[OrgName]) {
        let log = MemoryLog::new(&self.0.process());
        for org in orgs {
            log.capture(migration, strategy, org, &OrgKey::new(format!("key of {org}")).unwrap());
        }
    }

    async fn states(&self, migration: &MigrationName) -> Vec<(OrgName, State)> {
        self.0.look(|facts| {
            let moves = facts.log.moves().filter(|record| record.migration == *migration);
            moves.map(|record| (record.org.clone(), record.state)).collect()
        })
    }

    async fn expire_lease(&self, node: NodeId) {
        self.0.act(|scene| scene.facts.log.expire_lease(node, scene.now));
    }

    async fn kill(&self, node: NodeId) {
        let process = self.0.look(|facts| facts.log.process_of(node)).expect("a node that joined");
        self.0.kill(process);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_move_log_in_memory_keeps_the_contract_of_the_move_log() {
    contract::exercise(|| async { MemoryWorld(memory::World::default()) }).await;
}
