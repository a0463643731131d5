//! Actors, workers and nodes.

use mover_actors::otp::TreeNode;
use serde::Serialize;
use utoipa::ToSchema;

/// An actor and its children.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(no_recursion)]
pub(in crate::http) struct Actor {
    pub(in crate::http::api) id: String,
    path: String,
    /// `supervisor` or `worker`.
    #[schema(value_type = String)]
    kind: mover_actors::otp::Kind,
    /// `starting`, `running`, `restarting`, `stopping` or `down`.
    #[schema(value_type = String)]
    pub(in crate::http::api) state: mover_actors::otp::State,
    pub(in crate::http::api) since_ms: u64,
    pub(in crate::http::api) restarts: u32,
    last_exit: Option<String>,
    mailbox: usize,
    pub(in crate::http::api) note: String,
    pub(in crate::http) children: Vec<Actor>,
}

impl From<TreeNode> for Actor {
    fn from(node: TreeNode) -> Self {
        Self {
            id: node.id,
            path: node.path,
            kind: node.kind,
            state: node.state,
            since_ms: node.since_ms,
            restarts: node.restarts,
            last_exit: node.last_exit,
            mailbox: node.mailbox,
            note: node.note,
            children: node.children.into_iter().map(Actor::from).collect(),
        }
    }
}

impl Actor {
    /// Whether they differ in time only.
    pub(in crate::http) fn is_like(&self, other: &Self) -> bool {
        let alike = (&self.id, self.state, self.restarts, &self.last_exit, self.mailbox, &self.note)
            == (&other.id, other.state, other.restarts, &other.last_exit, other.mailbox, &other.note);
        alike
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(one, other)| one.is_like(other))
    }
}

/// A worker of the pool.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Worker {
    pub(in crate::http::api) id: String,
    #[schema(value_type = String)]
    pub(in crate::http::api) state: mover_actors::otp::State,
    pub(in crate::http::api) restarts: u32,
    /// The org and the step; empty: it is idle.
    pub(in crate::http::api) doing: String,
}

/// A Mover process.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Node {
    pub(in crate::http::api) id: i64,
    pub(in crate::http::api) name: String,
    pub(in crate::http::api) alive: bool,
    pub(in crate::http::api) in_flight: u64,
    pub(in crate::http::api) joined_at: String,
}
