//! Nodes: heartbeats, and the takeover from dead nodes.
//!
//! A node is alive while its lease lasts and its process holds an advisory lock, which Postgres releases the moment the process
//! ends. A connection of its own holds the lock and carries the heartbeat, so a heartbeat proves that the lock is held.

use std::time::Duration;

use deadpool_postgres::{Client, ClientWrapper};
use mover_actors::domain::ids::{MoveId, NodeId};
use mover_actors::domain::record::MoveRecord;
use tokio_postgres::error::SqlState;

use super::decode::{Columns, node_number, records};
use super::query::only;
use super::{PgMoveLog, StateError};

const JOINING: &str = "joining as a node";
const BEATING: &str = "renewing the lease of a node";

/// The session of the lock: waits a little until Postgres notices that the connection of a former process is gone, and lets
/// Postgres notice within half a minute when this machine disappears without closing it.
const SESSION_SETTINGS: &str = "SET lock_timeout = '5s'; SET tcp_keepalives_idle = 10; \
     SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

/// The connection that holds a node's lock.
pub(super) struct Session {
    name: String,
    client: ClientWrapper,
}

impl PgMoveLog {
    pub(super) async fn join_node(&self, name: &str, lease: Duration) -> Result<NodeId, StateError> {
        let lease_ms = lease.as_secs_f64() * 1000.0;
        let rows = self.query(JOINING, include_str!("sql/node_join.sql"), &[&name, &lease_ms]).await?;
        let number: i32 = Columns::new(JOINING, &only(JOINING, rows)?).get("id")?;
        let node = NodeId(number.into());

        let mut sessions = self.sessions.lock().await;
        if sessions.contains_key(&node) {
            drop(sessions);
            self.beat(node, lease).await?;
            return Ok(node);
        }
        let session = self.hold_lock(number, name).await?;
        let take_office = include_str!("sql/node_take_office.sql");
        session
            .client
            .execute(take_office, &[&number, &lease_ms])
            .await
            .map_err(|error| StateError::postgres(JOINING, &error))?;
        sessions.insert(node, session);
        Ok(node)
    }

    pub(super) async fn beat(&self, node: NodeId, lease: Duration) -> Result<(), StateError> {
        let number = node_number(node)?;
        let lease_ms = lease.as_secs_f64() * 1000.0;
        let heartbeat = include_str!("sql/node_heartbeat.sql");
        let mut sessions = self.sessions.lock().await;
        let session = sessions.get(&node).ok_or(StateError::UnknownNode(node))?;
        let mut beaten = session.client.execute(heartbeat, &[&number, &lease_ms]).await;
        if session.client.is_closed() {
            // The connection was lost and the lock with it: take the lock again on a new one.
            let session = self.hold_lock(number, &session.name).await?;
            beaten = session.client.execute(heartbeat, &[&number, &lease_ms]).await;
            sessions.insert(node, session);
        }
        match beaten.map_err(|error| StateError::postgres(BEATING, &error))? {
            0 => Err(StateError::UnknownNode(node)),
            _ => Ok(()),
        }
    }

    pub(super) async fn leave_node(&self, node: NodeId) -> Result<(), StateError> {
        let number = node_number(node)?;
        self.execute("leaving as a node", include_str!("sql/node_leave.sql"), &[&number]).await?;
        // Ends the connection, which releases the lock.
        self.sessions.lock().await.remove(&node);
        Ok(())
    }

    pub(super) async fn adopt(&self, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, StateError> {
        let doing = "taking over moves of dead nodes";
        let (number, limit) = (node_number(node)?, i64::from(limit));
        let rows = self.query(doing, include_str!("sql/move_adopt.sql"), &[&number, &limit]).await?;
        records(doing, &rows)
    }

    pub(super) async fn held_moves(&self, node: NodeId, limit: u32) -> Result<Vec<MoveId>, StateError> {
        let doing = "listing the moves of a node";
        let (number, limit) = (node_number(node)?, i64::from(limit));
        let rows = self.query(doing, include_str!("sql/node_held.sql"), &[&number, &limit]).await?;
        rows.iter().map(|row| Ok(MoveId(Columns::new(doing, row).get("id")?))).collect()
    }

    /// A connection of its own that holds the node's liveness lock.
    async fn hold_lock(&self, number: i32, name: &str) -> Result<Session, StateError> {
        let client = Client::take(self.client(JOINING).await?);
        client.batch_execute(SESSION_SETTINGS).await.map_err(|error| StateError::postgres(JOINING, &error))?;
        match client.query(include_str!("sql/node_lock.sql"), &[&number]).await {
            Ok(_) => Ok(Session { name: name.into(), client }),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                Err(StateError::NodeNameTaken { name: name.into() })
            }
            Err(error) => Err(StateError::postgres(JOINING, &error)),
        }
    }
}
