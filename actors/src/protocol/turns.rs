//! How many pieces of work use the connections to the stores at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::record::Place;
use crate::ports::EngineError;

/// The queue for connections. Work that has its turn never waits for another turn, so there is no deadlock.
#[derive(Debug)]
pub struct Turns {
    connections: usize,
    /// As many permits as the smallest pool has connections.
    all: Arc<Semaphore>,
    /// For copies in ranges, which take hours: some connections always stay free for all other work.
    long: Arc<Semaphore>,
}

impl Turns {
    /// For pools of which the smallest has this many connections.
    pub fn over(connections: usize) -> Self {
        let connections = connections.max(1);
        Self {
            connections,
            all: Arc::new(Semaphore::new(connections)),
            long: Arc::new(Semaphore::new(for_long(connections))),
        }
    }

    /// Waits until so many connections to each store are free, or all of them if there are fewer.
    pub async fn take(&self, connections: usize) -> Result<OwnedSemaphorePermit, EngineError> {
        acquire(&self.all, connections.min(self.connections)).await
    }

    /// The same for work that may take hours.
    pub async fn take_for_long(&self, connections: usize) -> Result<[OwnedSemaphorePermit; 2], EngineError> {
        let long = acquire(&self.long, connections.min(for_long(self.connections))).await?;
        Ok([long, self.take(connections).await?])
    }
}

fn for_long(connections: usize) -> usize {
    connections.saturating_sub((connections / 4).max(2)).max(1)
}

async fn acquire(line: &Arc<Semaphore>, wanted: usize) -> Result<OwnedSemaphorePermit, EngineError> {
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    let closed = |error: tokio::sync::AcquireError| EngineError {
        transient: false,
        reason: error.to_string(),
        place: Box::<Place>::default(),
    };
    line.clone().acquire_many_owned(wanted).await.map_err(closed)
}
