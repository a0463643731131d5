//! The fate of every call, as the plan's rates has it; in calm times calls only take a moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{FaultRates, Late};
use super::random::Random;
use crate::memory::{Call, Fate, Faults, Outcome, Port, ProcessId};

/// How often one process may panic: fewer than would make its tree give up.
const PANICS_MAX: u32 = 4;

/// See the module's documentation.
#[derive(Clone)]
pub struct FaultInjector(Arc<Mutex<FaultState>>);

struct FaultState {
    random: Random,
    rates: Option<FaultRates>,
    late: Option<Late>,
    late_calls: u64,
    /// The process whose late call is on its way: the next one that begins to carry over is refused.
    overtaken: Option<ProcessId>,
    down_until: BTreeMap<Port, Instant>,
    frozen_until: BTreeMap<ProcessId, Instant>,
    panics: BTreeMap<ProcessId, u32>,
    calls: BTreeMap<Call, u64>,
}

impl FaultInjector {
    /// Calm.
    pub fn new(random: Random) -> Self {
        let (down_until, frozen_until, panics) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let calls = BTreeMap::new();
        FaultInjector(Arc::new(Mutex::new(FaultState {
            random,
            rates: None,
            late: None,
            late_calls: 0,
            overtaken: None,
            down_until,
            frozen_until,
            panics,
            calls,
        })))
    }

    /// From now on things go wrong.
    pub fn rates(&self, rates: FaultRates) {
        self.state(|state| state.rates = Some(rates));
    }

    /// This call will arrive late.
    pub fn late(&self, late: Late) {
        self.state(|state| state.late = Some(late));
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.state(|state| {
            state.rates = None;
            state.late = None;
            state.overtaken = None;
            state.down_until.clear();
            state.frozen_until.clear();
        });
    }

    /// It is unreachable for so long.
    pub fn down(&self, port: Port, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        self.state(|state| state.down_until.insert(port, until));
    }

    /// All calls of this process hang for so long.
    pub fn freeze(&self, process: ProcessId, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        self.state(|state| state.frozen_until.insert(process, until));
    }

    /// How many calls came late.
    pub fn late_calls(&self) -> u64 {
        self.state(|state| state.late_calls)
    }

    /// How often each call was made.
    pub fn calls(&self) -> BTreeMap<Call, u64> {
        self.state(|state| state.calls.clone())
    }

    fn state<T>(&self, change: impl FnOnce(&mut FaultState) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Faults for FaultInjector {
    fn fate(&mut self, process: ProcessId, call: Call, now: Instant) -> Fate {
        self.state(|state| state.fate(process, call, now))
    }
}

impl FaultState {
    fn fate(&mut self, process: ProcessId, call: Call, now: Instant) -> Fate {
        *self.calls.entry(call).or_default() += 1;
        if let Some(late) = self.comes_late(call) {
            self.frozen_until.insert(process, now + late.hangs);
            self.late_calls += 1;
            self.overtaken = late.gives_up.then_some(process);
            return Fate { before: late.delay, outcome: Outcome::Done, after: Duration::ZERO, on_the_wire: true };
        }
        if call.method == "hold" && self.overtaken.is_some_and(|overtaken| overtaken != process) {
            self.overtaken = None;
            return Fate::of(Outcome::Refused);
        }
        let mut fate = Fate {
            before: self.moment(),
            outcome: self.outcome(process),
            after: self.moment(),
            on_the_wire: self.random.percent(30),
        };
        if let Some(rates) = self.rates
            && self.random.permille(rates.slow)
        {
            let slow = self.random.millis(1, rates.slow_ms);
            if self.random.percent(50) { fate.before += slow } else { fate.after += slow }
        }
        if let Some(until) = self.frozen_until.get(&process).filter(|until| **until > now) {
            let thaws_in = *until - now;
            if self.random.percent(50) { fate.before += thaws_in } else { fate.after += thaws_in }
        }
        if self.down_until.get(&call.port).is_some_and(|until| *until > now) {
            fate.outcome = Outcome::NotDone;
        }
        fate
    }

    fn comes_late(&mut self, call: Call) -> Option<Late> {
        let late = self.late.as_mut().filter(|late| late.method == call.method)?;
        late.number -= 1;
        if late.number == 0 { self.late.take() } else { None }
    }

    /// Many calls take no time, so that much happens at the same instant.
    fn moment(&mut self) -> Duration {
        if self.random.percent(50) { Duration::ZERO } else { self.random.millis(1, 4) }
    }

    fn outcome(&mut self, process: ProcessId) -> Outcome {
        let Some(rates) = self.rates else { return Outcome::Done };
        if self.random.permille(rates.panics) && *self.panics.entry(process).or_default() < PANICS_MAX {
            *self.panics.entry(process).or_default() += 1;
            return Outcome::Panic;
        }
        let outcomes = [
            (rates.not_done, Outcome::NotDone),
            (rates.unheard, Outcome::DoneUnheard),
            (rates.half, Outcome::HalfDone),
            (rates.refused, Outcome::Refused),
        ];
        let met = outcomes.into_iter().find(|(permille, _)| self.random.permille(*permille));
        met.map_or(Outcome::Done, |(_, outcome)| outcome)
    }
}
