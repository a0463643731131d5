//! What every supervisor does with its children: start them, handle their exits, and report to the monitors
//! and the registry.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::exit::{Exit, GaveUp};
use super::monitor::{ChildEvent, Down};
use super::policy::{Intensity, RecentRestarts, Shutdown};
use super::process::{Pid, Process, Signal, SupervisorLink};
use super::registry::{Registry, Row, State};
use super::spec::ChildSpec;
use crate::metering;

pub(crate) struct Supervision {
    /// `None` at the root.
    path: Option<Arc<str>>,
    pub(crate) registry: Registry,
    restarts: RecentRestarts,
    outbox: UnboundedSender<Signal>,
    signals: UnboundedReceiver<Signal>,
    pids: u64,
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Restart,
    Retire,
}

impl Supervision {
    pub(crate) fn new(path: Option<Arc<str>>, registry: Registry, intensity: Intensity) -> Self {
        let (outbox, signals) = unbounded_channel();
        Supervision { path, registry, restarts: RecentRestarts::new(intensity), outbox, signals, pids: 0 }
    }

    pub(crate) fn path_of(&self, spec: &ChildSpec) -> Arc<str> {
        match &self.path {
            Some(path) => format!("{path}/{}", spec.id).into(),
            None => spec.id.clone(),
        }
    }

    /// Starts a new incarnation after a pause. Whatever goes wrong in it arrives as a signal.
    pub(crate) fn launch(&mut self, spec: &Arc<ChildSpec>, position: usize, pause: Duration) -> Process {
        self.pids += 1;
        let pid = Pid(self.pids);
        let path = self.path_of(spec);
        self.registry.place(&path, self.row(spec, position));
        spec.watchers.iter().for_each(|watchers| watchers.started());

        let (orders, obey) = unbounded_channel();
        let link = SupervisorLink::new(pid, spec.id.clone(), path, self.registry.clone(), obey, self.outbox.clone());
        let life = live(spec.clone(), link, pause);
        let outbox = self.outbox.clone();
        spawn_local(async move {
            let exit = AssertUnwindSafe(life).catch_unwind().await;
            let exit = exit.unwrap_or_else(|panic| Exit::from_panic(panic.as_ref()));
            // It fails only when the supervisor is gone; then no one needs the signal.
            let _ = outbox.send(Signal::Down(pid, exit));
        });
        Process { pid, orders }
    }

    /// The next signal of a child.
    pub(crate) async fn signal(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            // Impossible: `outbox` is a sender, and lives as long as this.
            None => pending().await,
        }
    }

    /// A child ended by itself: restart it, leave it ended, or give up.
    pub(crate) fn decide(&mut self, spec: &ChildSpec, exit: &Exit) -> Result<Decision, GaveUp> {
        if !spec.policy.restart.follows(exit) {
            self.ended(spec, exit);
            return Ok(Decision::Retire);
        }
        if self.restarts.count() {
            tracing::warn!(child = %self.path_of(spec), %exit, "child ended; restarting it");
            self.restarting(spec, exit);
            return Ok(Decision::Restart);
        }
        self.ended(spec, exit);
        let Intensity { restarts_max, within } = self.restarts.allowed;
        let gave_up = GaveUp {
            supervisor: self.path.as_deref().unwrap_or_default().to_owned(),
            restarts_max,
            within,
            culprit: self.path_of(spec).to_string(),
            reason: exit.clone(),
        };
        tracing::error!("{gave_up}");
        Err(gave_up)
    }

    /// This incarnation is over and another one follows.
    pub(crate) fn restarting(&self, spec: &ChildSpec, exit: &Exit) {
        self.registry.restarting(&self.path_of(spec), exit);
        metering::restarted_below(self.path.as_deref().unwrap_or_default());
        spec.notify(&ChildEvent::Restarting(Down { id: spec.id.to_string(), exit: exit.clone() }));
    }

    /// This incarnation was the last.
    pub(crate) fn ended(&self, spec: &ChildSpec, exit: &Exit) {
        let path = self.path_of(spec);
        // A child whose shutdown is a kill ends as it should.
        let as_meant = *exit == Exit::Killed && spec.policy.shutdown == Shutdown::Brutal;
        if exit.is_failure() && !as_meant {
            tracing::warn!(child = %path, %exit, "child ended");
        } else {
            tracing::debug!(child = %path, %exit, "child ended");
        }
        self.registry.ended(&path, exit);
        spec.notify(&ChildEvent::Ended(Down { id: spec.id.to_string(), exit: exit.clone() }));
    }

    fn row(&self, spec: &ChildSpec, position: usize) -> Row {
        Row {
            id: spec.id.clone(),
            parent: self.path.clone(),
            position,
            kind: spec.kind,
            state: State::Starting,
            since: Instant::now(),
            restarts: 0,
            last_exit: None,
            mailbox: spec.mailbox.clone(),
            note: spec.note.to_owned(),
        }
    }
}

async fn live(spec: Arc<ChildSpec>, mut link: SupervisorLink, pause: Duration) -> Exit {
    if !pause.is_zero() {
        tokio::select! {
            biased;
            order = link.order() => return order.obeyed(),
            () = sleep(pause) => {}
        }
    }
    link.registry.enter(&link.path, State::Starting);
    (spec.start)(link).await
}
