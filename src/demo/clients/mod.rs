//! Simulated clients of the sample application. They obey the flags, write all the time, and remember every write
//! that was acknowledged.
//!
//! # Why a write cannot be missed
//!
//! A client that has read its flags may be slow, and the org may be blocked before its write arrives. So a request
//! has a deadline: it takes the time, *then* reads the flags, then writes; and its first statement inserts nothing if
//! the server's clock has passed that time plus `deadline_ms`. The server looks at its clock when it
//! executes the statement, and by then it has taken the ROW EXCLUSIVE lock on the table, which it keeps
//! until the transaction ends.
//!
//! Let an org be blocked at the instant B. A client that begins to read later sees the 503. One that began earlier is
//! admitted before B + `deadline_ms`, or never. So a process that waits longer than that after B finds each
//! admitted write in one of two states: it has ended, and can be read; or it holds its lock, and can
//! be waited for. After both waits the org's rows do not change any more.
//!
//! Client and server must have the same clock, and nobody may set it back meanwhile: here they are on one machine.
//! An application on many machines adds the largest difference of their clocks to the wait.
//!
//! # What a client knows
//!
//! A write has a number that no other write has, and is acknowledged when COMMIT has succeeded. If the connection
//! is lost during COMMIT the outcome is unknown: the client reads the flags again and repeats the same write with the same
//! number. If it finds the write, it was committed the first time (and has moved with its org, if that has moved).

mod client;
mod counters;
mod error;
mod flag_reader;
mod ledger;
mod options;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use counters::ClientFigures;
pub use error::ClientsError;
pub use ledger::{Ledger, Touch, Write};
pub use options::ClientOptions;

use client::SimulatedClient;
use counters::Counters;
use flag_reader::FlagReader;
use ledger::SharedLedger;
use stores::Stores;

use super::postgres::connect;
use super::route::Store;
use super::sample::{Sample, SampleOrg};

/// The running clients.
#[derive(Debug)]
pub struct Clients {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    ledger: Arc<SharedLedger>,
    counters: Arc<Counters>,
}

impl Clients {
    /// Starts clients that write to these orgs. Both stores must be reachable now; later they may come and go, and so may
    /// Redis.
    pub async fn start(
        sample: &Sample,
        redis_url: &str,
        orgs: Vec<SampleOrg>,
        options: ClientOptions,
    ) -> Result<Self, ClientsError> {
        if orgs.is_empty() {
            return Err(ClientsError::NoOrgs);
        }
        let redis = redis::Client::open(redis_url)?;
        let first = last_client(sample).await? + 1;
        let (stop, stopped) = watch::channel(false);
        let ledger = Arc::new(SharedLedger::new(orgs.clone()));
        let (counters, orgs, options) = (Arc::new(Counters::default()), orgs.into(), Arc::new(options));
        let mut tasks = JoinSet::new();
        for number in (first..).take(options.clients as usize) {
            let client = SimulatedClient {
                number,
                orgs: Arc::clone(&orgs),
                flags: FlagReader::new(
                    redis.clone(),
                    options.route_by.clone(),
                    Duration::from_millis(options.flags_believed_ms),
                ),
                stores: Stores::new(sample),
                ledger: Arc::clone(&ledger),
                counters: Arc::clone(&counters),
                stop: stopped.clone(),
                rng: StdRng::seed_from_u64(options.seed.wrapping_add(u64::from(number.unsigned_abs()))),
                options: Arc::clone(&options),
            };
            tasks.spawn(client.run());
        }
        Ok(Self { tasks, stop, ledger, counters })
    }

    /// The counts so far.
    pub fn figures(&self) -> ClientFigures {
        self.counters.figures()
    }

    /// Lets each client end its current try, and returns all acknowledged writes.
    pub async fn stop(mut self) -> Result<(Ledger, ClientFigures), ClientsError> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended?;
        }
        Ok((self.ledger.close(), self.counters.figures()))
    }
}

/// The highest number of a client of an earlier run.
async fn last_client(sample: &Sample) -> Result<i32, ClientsError> {
    let mut last = 0;
    for (store, url) in [(Store::Old, &sample.old_url), (Store::New, &sample.new_url)] {
        let failed = |source| ClientsError::Postgres { store, source };
        let client = connect(url).await.map_err(failed)?;
        let row = client.query_one(include_str!("sql/last_client.sql"), &[]).await.map_err(failed)?;
        last = last.max(row.get(0));
    }
    Ok(last)
}
