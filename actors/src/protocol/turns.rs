//! How many pieces of work use the connections to the stores at once, and that switches go first: while writers of some orgs wait,
//! other work of the process leaves the processors to the switch.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::domain::record::Place;
use crate::ports::EngineError;

/// Work waits for switches for this long at once, and for half its time in all.
const LET_PASS_MAX: Duration = Duration::from_millis(100);

/// The queue for connections. Work that has its turn never waits for another turn, so there is no deadlock.
#[derive(Debug)]
pub struct Turns {
    connections: usize,
    /// As many permits as the smallest pool has connections.
    all: Arc<Semaphore>,
    /// For copies in ranges, which take hours: some connections always stay free for all other work.
    long: Arc<Semaphore>,
    /// How many switches keep writers waiting.
    blocks: watch::Sender<usize>,
}

/// A switch that keeps writers waiting, until it is dropped.
#[derive(Debug)]
pub(super) struct Blocking(watch::Sender<usize>);

/// How much of its time a piece of work has waited for switches.
#[derive(Debug)]
pub(super) struct Pace {
    blocks: watch::Receiver<usize>,
    begun: Instant,
    waited: Duration,
}

impl Turns {
    /// For pools of which the smallest has this many connections.
    pub fn over(connections: usize) -> Self {
        let connections = connections.max(1);
        Self {
            connections,
            all: Arc::new(Semaphore::new(connections)),
            long: Arc::new(Semaphore::new(for_long(connections))),
            blocks: watch::Sender::new(0),
        }
    }

    /// Writers wait from now on.
    pub(super) fn blocking(&self) -> Blocking {
        self.blocks.send_modify(|blocks| *blocks += 1);
        Blocking(self.blocks.clone())
    }

    /// For a piece of work that begins now.
    pub(super) fn pace(&self) -> Pace {
        Pace { blocks: self.blocks.subscribe(), begun: Instant::now(), waited: Duration::ZERO }
    }

    /// Waits until so many connections to each store are free, or all of them if there are fewer.
    pub async fn take(&self, connections: usize) -> Result<OwnedSemaphorePermit, EngineError> {
        self.pace().let_pass().await;
        acquire(&self.all, connections.min(self.connections)).await
    }

    /// The same for work that may take hours.
    pub async fn take_for_long(&self, connections: usize) -> Result<[OwnedSemaphorePermit; 2], EngineError> {
        let long = acquire(&self.long, connections.min(for_long(self.connections))).await?;
        Ok([long, self.take(connections).await?])
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.0.send_modify(|blocks| *blocks -= 1);
    }
}

impl Pace {
    /// Waits while a switch keeps writers waiting, but not for long.
    pub(super) async fn let_pass(&mut self) {
        let rest = (self.begun.elapsed() / 2 + LET_PASS_MAX).saturating_sub(self.waited).min(LET_PASS_MAX);
        if *self.blocks.borrow() == 0 || rest.is_zero() {
            return;
        }
        let begun = Instant::now();
        // When the time is over, work goes on beside the switch.
        let _ = timeout(rest, self.blocks.wait_for(|blocks| *blocks == 0)).await;
        self.waited += begun.elapsed();
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
