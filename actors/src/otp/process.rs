//! Messages between a supervisor and one incarnation of a child: orders down, signals up.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use super::exit::Exit;
use super::policy::Shutdown;
use super::registry::{Registry, State};

/// One incarnation. A restart has another, so late signals of an old incarnation are not taken for the new
/// one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pid(pub(crate) u64);

/// From a supervisor to its child. A supervisor that is gone counts as `Kill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Stop { limit: Option<Duration> },
    Kill,
}

impl Order {
    /// The end of a child that obeys at once.
    pub(crate) fn obeyed(self) -> Exit {
        match self {
            Order::Stop { .. } => Exit::Shutdown,
            Order::Kill => Exit::Killed,
        }
    }
}

/// From a child to its supervisor. `Down` is the last, sent when nothing of the incarnation is
/// left.
#[derive(Debug)]
pub(crate) enum Signal {
    Up(Pid),
    Down(Pid, Exit),
}

/// The supervisor's end: dropping it kills the child.
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) orders: UnboundedSender<Order>,
}

impl Process {
    pub(crate) fn stop(&self, shutdown: Shutdown) {
        self.order(match shutdown {
            Shutdown::Within(limit) => Order::Stop { limit: Some(limit) },
            Shutdown::Unlimited => Order::Stop { limit: None },
            Shutdown::Brutal => Order::Kill,
        });
    }

    pub(crate) fn kill(&self) {
        self.order(Order::Kill);
    }

    fn order(&self, order: Order) {
        // A child that no longer listens has ended, and its `Down` is on its way.
        let _ = self.orders.send(order);
    }
}

/// The child's end.
pub(crate) struct SupervisorLink {
    pub(crate) pid: Pid,
    pub(crate) id: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) registry: Registry,
    orders: UnboundedReceiver<Order>,
    signals: UnboundedSender<Signal>,
    pending: PendingOrder,
}

#[derive(Clone, Copy)]
enum PendingOrder {
    Nothing,
    Stop { deadline: Option<Instant> },
    Kill,
}

impl SupervisorLink {
    pub(crate) fn new(
        pid: Pid,
        id: Arc<str>,
        path: Arc<str>,
        registry: Registry,
        orders: UnboundedReceiver<Order>,
        signals: UnboundedSender<Signal>,
    ) -> Self {
        SupervisorLink { pid, id, path, registry, orders, signals, pending: PendingOrder::Nothing }
    }

    /// The child is up: the supervisor continues to the next one.
    pub(crate) fn up(&self) {
        self.registry.enter(&self.path, State::Running);
        // It fails only when the supervisor is gone; then the next order is `Kill`.
        let _ = self.signals.send(Signal::Up(self.pid));
    }

    /// The next order: at most one `Stop`, then at most one `Kill`, which also comes when the time
    /// limit of `Stop` has run out.
    pub(crate) async fn order(&mut self) -> Order {
        loop {
            let order = tokio::select! {
                biased;
                order = self.orders.recv(), if !matches!(self.pending, PendingOrder::Kill) => order.unwrap_or(Order::Kill),
                () = self.pending.overdue() => Order::Kill,
            };
            match (order, self.pending) {
                (Order::Stop { limit }, PendingOrder::Nothing) => {
                    self.registry.enter(&self.path, State::Stopping);
                    self.pending = PendingOrder::Stop { deadline: limit.map(|limit| Instant::now() + limit) };
                    return order;
                }
                (Order::Stop { .. }, PendingOrder::Stop { .. } | PendingOrder::Kill) => {}
                (Order::Kill, _) => {
                    self.pending = PendingOrder::Kill;
                    return order;
                }
            }
        }
    }
}

impl PendingOrder {
    async fn overdue(self) {
        match self {
            PendingOrder::Stop { deadline: Some(deadline) } => sleep_until(deadline).await,
            PendingOrder::Stop { deadline: None } | PendingOrder::Nothing | PendingOrder::Kill => pending().await,
        }
    }
}
