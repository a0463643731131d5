//! Two stores that have only the guard rows of one org: the same conditions as the product's SQL, and nothing is copied. A
//! script decides the result of each call, and may change the guard rows like a late commit.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{Epoch, MigrationName};
use mover_actors::domain::record::{Backup, Lease, Place};
use mover_actors::domain::state::Way;
use mover_actors::domain::verified::{Mismatch, Tally};
use mover_actors::ports::{
    Access, BackedUp, BlockOutcome, CaughtUp, Copied, Engine, EngineError, Limits, Side, WriteBlock,
};
use tokio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Unknown,
    Settled,
    Capturing,
    Moved,
    Incoming,
    Discarded,
}

/// An org's guard row in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    pub mode: Mode,
    pub epoch: Epoch,
}

/// Both guard rows.
#[derive(Debug)]
pub struct Guards {
    pub old: Guard,
    pub new: Guard,
}

/// The result of a call: an error, or none.
pub type Script = dyn FnMut(&mut Guards, &str, Epoch) -> Result<(), EngineError> + Send;

/// See the module's documentation.
#[derive(Clone)]
pub struct Stores {
    both: Arc<Mutex<(Guards, Box<Script>)>>,
    event_log: EventLog,
    hangs: Arc<AtomicBool>,
    round_ms: Arc<AtomicU64>,
}

/// When effects begin, and when their futures are gone.
pub type EventLog = Arc<Mutex<Vec<&'static str>>>;

struct UnderWay(EventLog);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("gone");
    }
}

impl Stores {
    pub fn new(script: impl FnMut(&mut Guards, &str, Epoch) -> Result<(), EngineError> + Send + 'static) -> Self {
        let unknown = Guard { mode: Mode::Unknown, epoch: Epoch(0) };
        let guards = Guards { old: unknown, new: unknown };
        let both = Arc::new(Mutex::new((guards, Box::new(script) as Box<Script>)));
        Stores { both, event_log: EventLog::default(), hangs: Arc::default(), round_ms: Arc::default() }
    }

    /// From now on each round of catch-up takes so long, and more is logged than it carries over.
    pub fn slow_down(&self, round: Duration) {
        self.round_ms.store(u64::try_from(round.as_millis()).unwrap(), Relaxed);
    }

    /// The next copy does not finish.
    pub fn hang(&self) {
        self.hangs.store(true, Relaxed);
    }

    /// The results of copies so far.
    pub fn copies(&self) -> Vec<&'static str> {
        self.event_log.lock().unwrap().clone()
    }

    /// Calls follow this script from now on.
    pub fn follow(&self, script: impl FnMut(&mut Guards, &str, Epoch) -> Result<(), EngineError> + Send + 'static) {
        self.both.lock().unwrap().1 = Box::new(script);
    }

    /// The modes of the org in the old store and in the new.
    pub fn modes(&self) -> (Mode, Mode) {
        self.act(|guards| (guards.old.mode, guards.new.mode))
    }

    pub fn act<T>(&self, act: impl FnOnce(&mut Guards) -> T) -> T {
        act(&mut self.both.lock().unwrap().0)
    }

    fn call(
        &self,
        method: &str,
        lease: &Lease,
        act: impl FnOnce(&mut Guards, Epoch) -> bool,
    ) -> Result<(), EngineError> {
        let mut both = self.both.lock().unwrap();
        let (guards, script) = &mut *both;
        script(guards, method, lease.epoch)?;
        match act(guards, lease.epoch) {
            true => Ok(()),
            false => Err(permanent(format!("{method} is refused: {guards:?}"))),
        }
    }
}

pub fn permanent(reason: impl Into<String>) -> EngineError {
    EngineError { transient: false, reason: reason.into(), place: Box::new(Place::default()) }
}

pub fn transient(reason: impl Into<String>) -> EngineError {
    EngineError { transient: true, ..permanent(reason) }
}

impl Guard {
    /// Like `UPDATE … SET mode, epoch WHERE epoch <= ours AND mode IN (…)`.
    pub fn put(&mut self, mode: Mode, epoch: Epoch, from: &[Mode]) -> bool {
        let may = self.epoch <= epoch && from.contains(&self.mode);
        if may {
            *self = Guard { mode, epoch };
        }
        may
    }
}

