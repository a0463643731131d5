//! The supervisor of a fixed list of children.

use std::sync::Arc;
use std::time::Duration;

use super::exit::{Exit, GaveUp};
use super::policy::{Pace, Restart};
use super::process::{Order, Pid, Process, Signal, SupervisorLink};
use super::spec::{ChildSpec, SupervisorSpec};
use super::supervision::{Decision, Supervision};

/// One incarnation of a supervisor.
///
/// It is a loop over the stages of its children: a failed one is handled first, else the first that
/// should run and does not is started, else it waits for news. All waiting goes through
/// [`Supervisor::receive_signal`], which only records the signal, so signals that arrive while some
/// child starts or stops is dealt with afterwards and never lost.
pub(crate) struct Supervisor {
    spec: Arc<SupervisorSpec>,
    link: SupervisorLink,
    supervision: Supervision,
    children: Vec<Supervised>,
    order: Option<Order>,
    was_up: bool,
}

struct Supervised {
    spec: Arc<ChildSpec>,
    stage: Stage,
    pace: Pace,
}

enum Stage {
    /// It should run and does not; `last` is the end of the incarnation before, if there was one.
    Idle {
        pause: Duration,
        last: Option<Exit>,
    },
    Starting(Process),
    Up(Process),
    /// It ended, and the supervisor has not handled that yet.
    Fallen(Exit),
    /// It ended, and is not needed any more.
    Retired,
}

impl Supervisor {
    pub(crate) fn new(spec: Arc<SupervisorSpec>, link: SupervisorLink) -> Self {
        let supervision = Supervision::new(Some(link.path.clone()), link.registry.clone(), spec.intensity);
        let children = spec.children.iter().map(|child| Supervised {
            spec: child.clone(),
            stage: Stage::Idle { pause: Duration::ZERO, last: None },
            pace: Pace::default(),
        });
        Supervisor { children: children.collect(), spec, link, supervision, order: None, was_up: false }
    }

    /// Runs until it is asked to stop or gives up; then it stops its children, the last one first.
    pub(crate) async fn run(mut self) -> Exit {
        let exit = self.supervise().await;
        for at in (0..self.children.len()).rev() {
            self.stop(at).await;
            let Supervised { spec, stage, .. } = &self.children[at];
            if let Stage::Fallen(exit) | Stage::Idle { last: Some(exit), .. } = stage {
                self.supervision.ended(spec, exit);
            }
        }
        match (exit, self.order) {
            (Exit::Shutdown, Some(Order::Kill)) => Exit::Killed,
            (exit, _) => exit,
        }
    }

    async fn supervise(&mut self) -> Exit {
        loop {
            if let Some(order) = self.order {
                return order.obeyed();
            } else if let Some((at, exit)) = self.take_fallen() {
                if let Err(gave_up) = self.recover(at, exit).await {
                    return Exit::GaveUp(Box::new(gave_up));
                }
            } else if let Some((at, pause)) = self.first_idle() {
                self.start(at, pause).await;
            } else {
                if !self.was_up {
                    self.was_up = true;
                    self.link.up();
                }
                self.receive_signal().await;
            }
        }
    }

    /// A child failed: it and the children that restart with it become idle, and the loop starts them again in
    /// order.
    async fn recover(&mut self, fallen: usize, exit: Exit) -> Result<(), GaveUp> {
        let child = &mut self.children[fallen];
        if self.supervision.decide(&child.spec, &exit)? == Decision::Retire {
            return Ok(());
        }
        let pause = child.pace.next_pause(child.spec.policy.backoff.or(self.spec.backoff));
        child.stage = Stage::Idle { pause, last: Some(exit) };
        for at in self.spec.strategy.scope(fallen, self.children.len()).rev() {
            if at != fallen {
                self.stop(at).await;
                self.sweep(at);
            }
        }
        Ok(())
    }

    /// A child was stopped because of a sibling: it is started again, unless it is temporary.
    fn sweep(&mut self, at: usize) {
        let child = &mut self.children[at];
        let once = child.spec.policy.restart == Restart::Temporary;
        match &child.stage {
            Stage::Fallen(exit) if once => {
                self.supervision.ended(&child.spec, exit);
                child.stage = Stage::Retired;
            }
            Stage::Fallen(exit) => {
                self.supervision.restarting(&child.spec, exit);
                child.stage = Stage::Idle { pause: Duration::ZERO, last: Some(exit.clone()) };
            }
            Stage::Retired if !once => child.stage = Stage::Idle { pause: Duration::ZERO, last: None },
            Stage::Retired | Stage::Idle { .. } | Stage::Starting(_) | Stage::Up(_) => {}
        }
    }

    async fn start(&mut self, at: usize, pause: Duration) {
        let child = &mut self.children[at];
        child.stage = Stage::Starting(self.supervision.launch(&child.spec, at, pause));
        while matches!(self.children[at].stage, Stage::Starting(_)) && self.order.is_none() {
            self.receive_signal().await;
        }
    }

    async fn stop(&mut self, at: usize) {
        let child = &self.children[at];
        if let Some(process) = child.stage.process() {
            process.stop(child.spec.policy.shutdown);
            if self.order == Some(Order::Kill) {
                process.kill();
            }
        }
        while self.children[at].stage.process().is_some() {
            self.receive_signal().await;
        }
    }

    async fn receive_signal(&mut self) {
        tokio::select! {
            biased;
            order = self.link.order() => {
                self.order = Some(order);
                if order == Order::Kill {
                    self.children.iter().filter_map(|child| child.stage.process()).for_each(Process::kill);
                }
            }
            signal = self.supervision.signal() => match signal {
                Signal::Up(pid) => self.came_up(pid),
                Signal::Down(pid, exit) => {
                    if let Some(child) = self.child(pid) {
                        child.stage = Stage::Fallen(exit);
                    }
                }
            },
        }
    }

    fn came_up(&mut self, pid: Pid) {
        if let Some(child) = self.child(pid) {
            child.pace.up();
            child.stage = match std::mem::replace(&mut child.stage, Stage::Retired) {
                Stage::Starting(process) => Stage::Up(process),
                other => other,
            };
        }
    }

    fn child(&mut self, pid: Pid) -> Option<&mut Supervised> {
        self.children.iter_mut().find(|child| child.stage.process().is_some_and(|process| process.pid == pid))
    }

    fn take_fallen(&mut self) -> Option<(usize, Exit)> {
        let mut children = self.children.iter_mut().enumerate();
        children.find_map(|(at, child)| match &child.stage {
            Stage::Fallen(exit) => {
                let exit = exit.clone();
                child.stage = Stage::Retired;
                Some((at, exit))
            }
            Stage::Idle { .. } | Stage::Starting(_) | Stage::Up(_) | Stage::Retired => None,
        })
    }

    fn first_idle(&self) -> Option<(usize, Duration)> {
        self.children.iter().enumerate().find_map(|(at, child)| match child.stage {
            Stage::Idle { pause, .. } => Some((at, pause)),
            Stage::Starting(_) | Stage::Up(_) | Stage::Fallen(_) | Stage::Retired => None,
        })
    }
}

impl Stage {
    fn process(&self) -> Option<&Process> {
        match self {
            Stage::Starting(process) | Stage::Up(process) => Some(process),
            Stage::Idle { .. } | Stage::Fallen(_) | Stage::Retired => None,
        }
    }
}
