//! One client: one write after the other, each until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use rand::{RngExt, rngs::StdRng};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::counters::Counters;
use super::flag_reader::FlagReader;
use super::ledger::{SharedLedger, Write};
use super::options::ClientOptions;
use super::stores::{Request, Stores, Tried};
use crate::demo::route::{Route, Store};
use crate::demo::sample::SampleOrg;

const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// One simulated client.
pub(super) struct SimulatedClient {
    pub(super) number: i32,
    pub(super) orgs: Arc<[SampleOrg]>,
    pub(super) options: Arc<ClientOptions>,
    pub(super) flags: FlagReader,
    pub(super) stores: Stores,
    pub(super) ledger: Arc<SharedLedger>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) rng: StdRng,
}

/// A write that is not acknowledged yet.
struct Pending {
    write: Write,
    refused_at: Option<Instant>,
    /// When the first try began that a store refused because the org lives elsewhere, and how many there were.
    moved_at: Option<Instant>,
    moved_times: u64,
    /// The last try with an unknown outcome.
    uncertain: Option<Write>,
}

/// What the client does after one try.
enum Next {
    Done,
    /// Read the flags again and retry at once.
    Elsewhere,
    Soon,
    Later,
}

impl SimulatedClient {
    /// Writes until it is stopped.
    pub(super) async fn run(mut self) {
        let mut beat = interval(self.options.beat());
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for seq in 1.. {
            tokio::select! {
                _ = beat.tick() => {}
                _ = self.stop.changed() => {}
            }
            if self.stopped() {
                return;
            }
            let write = Write { org: self.pick_org(), client: self.number, seq, store: Store::Old };
            self.write_until_acknowledged(Pending {
                write,
                refused_at: None,
                moved_at: None,
                moved_times: 0,
                uncertain: None,
            })
            .await;
        }
    }

    async fn write_until_acknowledged(&mut self, mut pending: Pending) {
        let mut backoff = BACKOFF_MIN;
        while !self.stopped() {
            match self.try_once(&mut pending).await {
                Next::Done => return,
                Next::Elsewhere => self.flags.forget(),
                Next::Soon => self.pause(self.options.retry()).await,
                Next::Later => {
                    self.pause(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
        if let Some(write) = pending.uncertain {
            self.ledger.leave_open(write);
        }
    }

    async fn try_once(&mut self, pending: &mut Pending) -> Next {
        let Some(org) = self.orgs.get(pending.write.org as usize) else { return Next::Done };
        // The time is taken before the flags are read: any delay from here on makes the write too late, not wrong.
        let deadline = SystemTime::now() + self.options.deadline();
        let org_id = org.id;
        match self.flags.route(&org.name).await {
            Route::To(store) => pending.write.store = store,
            Route::Blocked { .. } => {
                self.counters.refused_503.fetch_add(1, Relaxed);
                pending.refused_at.get_or_insert_with(Instant::now);
                return Next::Soon;
            }
            Route::Unknown(reason) => {
                self.counters.trouble(&self.counters.refused_no_route, reason);
                return Next::Later;
            }
        }
        let hold = self.options.hold(&mut self.rng);
        let request = Request { write: pending.write, org_id, deadline, hold };
        let begun = Instant::now();
        let tried = self.stores.write(&request).await;
        self.conclude(pending, begun, tried)
    }

    fn conclude(&self, pending: &mut Pending, begun: Instant, tried: Tried) -> Next {
        match tried {
            Tried::Moved => {
                pending.moved_at.get_or_insert(begun);
                pending.moved_times += 1;
                self.counters.moved.fetch_add(1, Relaxed);
                // The first refusal makes the client read the flags again. If they still lead here, a process died during a
                // switch.
                if pending.moved_times == 1 { Next::Elsewhere } else { Next::Soon }
            }
            Tried::Committed => {
                self.ledger.acknowledge(pending.write);
                let waited = pending.refused_at.map(|at| at.elapsed());
                self.counters.acknowledged(pending.write.store, waited);
                if let Some(at) = pending.moved_at {
                    self.counters.came_through(at.elapsed(), pending.moved_times);
                }
                Next::Done
            }
            Tried::TooLate => {
                self.counters.too_late.fetch_add(1, Relaxed);
                Next::Soon
            }
            Tried::Failed(reason) => {
                self.counters.trouble(&self.counters.failed, reason);
                Next::Later
            }
            Tried::Uncertain(reason) => {
                pending.uncertain = Some(pending.write);
                self.counters.trouble(&self.counters.uncertain, reason);
                Next::Later
            }
        }
    }

    /// Some orgs are much busier than others.
    fn pick_org(&mut self) -> u32 {
        let spot = self.rng.random::<f64>().powi(2) * self.orgs.len() as f64;
        spot as u32
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn pause(&mut self, how_long: Duration) {
        tokio::select! {
            () = sleep(how_long) => {}
            _ = self.stop.changed() => {}
        }
    }
}
