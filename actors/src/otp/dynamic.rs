//! `Dynamic`: the handle to a supervisor whose children, all of one kind, come and go at run time.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::actor::{Child, SelfHandle};
use super::actor_ref::ActorRef;
use super::exit::Exit;
use super::monitor::{Monitor, Watchers};
use super::spec::{ChildSpec, StartFailed};

/// Starting or stopping a dynamic child did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DynamicError {
    /// The dynamic supervisor is not there: not started yet, being restarted, or stopped.
    #[error("asking {supervisor} for {id}: {supervisor} is not running")]
    NotRunning {
        /// The dynamic supervisor.
        supervisor: String,
        /// The child in question.
        id: String,
    },
    /// There is such a child already.
    #[error("starting {supervisor}/{id}: it exists already")]
    Exists {
        /// The dynamic supervisor.
        supervisor: String,
        /// The child in question.
        id: String,
    },
    /// It failed before it was up. It is not retried, and no monitor is notified: the caller
    /// does, here.
    #[error("starting {supervisor}/{id}: {exit}")]
    Fell {
        /// The dynamic supervisor.
        supervisor: String,
        /// The child in question.
        id: String,
        /// Why it failed.
        exit: Exit,
    },
    /// There is no such child.
    #[error("stopping {supervisor}/{id}: there is no such child")]
    Unknown {
        /// The dynamic supervisor.
        supervisor: String,
        /// The child in question.
        id: String,
    },
}

/// The handle to a dynamic supervisor. Make it first and give it to [`ChildSpec::dynamic`]; it is
/// good across restarts of the supervisor and can be used from any thread.
pub struct Dynamic<A: Child>(Arc<Shared<A>>);

struct Shared<A: Child> {
    name: Arc<str>,
    supervisor: watch::Sender<Option<UnboundedSender<Request<A>>>>,
    children: DashMap<Arc<str>, ActorRef<A>>,
    watchers: Watchers,
}

/// Requests of the handle to its supervisor. An answer without a receiver is dropped.
pub(crate) enum Request<A: Child> {
    Start { child: ActorRef<A>, spec: ChildSpec, started: oneshot::Sender<Result<(), StartRefused>> },
    Stop { id: String, stopped: oneshot::Sender<Option<Exit>> },
}

pub(crate) enum StartRefused {
    Exists,
    Failed(Exit),
}

impl<A: Child> Dynamic<A> {
    /// A handle without a supervisor yet. The name becomes the supervisor's id.
    pub fn named(name: impl Into<String>) -> Self {
        Dynamic(Arc::new(Shared {
            name: name.into().into(),
            supervisor: watch::Sender::new(None),
            children: DashMap::new(),
            watchers: Watchers::default(),
        }))
    }

    /// The supervisor's id.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Starts a child, and returns when it is up. `start` builds a fresh actor for this and for
    /// each later incarnation.
    pub async fn start_child<F, Fut>(&self, id: impl Into<String>, start: F) -> Result<ActorRef<A>, DynamicError>
    where
        F: Fn(SelfHandle) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, StartFailed>> + 'static,
    {
        let child = ActorRef::named(id);
        let mut spec = ChildSpec::actor(&child, start);
        spec.watchers.push(self.0.watchers.clone());
        let (started, outcome) = oneshot::channel();
        let asked = self.ask(Request::Start { child: child.clone(), spec, started });
        let supervisor = self.0.name.to_string();
        let id = child.name().to_owned();
        match (asked, outcome.await) {
            (true, Ok(Ok(()))) => Ok(child),
            (true, Ok(Err(StartRefused::Exists))) => Err(DynamicError::Exists { supervisor, id }),
            (true, Ok(Err(StartRefused::Failed(exit)))) => Err(DynamicError::Fell { supervisor, id, exit }),
            (false, _) | (true, Err(_)) => Err(DynamicError::NotRunning { supervisor, id }),
        }
    }

    /// Asks a child to stop, and returns how it ended.
    pub async fn stop_child(&self, id: &str) -> Result<Exit, DynamicError> {
        let (stopped, outcome) = oneshot::channel();
        let asked = self.ask(Request::Stop { id: id.to_owned(), stopped });
        let supervisor = self.0.name.to_string();
        let id = id.to_owned();
        match (asked, outcome.await) {
            (true, Ok(Some(exit))) => Ok(exit),
            (true, Ok(None)) => Err(DynamicError::Unknown { supervisor, id }),
            (false, _) | (true, Err(_)) => Err(DynamicError::NotRunning { supervisor, id }),
        }
    }

    /// The child of that id, also while it is being restarted.
    pub fn child(&self, id: &str) -> Option<ActorRef<A>> {
        self.0.children.get(id).map(|child| child.clone())
    }

    /// The ids of all children, sorted.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.0.children.iter().map(|child| child.name().to_owned()).collect();
        ids.sort();
        ids
    }

    /// How many children there are.
    pub fn len(&self) -> usize {
        self.0.children.len()
    }

    /// Whether there are no children.
    pub fn is_empty(&self) -> bool {
        self.0.children.is_empty()
    }

    /// Receives every end of every child from now on, also across restarts of the supervisor.
    pub fn monitor(&self) -> Monitor {
        self.0.watchers.monitor()
    }

    /// Waits until the supervisor is there to take requests.
    pub async fn running(&self) {
        let mut supervisor = self.0.supervisor.subscribe();
        // It fails only when the sender is gone, and we hold it.
        let _ = supervisor.wait_for(Option::is_some).await;
    }

    pub(crate) fn id(&self) -> Arc<str> {
        self.0.name.clone()
    }

    /// Connects a new incarnation of the supervisor: requests go to it from now on.
    pub(crate) fn open(&self) -> UnboundedReceiver<Request<A>> {
        let (supervisor, requests) = unbounded_channel();
        self.0.children.clear();
        self.0.supervisor.send_replace(Some(supervisor));
        requests
    }

    pub(crate) fn close(&self) {
        self.0.supervisor.send_replace(None);
    }

    pub(crate) fn list(&self, child: ActorRef<A>) {
        self.0.children.insert(child.id(), child);
    }

    pub(crate) fn strike(&self, id: &str) {
        self.0.children.remove(id);
    }

    fn ask(&self, request: Request<A>) -> bool {
        self.0.supervisor.borrow().as_ref().is_some_and(|supervisor| supervisor.send(request).is_ok())
    }
}

impl<A: Child> Clone for Dynamic<A> {
    fn clone(&self) -> Self {
        Dynamic(self.0.clone())
    }
}

impl<A: Child> fmt::Debug for Dynamic<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dynamic({})", self.0.name)
    }
}
