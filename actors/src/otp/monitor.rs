//! Monitors: subscribers receive each exit of a child, with its reason.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::exit::Exit;

/// One incarnation of a child has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// The child's id under its supervisor.
    pub id: String,
    /// Why it ended.
    pub exit: Exit,
}

/// The events of a monitor: one for each incarnation that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildEvent {
    /// It ended, and its supervisor is about to start it again.
    Restarting(Down),
    /// It ended for good.
    Ended(Down),
}

/// A stream of [`ChildEvent`]s; it starts with what happens after it was asked for.
#[derive(Debug)]
pub struct Monitor(UnboundedReceiver<ChildEvent>);

impl Monitor {
    /// The next event; `None` when no event can follow because no one holds the child's
    /// name.
    pub async fn next(&mut self) -> Option<ChildEvent> {
        self.0.recv().await
    }
}

impl Stream for Monitor {
    type Item = ChildEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ChildEvent>> {
        self.0.poll_recv(cx)
    }
}

/// The monitors of one child, or of all children of a dynamic supervisor.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    monitors: Vec<UnboundedSender<ChildEvent>>,
    /// Set while the child is down for good, so that a monitor that comes late is not left waiting.
    ended: Option<Down>,
}

impl Watchers {
    /// Receives every event from now on.
    pub(crate) fn monitor(&self) -> Monitor {
        let (tell, hear) = unbounded_channel();
        self.lock().monitors.push(tell);
        Monitor(hear)
    }

    /// The same for a single child: if it has ended already, the event is there at once.
    pub(crate) fn monitor_one(&self) -> Monitor {
        let (tell, hear) = unbounded_channel();
        let mut watched = self.lock();
        if let Some(down) = &watched.ended {
            // The receiver is in our hand, so this cannot fail.
            let _ = tell.send(ChildEvent::Ended(down.clone()));
        }
        watched.monitors.push(tell);
        Monitor(hear)
    }

    pub(crate) fn started(&self) {
        self.lock().ended = None;
    }

    pub(crate) fn notify(&self, event: &ChildEvent) {
        let mut watched = self.lock();
        if let ChildEvent::Ended(down) = event {
            watched.ended = Some(down.clone());
        }
        // A monitor that was dropped stops listening by failing here.
        watched.monitors.retain(|monitor| monitor.send(event.clone()).is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
