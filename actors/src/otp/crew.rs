//! What every supervisor does with its children: start them, judge their ends, tell the monitors
//! and the board.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::board::{Board, Row, State};
use super::exit::{Exit, GaveUp};
use super::monitor::{ChildEvent, Down};
use super::policy::{Intensity, RecentRestarts, Shutdown};
use super::process::{Pid, Process, Seat, Signal};
use super::spec::ChildSpec;
use crate::metering;

pub(crate) struct Crew {
    /// `None` for the crew that holds only the root.
    path: Option<Arc<str>>,
    pub(crate) board: Board,
    restarts: RecentRestarts,
    outbox: UnboundedSender<Signal>,
    signals: UnboundedReceiver<Signal>,
    pids: u64,
}

/// What a fall leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Restart,
    Retire,
}

impl Crew {
    pub(crate) fn new(path: Option<Arc<str>>, board: Board, intensity: Intensity) -> Self {
        let (outbox, signals) = unbounded_channel();
        Crew { path, board, restarts: RecentRestarts::new(intensity), outbox, signals, pids: 0 }
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
        self.board.place(&path, self.row(spec, position));
        spec.watchers.iter().for_each(|watchers| watchers.started());

        let (orders, obey) = unbounded_channel();
        let seat = Seat::new(pid, spec.id.clone(), path, self.board.clone(), obey, self.outbox.clone());
        let life = live(spec.clone(), seat, pause);
        let outbox = self.outbox.clone();
        spawn_local(async move {
            let exit = AssertUnwindSafe(life).catch_unwind().await;
            let exit = exit.unwrap_or_else(|panic| Exit::from_panic(panic.as_ref()));
            // It fails only when the supervisor is gone, and then nobody is left to care.
            let _ = outbox.send(Signal::Down(pid, exit));
        });
        Process { pid, orders }
    }

    /// The next thing that a child says.
    pub(crate) async fn signal(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            // Cannot be: `outbox` is a sender, and it lives as long as this.
            None => pending().await,
        }
    }

    /// A child fell by itself: restart it, let it be, or give up.
    pub(crate) fn judge(&mut self, spec: &ChildSpec, exit: &Exit) -> Result<Verdict, GaveUp> {
        if !spec.policy.restart.follows(exit) {
            self.ended(spec, exit);
            return Ok(Verdict::Retire);
        }
        if self.restarts.count() {
            tracing::warn!(child = %self.path_of(spec), %exit, "child ended; restarting it");
            self.restarting(spec, exit);
            return Ok(Verdict::Restart);
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
        self.board.restarting(&self.path_of(spec), exit);
        metering::restarted_below(self.path.as_deref().unwrap_or_default());
        spec.tell(&ChildEvent::Restarting(Down { id: spec.id.to_string(), exit: exit.clone() }));
    }

    /// This incarnation was the last.
    pub(crate) fn ended(&self, spec: &ChildSpec, exit: &Exit) {
        let path = self.path_of(spec);
        // A child that is stopped by killing it ends as it should.
        let as_meant = *exit == Exit::Killed && spec.policy.shutdown == Shutdown::Brutal;
        if exit.is_failure() && !as_meant {
            tracing::warn!(child = %path, %exit, "child ended");
        } else {
            tracing::debug!(child = %path, %exit, "child ended");
        }
        self.board.ended(&path, exit);
        spec.tell(&ChildEvent::Ended(Down { id: spec.id.to_string(), exit: exit.clone() }));
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

async fn live(spec: Arc<ChildSpec>, mut seat: Seat, pause: Duration) -> Exit {
    if !pause.is_zero() {
        tokio::select! {
            biased;
            order = seat.order() => return order.obeyed(),
            () = sleep(pause) => {}
        }
    }
    seat.board.enter(&seat.path, State::Starting);
    (spec.start)(seat).await
}
