//! How long one durable commit takes while everything else runs: what a block is measured by.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_postgres::Error;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::postgres::connect;

/// Rare enough that it is no load of its own.
const EVERY: Duration = Duration::from_millis(50);
const TABLE: &str = "CREATE TABLE IF NOT EXISTS commit (number int PRIMARY KEY, at timestamptz); INSERT INTO commit VALUES (1, now()) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE commit SET at = now() WHERE number = 1";

/// A client that updates one row again and again, each time in a transaction of its own.
#[derive(Debug)]
pub struct Commits {
    probe: JoinHandle<Result<Vec<u64>, Error>>,
    stop: DropGuard,
}

impl Commits {
    /// Starts it in a database of its own, on the server that is measured.
    pub async fn start(url: &str) -> Result<Self, Error> {
        let client = connect(url).await?;
        client.batch_execute(TABLE).await?;
        let update = client.prepare(UPDATE).await?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let probe = tokio::spawn(async move {
            let mut micros = Vec::new();
            while !stopped.is_cancelled() {
                let begun = Instant::now();
                client.execute(&update, &[]).await?;
                micros.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
                sleep(EVERY).await;
            }
            Ok(micros)
        });
        Ok(Self { probe, stop: stop.drop_guard() })
    }

    /// The median in microseconds; `None` if nothing was measured.
    pub async fn median_us(self) -> Option<u64> {
        drop(self.stop);
        let mut micros = self.probe.await.ok()?.ok()?;
        micros.sort_unstable();
        micros.get(micros.len() / 2).copied()
    }
}
