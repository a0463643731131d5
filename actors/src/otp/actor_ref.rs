//! `ActorRef`: the name of a child, good across all its incarnations.

use std::fmt;
use std::sync::Arc;

use actix::dev::Envelope;
use actix::{Handler, Message};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::actor::Child;
use super::mailbox::{GaugeGuard, QueuedMessage};
use super::monitor::{Monitor, Watchers};
use super::registry::MailboxGauge;

/// A message did not get its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// The child was not running; the message was not handled.
    #[error("sending to {name}: it is not running")]
    NotRunning {
        /// The child that it was for.
        name: String,
    },
    /// The actor ended before it answered; how far it got with the message is not known.
    #[error("waiting for the answer of {name}: it ended first")]
    Died {
        /// The child that it was for.
        name: String,
    },
}

/// A typed name for a child. Create it first, give clones to the senders, and pass it to the [`ChildSpec`](super::ChildSpec);
/// it always leads to the current incarnation. Any thread can use it.
pub struct ActorRef<A: Child>(Arc<Named<A>>);

struct Named<A: Child> {
    name: Arc<str>,
    line: watch::Sender<Option<MailboxSender<A>>>,
    mailbox: MailboxGauge,
    watchers: Watchers,
}

type MailboxSender<A> = UnboundedSender<QueuedMessage<A>>;

impl<A: Child> ActorRef<A> {
    /// A name without a running child. It becomes the id of the child.
    pub fn named(name: impl Into<String>) -> Self {
        ActorRef(Arc::new(Named {
            name: name.into().into(),
            line: watch::Sender::new(None),
            mailbox: MailboxGauge::default(),
            watchers: Watchers::default(),
        }))
    }

    /// The child's id.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Asks, and waits for the answer. The message is on its way when this returns the future;
    /// dropping the future withdraws it unless the actor has begun with it.
    pub fn send<M>(&self, message: M) -> impl Future<Output = Result<M::Result, RefError>> + Send + use<A, M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let counted = GaugeGuard::one_more(&self.0.mailbox);
        let (answer, answered) = oneshot::channel();
        let posted = self.post(QueuedMessage { envelope: Envelope::new(message, Some(answer)), counted: None });
        let name = self.0.name.clone();
        async move {
            posted?;
            let answer = answered.await.map_err(|_| RefError::Died { name: name.to_string() });
            drop(counted);
            answer
        }
    }

    /// Sends without waiting for an answer. An error means that the child was not running.
    pub fn notify<M>(&self, message: M) -> Result<(), RefError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let counted = Some(GaugeGuard::one_more(&self.0.mailbox));
        self.post(QueuedMessage { envelope: Envelope::new(message, None), counted })
    }

    /// Whether both stand for the same child; another may have had the same name.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether an incarnation is there to take messages.
    pub fn is_running(&self) -> bool {
        self.0.line.borrow().is_some()
    }

    /// Waits until an incarnation is there to take messages.
    pub async fn running(&self) {
        let mut line = self.0.line.subscribe();
        // It fails only when the sender is gone, and we hold it.
        let _ = line.wait_for(Option::is_some).await;
    }

    /// Messages that wait for the child or are being worked on.
    pub fn mailbox(&self) -> usize {
        self.0.mailbox.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Receives every end of this child. If it has ended for good already, that is the first event.
    pub fn monitor(&self) -> Monitor {
        self.0.watchers.monitor_one()
    }

    pub(crate) fn id(&self) -> Arc<str> {
        self.0.name.clone()
    }

    pub(crate) fn watchers(&self) -> &Watchers {
        &self.0.watchers
    }

    pub(crate) fn gauge(&self) -> &MailboxGauge {
        &self.0.mailbox
    }

    /// Connects a new incarnation: it gets the messages until `Connected` is dropped.
    pub(crate) fn connect(&self) -> (Connected<A>, UnboundedReceiver<QueuedMessage<A>>) {
        let (line, messages) = unbounded_channel();
        self.0.line.send_replace(Some(line.clone()));
        (Connected { child: self.clone(), line }, messages)
    }

    fn post(&self, message: QueuedMessage<A>) -> Result<(), RefError> {
        let sent = match &*self.0.line.borrow() {
            Some(line) => line.send(message).is_ok(),
            None => false,
        };
        if sent { Ok(()) } else { Err(RefError::NotRunning { name: self.0.name.to_string() }) }
    }
}

impl<A: Child> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        ActorRef(self.0.clone())
    }
}

impl<A: Child> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorRef({})", self.0.name)
    }
}

/// The line to one incarnation; it is cut when this is dropped.
pub(crate) struct Connected<A: Child> {
    child: ActorRef<A>,
    line: MailboxSender<A>,
}

impl<A: Child> Drop for Connected<A> {
    fn drop(&mut self) {
        self.child.0.line.send_if_modified(|current| {
            // The line of a newer incarnation stays.
            let ours = current.as_ref().is_some_and(|line| line.same_channel(&self.line));
            if ours {
                *current = None;
            }
            ours
        });
    }
}