impl Guards {
    fn of(&mut self, way: Way) -> (&mut Guard, &mut Guard) {
        match way {
            Way::Forward => (&mut self.old, &mut self.new),
            Way::Back => (&mut self.new, &mut self.old),
        }
    }

    /// The statement of the point of no return: with no other epoch than the one in the row.
    pub fn moved(&mut self, way: Way, epoch: Epoch) -> bool {
        let (leaving, _) = self.of(way);
        let may = *leaving == Guard { mode: Mode::Capturing, epoch };
        if may {
            leaving.mode = Mode::Moved;
        }
        may
    }

    fn receive(&mut self, way: Way, epoch: Epoch) -> bool {
        match way {
            Way::Forward => self.new.put(Mode::Capturing, epoch, &[Mode::Incoming, Mode::Capturing]),
            Way::Back => self.old.put(Mode::Settled, epoch, &[Mode::Moved, Mode::Settled]),
        }
    }

    /// The transaction of a copy.
    pub fn copied(&mut self, epoch: Epoch) -> bool {
        self.new.put(Mode::Incoming, epoch, &[Mode::Unknown, Mode::Incoming, Mode::Moved, Mode::Discarded])
    }
}

/// There is one org.
fn only(leases: &[Lease]) -> &Lease {
    assert_eq!(leases.len(), 1);
    &leases[0]
}

fn both_equal() -> (Tally, Tally) {
    (Tally::default(), Tally::default())
}

#[async_trait]
impl Engine for Stores {
    fn routing(&self, _: &MigrationName) -> Result<Routing, EngineError> {
        Ok(super::node::routing())
    }

    async fn drain(&self, leases: &[Lease]) -> Result<(), EngineError> {
        self.call("drain", only(leases), |_, _| true)
    }

    async fn copy(&self, leases: &[Lease]) -> Result<Copied, EngineError> {
        self.call("copy", only(leases), Guards::copied).map(|()| Copied::default())
    }

    async fn tally(&self, leases: &[Lease], _: Side) -> Result<Vec<Tally>, EngineError> {
        self.call("tally", only(leases), |_, _| true).map(|()| vec![Tally::default()])
    }

    async fn explain(&self, _: &Lease, _: &Mismatch) -> Result<Place, EngineError> {
        Ok(Place::default())
    }

    async fn doubt_proofs(&self, _: &[Lease]) -> Result<(), EngineError> {
        Ok(())
    }

    async fn settle(&self, leases: &[Lease]) -> Result<(), EngineError> {
        self.call("settle", only(leases), |guards, epoch| {
            guards.new.put(Mode::Settled, epoch, &[Mode::Incoming, Mode::Settled])
        })
    }

    async fn discard(&self, lease: &Lease) -> Result<(), EngineError> {
        self.call("discard", lease, |guards, epoch| {
            guards.new.put(Mode::Discarded, epoch, &[Mode::Unknown, Mode::Incoming, Mode::Moved, Mode::Discarded])
        })
    }

    fn limits(&self, _: &MigrationName) -> Result<Limits, EngineError> {
        Ok(Limits { max_block_ms: 500, max_change_backlog: 10_000, cohort_orgs: 1, cohort_rows: 0 })
    }

    async fn sizes(&self, leases: &[Lease]) -> Result<Vec<i64>, EngineError> {
        Ok(vec![0; leases.len()])
    }

    async fn capture(&self, leases: &[Lease]) -> Result<(), EngineError> {
        self.call("capture", only(leases), |guards, epoch| {
            guards.old.put(Mode::Capturing, epoch, &[Mode::Unknown, Mode::Settled, Mode::Capturing])
        })
    }

    async fn copy_live(&self, leases: &[Lease]) -> Result<Copied, EngineError> {
        self.event_log.lock().unwrap().push("begun");
        let _under_way = UnderWay(self.event_log.clone());
        if self.hangs.swap(false, Relaxed) {
            pending::<()>().await;
        }
        self.call("copy_live", only(leases), Guards::copied).map(|()| Copied::default())
    }

