//! The registry: a live picture of the tree, kept by the supervisors and read by anyone, without a
//! message to any actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use serde::Serialize;
use tokio::time::Instant;

use super::exit::Exit;
use super::tree::TreeNode;

/// The kind of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It keeps children alive.
    Supervisor,
    /// It does the work.
    Worker,
}

/// The state of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its start is under way.
    Starting,
    /// It is up.
    Running,
    /// It failed and will be restarted.
    Restarting,
    /// It was asked to stop.
    Stopping,
    /// It has ended for good.
    Down,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Restarting => "restarting",
            State::Stopping => "stopping",
            State::Down => "down",
        }
    }
}

/// How many messages wait for a child or are being worked on.
pub(crate) type MailboxGauge = Arc<AtomicUsize>;

pub(crate) struct Row {
    pub(crate) id: Arc<str>,
    pub(crate) parent: Option<Arc<str>>,
    pub(crate) position: usize,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) since: Instant,
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<Exit>,
    pub(crate) mailbox: Option<MailboxGauge>,
    pub(crate) note: String,
}

/// A cheap handle to the live picture; clones show the same registry.
#[derive(Clone, Default)]
pub struct Registry(Arc<DashMap<Arc<str>, Row>>);

impl Registry {
    /// An empty registry, to be given to [`Root::start`](super::Root::start).
    pub fn new() -> Self {
        Registry::default()
    }

    /// The whole tree as it is now: children in start order, then by name. `None` before the root
    /// was started.
    pub fn tree(&self) -> Option<TreeNode> {
        TreeNode::grow(self.0.iter().map(|row| TreeNode::of(row.key(), row.value())))
    }

    /// One child, without what is below it.
    pub fn child(&self, path: &str) -> Option<TreeNode> {
        self.0.get(path).map(|row| TreeNode::of(row.key(), row.value()))
    }

    /// Adds a row, or keeps the row of earlier incarnations.
    pub(crate) fn place(&self, path: &Arc<str>, row: Row) {
        self.0
            .entry(path.clone())
            .and_modify(|old| {
                old.position = row.position;
                old.mailbox = row.mailbox.clone();
                old.note.clone_from(&row.note);
            })
            .or_insert(row);
    }

    pub(crate) fn enter(&self, path: &str, state: State) {
        self.change(path, |row| row.enter(state));
    }

    pub(crate) fn restarting(&self, path: &str, exit: &Exit) {
        self.change(path, |row| {
            row.enter(State::Restarting);
            row.restarts += 1;
            row.last_exit = Some(exit.clone());
        });
    }

    pub(crate) fn ended(&self, path: &str, exit: &Exit) {
        self.change(path, |row| {
            row.enter(State::Down);
            row.last_exit = Some(exit.clone());
        });
    }

    pub(crate) fn note(&self, path: &str, note: String) {
        self.change(path, |row| row.note = note);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.0.remove(path);
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Row)) {
        if let Some(mut row) = self.0.get_mut(path) {
            change(&mut row);
        }
    }
}

impl Row {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.since = Instant::now();
    }

    pub(crate) fn mailbox_len(&self) -> usize {
        self.mailbox.as_ref().map_or(0, |gauge| gauge.load(Ordering::Relaxed))
    }
}
