//! One program that talks to the world: its calls, and its death.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fate::{Call, Fate, Outcome};
use super::stores::SessionId;
use super::world::{World, WorldGuard};

/// How often a request that waits at a server is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub usize);

/// A process's way to the world.
#[derive(Clone)]
pub struct Process {
    pub(super) world: World,
    pub(super) id: ProcessId,
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Whether it was carried out is unknown.
    Unreachable,
    /// It was refused for a reason that stays.
    Refused,
}

impl Process {
    /// Its number.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Carries `apply` out at the server, at one instant, as fate has it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: Call,
        apply: impl FnOnce(&mut WorldGuard<'_>) -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let Fate { before, outcome, after, on_the_wire } = self.fate(call).await;
        let world = self.world.clone();
        let answer = if on_the_wire {
            let sent = async move {
                pause(before).await;
                world.perform(outcome, apply)
            };
            tokio::spawn(sent).await.expect("the server does not panic")
        } else {
            pause(before).await;
            self.if_alive().await;
            world.perform(outcome, apply)
        };
        self.answered(after).await;
        answer
    }

    /// The same for a request that may have to wait for others at the server, for at most so long: `apply` is asked again and again
    /// until it has an answer. The requests of a session are carried out in the order in which they are sent, whoever waits for their
    /// answers.
    pub(super) async fn call_patiently<T: Send + 'static>(
        &self,
        call: Call,
        line: Option<&Line>,
        patience: Duration,
        mut apply: impl FnMut(&mut WorldGuard<'_>) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Trouble> {
        let Fate { before, outcome, after, on_the_wire } = self.fate(call).await;
        let (world, id) = (self.world.clone(), self.id);
        let in_flight = line.filter(|_| on_the_wire).map(|line| InFlight::new(&self.world, line.session));
        let turn = line.map(|line| line.turn.clone());
        let wanted = Arc::new(());
        let caller = Arc::downgrade(&wanted);
        let sent = async move {
            let _in_flight = in_flight;
            let _turn = match turn {
                Some(turn) => Some(turn.lock_owned().await),
                None => None,
            };
            pause(before).await;
            let deadline = Instant::now() + patience;
            loop {
                if !on_the_wire && (caller.strong_count() == 0 || !world.is_alive(id)) {
                    return Err(Trouble::Unreachable);
                }
                let mut waits = false;
                let answer = world.perform(outcome, |scene| {
                    let answer = apply(scene);
                    waits = answer.is_none();
                    answer
                });
                if !waits || Instant::now() >= deadline {
                    return answer;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let answer = tokio::spawn(sent).await.expect("the server does not panic");
        drop(wanted);
        self.answered(after).await;
        answer
    }

    async fn fate(&self, call: Call) -> Fate {
        self.if_alive().await;
        let fate = self.world.fate(self.id, call);
        if fate.outcome == Outcome::Panic {
            panic!("injected: {call:?}");
        }
        fate
    }

    async fn answered(&self, after: Duration) {
        pause(after).await;
        self.if_alive().await;
    }

    /// Continues, unless the process was killed: then never.
    pub(super) async fn if_alive(&self) {
        if !self.world.is_alive(self.id) {
            pending::<()>().await;
        }
    }
}

/// The order of the requests of a session.
pub(super) struct Line {
    session: SessionId,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Line {
    pub(super) fn of(session: SessionId) -> Self {
        Self { session, turn: Arc::default() }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }
}

/// A request of a session on its way.
struct InFlight {
    world: World,
    session: SessionId,
}

impl InFlight {
    fn new(world: &World, session: SessionId) -> Self {
        world.act(|scene| scene.departs(session));
        Self { world: world.clone(), session }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.world.act(|scene| scene.arrived(self.session));
    }
}

async fn pause(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause).await;
    }
}
