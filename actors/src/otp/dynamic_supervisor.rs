//! The supervisor behind a [`Dynamic`] handle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::actor::Child;
use super::dynamic::{Dynamic, Request, StartRefused};
use super::exit::{Exit, GaveUp};
use super::policy::{Pace, Shutdown};
use super::process::{Order, Pid, Process, Signal, SupervisorLink};
use super::spec::{ChildSpec, DynamicSpec};
use super::supervision::{Decision, Supervision};

/// One incarnation of a dynamic supervisor. It waits for no single child: thousands may be
/// starting, pausing and stopping at the same time. At its end all children are asked to stop at
/// once, for they have no order among themselves.
pub(crate) struct DynamicSupervisor<A: Child> {
    handle: Dynamic<A>,
    spec: DynamicSpec,
    link: SupervisorLink,
    supervision: Supervision,
    requests: UnboundedReceiver<Request<A>>,
    members: HashMap<Pid, Member>,
    pids: HashMap<Arc<str>, Pid>,
}

struct Member {
    spec: Arc<ChildSpec>,
    process: Process,
    pace: Pace,
    /// Receives the result of its first start.
    started: Option<oneshot::Sender<Result<(), StartRefused>>>,
    /// Receive the result of its stop; not empty once it was asked to stop.
    stopped: Vec<oneshot::Sender<Option<Exit>>>,
}

impl<A: Child> DynamicSupervisor<A> {
    pub(crate) fn new(handle: Dynamic<A>, spec: DynamicSpec, link: SupervisorLink) -> Self {
        let supervision = Supervision::new(Some(link.path.clone()), link.registry.clone(), spec.intensity);
        let requests = handle.open();
        DynamicSupervisor { handle, spec, link, supervision, requests, members: HashMap::new(), pids: HashMap::new() }
    }

    pub(crate) async fn run(mut self) -> Exit {
        self.link.up();
        let exit = loop {
            tokio::select! {
                biased;
                order = self.link.order() => break order.obeyed(),
                signal = self.supervision.signal() => match signal {
                    Signal::Up(pid) => self.came_up(pid),
                    Signal::Down(pid, exit) => {
                        if let Err(gave_up) = self.fell(pid, exit) {
                            break Exit::GaveUp(Box::new(gave_up));
                        }
                    }
                },
                Some(request) = self.requests.recv() => self.serve(request),
            }
        };
        self.handle.close();
        let killed = self.stop_all(exit == Exit::Killed).await;
        if killed && exit == Exit::Shutdown { Exit::Killed } else { exit }
    }

    fn serve(&mut self, request: Request<A>) {
        match request {
            Request::Start { child, started, .. } if self.pids.contains_key(child.name()) => {
                let _ = started.send(Err(StartRefused::Exists));
            }
            Request::Start { child, mut spec, started } => {
                spec.policy = self.spec.children;
                self.handle.list(child);
                self.launch(Arc::new(spec), Pace::default(), Duration::ZERO, Some(started));
            }
            Request::Stop { id, stopped } => {
                let pid = self.pids.get(id.as_str());
                match pid.and_then(|pid| self.members.get_mut(pid)) {
                    Some(member) => {
                        member.process.stop(member.spec.policy.shutdown);
                        member.stopped.push(stopped);
                    }
                    None => {
                        let _ = stopped.send(None);
                    }
                }
            }
        }
    }

    fn launch(
        &mut self,
        spec: Arc<ChildSpec>,
        pace: Pace,
        pause: Duration,
        started: Option<oneshot::Sender<Result<(), StartRefused>>>,
    ) {
        let process = self.supervision.launch(&spec, 0, pause);
        self.pids.insert(spec.id.clone(), process.pid);
        self.members.insert(process.pid, Member { spec, process, pace, started, stopped: Vec::new() });
    }

    fn came_up(&mut self, pid: Pid) {
        if let Some(member) = self.members.get_mut(&pid) {
            member.pace.up();
            if let Some(started) = member.started.take() {
                let _ = started.send(Ok(()));
            }
        }
    }

    fn fell(&mut self, pid: Pid, exit: Exit) -> Result<(), GaveUp> {
        let Some(mut member) = self.members.remove(&pid) else {
            return Ok(());
        };
        if member.started.is_some() || !member.stopped.is_empty() {
            self.retire(member, exit);
            return Ok(());
        }
        match self.supervision.decide(&member.spec, &exit) {
            Ok(Decision::Restart) => {
                let pause = member.pace.next_pause(member.spec.policy.backoff);
                self.launch(member.spec, member.pace, pause, None);
                Ok(())
            }
            Ok(Decision::Retire) => {
                self.forget(&member.spec);
                Ok(())
            }
            Err(gave_up) => {
                self.forget(&member.spec);
                Err(gave_up)
            }
        }
    }

    /// An exit that a caller waits for: the caller gets the answer, and the restart policy does not apply.
    fn retire(&mut self, member: Member, exit: Exit) {
        match member.started {
            Some(started) => {
                let _ = started.send(Err(StartRefused::Failed(exit.clone())));
            }
            None => self.supervision.ended(&member.spec, &exit),
        }
        self.forget(&member.spec);
        for stopped in member.stopped {
            let _ = stopped.send(Some(exit.clone()));
        }
    }

    fn forget(&mut self, spec: &ChildSpec) {
        self.pids.remove(&spec.id);
        self.handle.strike(&spec.id);
        self.link.registry.remove(&self.supervision.path_of(spec));
    }

    /// Stops every child; true when that ended in a kill.
    async fn stop_all(&mut self, mut kill: bool) -> bool {
        for member in self.members.values() {
            let policy = member.spec.policy.shutdown;
            member.process.stop(if kill { Shutdown::Brutal } else { policy });
        }
        while !self.members.is_empty() {
            tokio::select! {
                biased;
                order = self.link.order() => if order == Order::Kill {
                    kill = true;
                    self.members.values().for_each(|member| member.process.kill());
                },
                signal = self.supervision.signal() => if let Signal::Down(pid, exit) = signal
                    && let Some(member) = self.members.remove(&pid)
                {
                    self.retire(member, exit);
                },
            }
        }
        kill
    }
}
