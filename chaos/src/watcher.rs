//! Watches how long writers wait for the guard's lock, which Mover holds at a switch.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Error;

use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::postgres::connect_patiently;

/// The bound of a block is half a second; the stores disconnect a Mover that hangs in it after four bounds, wherever that is.
const LOCKED_OUT_MAX_SECONDS: f64 = 8.0;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The longest present wait of a writer; Mover itself requests the exclusive lock.
const WAITING: &str = "SELECT max(extract(epoch FROM clock_timestamp() - waitstart))::float8 FROM pg_locks
                       WHERE locktype = 'advisory' AND mode = 'ShareLock' AND NOT granted";

/// Mover has an org's lock, and all its writers wait.
const LOCKED: &str = "SELECT EXISTS (
                          SELECT FROM pg_locks
                          WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
                            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                      )";

/// Returns true in the middle of a switch, or false when the time is over.
pub(crate) async fn until_locked(url: &str, limit: Duration) -> Result<bool, Error> {
    let client = connect_patiently(url).await?;
    let statement = client.prepare(LOCKED).await?;
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if client.query_one(&statement, &[]).await?.get(0) {
            return Ok(true);
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(false)
}

/// Runs until it is dropped, through every restart of the server.
pub(crate) async fn watch(url: String, counters: Arc<Counters>, evidence: Arc<Evidence>) {
    loop {
        let Ok(client) = connect_patiently(&url).await else { continue };
        while let Ok(row) = client.query_one(WAITING, &[]).await {
            if let Ok(Some(seconds)) = row.try_get::<_, Option<f64>>(0) {
                counters.locked_out(Duration::from_secs_f64(seconds.max(0.0)));
                if seconds > LOCKED_OUT_MAX_SECONDS {
                    let at = counters.elapsed().as_secs_f64();
                    evidence.add(format!(
                        "{at:.3} s: a writer waits for {seconds:.1} s for the lock that Mover has at a switch"
                    ));
                    return;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
