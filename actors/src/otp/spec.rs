//! Specs of children: actors, supervisors and dynamic supervisors.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::actor::{self, Child, SelfHandle};
use super::actor_ref::ActorRef;
use super::dynamic::Dynamic;
use super::dynamic_supervisor::DynamicSupervisor;
use super::exit::Exit;
use super::monitor::{ChildEvent, Watchers};
use super::policy::{Backoff, ChildPolicy, Intensity, Restart, Shutdown, Strategy};
use super::process::SupervisorLink;
use super::registry::{Kind, MailboxGauge};
use super::supervisor::Supervisor;

/// A start function could not build its actor. Any error becomes one with `?`.
#[derive(Debug)]
pub struct StartFailed(String);

impl StartFailed {
    /// With this reason.
    pub fn because(reason: impl fmt::Display) -> Self {
        StartFailed(reason.to_string())
    }
}

impl<E: Error + 'static> From<E> for StartFailed {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason = format!("{reason}: {error}");
            cause = error.source();
        }
        StartFailed(reason)
    }
}

impl fmt::Display for StartFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did not start: {}", self.0)
    }
}

type Start = dyn Fn(SupervisorLink) -> LocalBoxFuture<'static, Exit> + Send + Sync;

/// One child of a supervisor: its id, how each incarnation is started, and the rules for its
/// restart and its stop.
pub struct ChildSpec {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) policy: ChildPolicy,
    pub(crate) watchers: Vec<Watchers>,
    pub(crate) mailbox: Option<MailboxGauge>,
    pub(crate) note: &'static str,
    pub(crate) start: Box<Start>,
}

impl ChildSpec {
    /// An actor. `start` builds a fresh one for each incarnation, so that nothing of a failed one survives except what it had
    /// stored. The child is permanent and has 5 seconds to stop, unless configured otherwise.
    pub fn actor<A, F, Fut>(child: &ActorRef<A>, start: F) -> Self
    where
        A: Child,
        F: Fn(SelfHandle) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, StartFailed>> + 'static,
    {
        let start = Arc::new(start);
        let incarnated = child.clone();
        ChildSpec {
            id: child.id(),
            kind: Kind::Worker,
            policy: ChildPolicy::default(),
            watchers: vec![child.watchers().clone()],
            mailbox: Some(child.gauge().clone()),
            note: "",
            start: Box::new(move |link| actor::live(link, incarnated.clone(), start.clone()).boxed_local()),
        }
    }

    /// A supervisor with children of its own. It is waited for without limit: its children have
    /// theirs.
    pub fn supervisor(spec: SupervisorSpec) -> Self {
        let spec = Arc::new(spec);
        let id = spec.name.clone();
        let note = spec.strategy.name();
        Self::of_supervisor(id, note, move |link| Supervisor::new(spec.clone(), link).run().boxed_local())
    }

    /// A dynamic supervisor: its children come and go through the handle.
    pub fn dynamic<A: Child>(handle: &Dynamic<A>, spec: DynamicSpec) -> Self {
        let handle = handle.clone();
        Self::of_supervisor(handle.id(), "dynamic", move |link| {
            DynamicSupervisor::new(handle.clone(), spec, link).run().boxed_local()
        })
    }

    fn of_supervisor<S>(id: Arc<str>, note: &'static str, start: S) -> Self
    where
        S: Fn(SupervisorLink) -> LocalBoxFuture<'static, Exit> + Send + Sync + 'static,
    {
        ChildSpec {
            id,
            kind: Kind::Supervisor,
            policy: ChildPolicy { shutdown: Shutdown::Unlimited, ..ChildPolicy::default() },
            watchers: Vec::new(),
            mailbox: None,
            note,
            start: Box::new(start),
        }
    }

    /// Which of its ends are followed by a restart.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.policy.restart = restart;
        self
    }

    /// How it is stopped.
    #[must_use]
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.policy.shutdown = shutdown;
        self
    }

    /// Lets it pause before a restart. Its supervisor waits with it before it starts the children
    /// after it.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = Some(backoff);
        self
    }

    pub(crate) fn notify(&self, event: &ChildEvent) {
        self.watchers.iter().for_each(|watchers| watchers.notify(event));
    }
}

/// A supervisor: children in start order, the restart strategy, and the restart limit.
pub struct SupervisorSpec {
    pub(crate) name: Arc<str>,
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) children: Vec<Arc<ChildSpec>>,
}

impl SupervisorSpec {
    /// Without children yet, and with the default intensity: 3 restarts in 5 seconds.
    pub fn new(name: impl Into<String>, strategy: Strategy) -> Self {
        SupervisorSpec {
            name: name.into().into(),
            strategy,
            intensity: Intensity::default(),
            backoff: None,
            children: Vec::new(),
        }
    }

    /// How many restarts it allows itself.
    #[must_use]
    pub fn intensity(mut self, intensity: Intensity) -> Self {
        self.intensity = intensity;
        self
    }

    /// Lets it pause before it restarts a child that has no backoff of its own.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Adds a child, started after and stopped before those added earlier.
    #[must_use]
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(Arc::new(child));
        self
    }
}

/// The rules of a dynamic supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DynamicSpec {
    /// For every child of it.
    pub children: ChildPolicy,
    /// How many restarts it allows itself, over all its children.
    pub intensity: Intensity,
}

/// Children are restarted when they fail, after a growing pause, so that a child that always fails does not spin.
impl Default for DynamicSpec {
    fn default() -> Self {
        DynamicSpec {
            children: ChildPolicy {
                restart: Restart::Transient,
                backoff: Some(Backoff::default()),
                ..ChildPolicy::default()
            },
            intensity: Intensity::default(),
        }
    }
}
