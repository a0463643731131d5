//! The shared world: its facts, who watches them, and how they change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use super::fate::{Call, Calm, Fate, Faults, Outcome};
use super::log::LogFacts;
use super::process::{Process, ProcessId, Trouble};
use super::redis::RedisFacts;
use super::stores::StoreFacts;

/// How long a server takes to notice that a client has died.
pub(super) const NOTICED_AFTER: Duration = Duration::from_millis(50);

/// Everything there is.
#[derive(Debug, Default)]
pub struct Facts {
    /// The move log.
    pub log: LogFacts,
    /// Redis.
    pub redis: RedisFacts,
    /// The stores.
    pub stores: StoreFacts,
    /// The most orgs in a cohort; 0 is as good as 1.
    pub cohort_orgs: usize,
    /// Tables in which an org has more rows are copied in pieces of so many; 0 is as good as many.
    pub range_rows: i64,
    /// When each process died, if it did.
    died_at: Vec<Option<Instant>>,
    injected_bug: Option<InjectedBug>,
}

/// A way in which the ports can be made to lie, so that it can be tested whether the checkers notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedBug {
    /// The engine does not wait for open transactions.
    SkipDrain,
    /// The engine leaves out a row, and says that both sides are equal.
    LoseARow,
    /// A copy changes what one row says.
    ChangeARow,
    /// A copy leaves the rows of an earlier try where they are.
    CopyOnTop,
    /// The target takes any epoch.
    ForgetTheGuard,
    /// Removing one org's copy removes all orgs' rows.
    DiscardEverything,
    /// Removing an org's copy removes nothing.
    DiscardNothing,
    /// A store does not log every key that is written.
    ForgetToLog,
    /// A store gives a lock away although writers hold it.
    SkipWriters,
    /// Whoever carries over holds no guard rows.
    HoldNothing,
    /// A store commits `moved` for whoever comes.
    AcceptLateMoved,
    /// Stores continue to take older epochs although they were told to refuse them.
    KeepOldEpochs,
    /// A copy changes what one row says, and stores say that it is whole.
    LieInTallies,
    /// Redis takes any epoch.
    IgnoreFlagEpochs,
    /// Redis says it is well after it lost its data.
    HideLostMemory,
    /// Redis is marked as whole although no process was told that it was not.
    MarkWithoutNote,
    /// The move log accepts transitions and flags with a stale epoch.
    NoFencing,
    /// The move log forgets what an operator had set.
    ForgetFound,
    /// The move log counts an end twice.
    CountTwice,
    /// The move log says that an org was opened and leaves it blocked.
    KeepBlocked,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which checker says so.
    pub checker: &'static str,
    /// What it saw.
    pub what: String,
}

/// Watches every change.
pub trait Observer: Send {
    /// The checker's name.
    fn name(&self) -> &'static str;
    /// Sees one change just made; an error is something that must not be.
    fn saw(&mut self, facts: &Facts, event: &Event, now: Instant) -> Result<(), String>;
    /// Looks at the world when all is over.
    fn at_the_end(&mut self, facts: &Facts, now: Instant) -> Result<(), String> {
        let _ = (facts, now);
        Ok(())
    }
}

/// See the module's documentation.
#[derive(Clone)]
pub struct World(Arc<Mutex<Inner>>);

struct Inner {
    facts: Facts,
    watch: Watch,
    faults: Box<dyn Faults>,
}

#[derive(Default)]
struct Watch {
    observers: Vec<Box<dyn Observer>>,
    violations: Vec<Violation>,
    /// The last events, to explain a violation.
    recent: Option<Vec<(Instant, Event)>>,
}

/// The facts at one instant, and the right to change them.
pub struct WorldGuard<'a> {
    /// What is.
    pub facts: &'a mut Facts,
    /// When this is.
    pub now: Instant,
    /// Whether of many items only the first half is to be carried out.
    pub half: bool,
    watch: &'a mut Watch,
}

impl Default for World {
    fn default() -> Self {
        let (facts, watch, faults) = (Facts::default(), Watch::default(), Box::new(Calm));
        World(Arc::new(Mutex::new(Inner { facts, watch, faults })))
    }
}

