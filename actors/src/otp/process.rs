//! What passes between a supervisor and one incarnation of a child: orders down, signals up.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use super::board::{Board, State};
use super::exit::Exit;
use super::policy::Shutdown;

/// One incarnation. A restart has another, so what an old one still says is not taken for the new
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
pub(crate) struct Seat {
    pub(crate) pid: Pid,
    pub(crate) id: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) board: Board,
    orders: UnboundedReceiver<Order>,
    signals: UnboundedSender<Signal>,
    obeying: Obeying,
}

#[derive(Clone, Copy)]
enum Obeying {
    Nothing,
    Stop { deadline: Option<Instant> },
    Kill,
}

impl Seat {
    pub(crate) fn new(
        pid: Pid,
        id: Arc<str>,
        path: Arc<str>,
        board: Board,
        orders: UnboundedReceiver<Order>,
        signals: UnboundedSender<Signal>,
    ) -> Self {
        Seat { pid, id, path, board, orders, signals, obeying: Obeying::Nothing }
    }

    /// The child is up: the supervisor goes on to the next one.
    pub(crate) fn up(&self) {
        self.board.enter(&self.path, State::Running);
        // It fails only when the supervisor is gone; then the next order is `Kill`.
        let _ = self.signals.send(Signal::Up(self.pid));
    }

    /// The next order: at most one `Stop`, then at most one `Kill`, which also comes when the time
    /// limit of `Stop` has run out.
    pub(crate) async fn order(&mut self) -> Order {
        loop {
            let order = tokio::select! {
                biased;
                order = self.orders.recv(), if !matches!(self.obeying, Obeying::Kill) => order.unwrap_or(Order::Kill),
                () = self.obeying.overdue() => Order::Kill,
            };
            match (order, self.obeying) {
                (Order::Stop { limit }, Obeying::Nothing) => {
                    self.board.enter(&self.path, State::Stopping);
                    self.obeying = Obeying::Stop { deadline: limit.map(|limit| Instant::now() + limit) };
                    return order;
                }
                (Order::Stop { .. }, Obeying::Stop { .. } | Obeying::Kill) => {}
                (Order::Kill, _) => {
                    self.obeying = Obeying::Kill;
                    return order;
                }
            }
        }
    }
}

impl Obeying {
    async fn overdue(self) {
        match self {
            Obeying::Stop { deadline: Some(deadline) } => sleep_until(deadline).await,
            Obeying::Stop { deadline: None } | Obeying::Nothing | Obeying::Kill => pending().await,
        }
    }
}
