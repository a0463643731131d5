//! One program that talks to the world: its calls, and its death.

use std::future::pending;
use std::time::Duration;

use super::fate::{Call, Fate, Outcome};
use super::world::{World, WorldGuard};

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
        self.if_alive().await;
        let Fate { before, outcome, after, on_the_wire } = self.world.fate(self.id, call);
        if outcome == Outcome::Panic {
            panic!("injected: {call:?}");
        }
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
        pause(after).await;
        self.if_alive().await;
        answer
    }

    /// Continues, unless the process was killed: then never.
    pub(super) async fn if_alive(&self) {
        if !self.world.is_alive(self.id) {
            pending::<()>().await;
        }
    }
}

async fn pause(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}