impl World {
    /// A new process.
    pub fn process(&self) -> Process {
        let mut inner = self.lock();
        inner.facts.died_at.push(None);
        Process { world: self.clone(), id: ProcessId(inner.facts.died_at.len() - 1) }
    }

    /// Ends a process as a power cut would.
    pub fn kill(&self, process: ProcessId) {
        self.lock().facts.died_at[process.0].get_or_insert_with(Instant::now);
    }

    /// Whether the process runs.
    pub fn is_alive(&self, process: ProcessId) -> bool {
        self.lock().facts.is_alive(process)
    }

    /// From now on this decides.
    pub fn set_faults(&self, faults: impl Faults + 'static) {
        self.lock().faults = Box::new(faults);
    }

    /// Another one who watches.
    pub fn watch(&self, observer: impl Observer + 'static) {
        self.lock().watch.observers.push(Box::new(observer));
    }

    /// Keeps all events from now on, to be shown with a violation.
    pub fn record(&self) {
        self.lock().watch.recent = Some(Vec::new());
    }

    /// The events kept.
    pub fn recorded(&self) -> Vec<(Instant, Event)> {
        self.lock().watch.recent.clone().unwrap_or_default()
    }

    /// Makes the ports lie in one way.
    pub fn injected_bug(&self, injected_bug: InjectedBug) {
        self.lock().facts.injected_bug = Some(injected_bug);
    }

    /// Lets every observer look at the end, and answers what must not be.
    pub fn judge(&self) -> Vec<Violation> {
        let mut inner = self.lock();
        let Inner { facts, watch, .. } = &mut *inner;
        let now = Instant::now();
        let mut found = watch.violations.clone();
        for observer in &mut watch.observers {
            if let Err(what) = observer.at_the_end(facts, now) {
                found.push(Violation { checker: observer.name(), what });
            }
        }
        found
    }

    /// What observers have complained about so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().watch.violations.clone()
    }

    /// Looks at the facts.
    pub fn look<T>(&self, at: impl FnOnce(&Facts) -> T) -> T {
        at(&self.lock().facts)
    }

    /// Changes facts without any process: what clients, operators and the outside do.
    pub fn act<T>(&self, act: impl FnOnce(&mut WorldGuard<'_>) -> T) -> T {
        let mut inner = self.lock();
        let Inner { facts, watch, .. } = &mut *inner;
        act(&mut WorldGuard { facts, now: Instant::now(), half: false, watch })
    }

    pub(super) fn fate(&self, process: ProcessId, call: Call) -> Fate {
        self.lock().faults.fate(process, call, Instant::now())
    }

    pub(super) fn perform<T>(
        &self,
        outcome: Outcome,
        apply: impl FnOnce(&mut WorldGuard<'_>) -> T,
    ) -> Result<T, Trouble> {
        match outcome {
            Outcome::Done => Ok(self.act(apply)),
            Outcome::DoneUnheard => {
                self.act(apply);
                Err(Trouble::Unreachable)
            }
            Outcome::HalfDone => {
                let act = |scene: &mut WorldGuard<'_>| {
                    scene.half = true;
                    apply(scene)
                };
                self.act(act);
                Err(Trouble::Unreachable)
            }
            Outcome::NotDone => Err(Trouble::Unreachable),
            Outcome::Refused | Outcome::Panic => Err(Trouble::Refused),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Whether the process runs.
    pub fn is_alive(&self, process: ProcessId) -> bool {
        self.died_at[process.0].is_none()
    }

    /// When the process ended, if it has.
    pub(super) fn died_at(&self, process: ProcessId) -> Option<Instant> {
        self.died_at[process.0]
    }

    pub(super) fn has_injected_bug(&self, by: InjectedBug) -> bool {
        self.injected_bug == Some(by)
    }
}

impl WorldGuard<'_> {
    /// Notes something that must not be, seen by the servers themselves.
    pub(super) fn complain(&mut self, checker: &'static str, what: String) {
        self.watch.violations.push(Violation { checker, what });
    }

    /// Shows a change that was just made.
    pub fn emit(&mut self, event: Event) {
        for observer in &mut self.watch.observers {
            if let Err(what) = observer.saw(self.facts, &event, self.now) {
                self.watch.violations.push(Violation { checker: observer.name(), what });
            }
        }
        if let Some(recent) = &mut self.watch.recent {
            recent.push((self.now, event));
        }
    }
}