    async fn catch_up(&self, leases: &[Lease], _: Way) -> Result<CaughtUp, EngineError> {
        let round_ms = self.round_ms.load(Relaxed);
        sleep(Duration::from_millis(round_ms)).await;
        self.call("catch_up", only(leases), |_, _| true).map(|()| CaughtUp { keys: 1, left: 0 })
    }

    async fn compare(&self, leases: &[Lease], _: Way) -> Result<Vec<(Tally, Tally)>, EngineError> {
        self.call("compare", only(leases), |_, _| true).map(|()| vec![both_equal()])
    }

    async fn has_moved(&self, lease: &Lease, way: Way) -> Result<bool, EngineError> {
        let mut has_moved = false;
        self.call("has_moved", lease, |guards, epoch| {
            let (leaving, receiving) = guards.of(way);
            if receiving.mode != Mode::Unknown {
                receiving.epoch = receiving.epoch.max(epoch);
            }
            if leaving.mode == Mode::Unknown {
                leaving.mode = Mode::Settled;
            }
            has_moved = leaving.mode == Mode::Moved;
            leaving.put(leaving.mode, epoch, &[leaving.mode])
        })?;
        Ok(has_moved)
    }

    async fn block(&self, leases: &[Lease], way: Way) -> Result<BlockOutcome, EngineError> {
        let mut has_moved = false;
        self.call("block", only(leases), |guards, epoch| {
            let (leaving, _) = guards.of(way);
            has_moved = leaving.mode == Mode::Moved;
            leaving.put(leaving.mode, epoch, &[leaving.mode])
        })?;
        if has_moved {
            return Ok(BlockOutcome { orgs: vec![Access::Moved], block: None });
        }
        let block = Block { stores: self.clone(), lease: only(leases).clone(), way };
        Ok(BlockOutcome { orgs: vec![Access::Held], block: Some(Box::new(block)) })
    }

    async fn complete(&self, leases: &[Lease], way: Way) -> Result<(), EngineError> {
        self.call("complete", only(leases), |guards, epoch| guards.receive(way, epoch))
    }

    async fn release(&self, lease: &Lease) -> Result<(), EngineError> {
        self.call("release", lease, |guards, epoch| {
            guards.old.put(Mode::Settled, epoch, &[Mode::Unknown, Mode::Capturing, Mode::Settled])
        })
    }

    async fn discard_rolled_back(&self, lease: &Lease) -> Result<(), EngineError> {
        self.call("discard_rolled_back", lease, |guards, epoch| guards.new.put(Mode::Moved, epoch, &[Mode::Moved]))
    }

    async fn back_up(&self, lease: &Lease) -> Result<BackedUp, EngineError> {
        self.call("back_up", lease, |_, _| true)
            .map(|()| BackedUp { file: Backup { path: "acme.backup".into(), sum: None }, rows: 0 })
    }

    async fn close(&self, lease: &Lease, _: &Backup) -> Result<(), EngineError> {
        self.call("close", lease, |guards, epoch| {
            guards.new.put(Mode::Settled, epoch, &[Mode::Capturing, Mode::Settled])
        })
    }

    async fn purge(&self, lease: &Lease, _: &Backup) -> Result<i64, EngineError> {
        self.call("purge", lease, |guards, epoch| guards.old.put(Mode::Moved, epoch, &[Mode::Moved])).map(|()| 0)
    }
}

struct Block {
    stores: Stores,
    lease: Lease,
    way: Way,
}

#[async_trait]
impl WriteBlock for Block {
    async fn leave(&mut self) -> Result<CaughtUp, EngineError> {
        let way = self.way;
        let left = self.stores.call("leave", &self.lease, |guards, epoch| guards.moved(way, epoch));
        left.map(|()| CaughtUp::default())
    }

    async fn arrive(&mut self) -> Result<(), EngineError> {
        let way = self.way;
        // Other tasks have the time to run first.
        sleep(Duration::from_millis(10)).await;
        self.stores.call("arrive", &self.lease, |guards, epoch| guards.receive(way, epoch))
    }

    fn since(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn release(self: Box<Self>) -> Result<SystemTime, EngineError> {
        Ok(SystemTime::now())
    }
}
