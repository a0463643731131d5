//! Sessions: what a connection holds, and how it ends. A server notices the end of a client after a while; until then everything that the
//! session holds stays held.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::ports::Side;
use tokio::time::Instant;

use super::super::process::ProcessId;
use super::super::world::{Facts, NOTICED_AFTER, WorldGuard};
use super::fault::Fault;
use super::snapshots::Snapshot;
use super::transactions::Transaction;

/// Which session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct SessionId(u64);

/// What the server knows of a session.
#[derive(Debug)]
pub(super) struct SessionFacts {
    pub(super) process: ProcessId,
    pub(super) side: Side,
    pub(super) transaction: Option<Transaction>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// The name by which others can read from the snapshot.
    pub(super) exported: Option<String>,
    /// Locks that are held alone.
    pub(super) locks: BTreeSet<(MigrationName, OrgKey)>,
    /// The lock that it waits for: whoever comes later waits behind it.
    pub(super) waits_for: Option<(MigrationName, OrgKey)>,
    /// Whether a statement has failed in the open transaction or snapshot.
    is_aborted: bool,
    closed_at: Option<Instant>,
    /// Requests that have left the client and have not come here yet.
    in_flight: usize,
    heard_at: Instant,
    /// The server ends the session when it hears nothing for so long.
    idle_max: Option<Duration>,
}

/// Whether a request ends a transaction, and so is carried out in one that is aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Ends {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl SessionFacts {
    fn is_over(&self, facts: &Facts, now: Instant) -> bool {
        let idle_max = self.transaction.as_ref().and_then(|open| open.idle_max).or(self.idle_max);
        if idle_max.is_some_and(|idle_max| now >= self.heard_at + idle_max) {
            return true;
        }
        // What was sent before comes before the end of the connection does.
        let is_noticed = |at: Instant| now >= at + NOTICED_AFTER && self.in_flight == 0;
        self.closed_at.is_some_and(is_noticed) || facts.died_at(self.process).is_some_and(is_noticed)
    }

    /// Whether the server notices when nothing is heard.
    pub(super) fn ends_when_idle_for(&mut self, idle_max: Option<Duration>) {
        self.idle_max = idle_max;
    }

    fn is_at_rest(&self) -> bool {
        self.transaction.is_none() && self.snapshot.is_none() && self.locks.is_empty() && self.idle_max.is_none()
    }
}

impl WorldGuard<'_> {
    pub(in super::super) fn open_session(&mut self, process: ProcessId, side: Side) -> SessionId {
        let id = SessionId(self.facts.stores.next_number());
        let session = SessionFacts {
            process,
            side,
            transaction: None,
            snapshot: None,
            exported: None,
            locks: BTreeSet::new(),
            waits_for: None,
            is_aborted: false,
            closed_at: None,
            in_flight: 0,
            heard_at: self.now,
            idle_max: None,
        };
        self.facts.stores.sessions.insert(id, session);
        id
    }

    /// The client has closed the connection; the server will notice.
    pub(in super::super) fn close_session(&mut self, id: SessionId) {
        let now = self.now;
        if let Some(session) = self.facts.stores.sessions.get_mut(&id) {
            session.closed_at.get_or_insert(now);
        }
    }

    /// The client gives the session to whoever needs one next, who must find it at rest.
    pub(in super::super) fn release_session(&mut self, id: SessionId) {
        if let Some(session) = self.facts.stores.sessions.remove(&id)
            && !session.is_at_rest()
        {
            self.complain("sessions", format!("a session was given back that is not at rest: {session:?}"));
        }
    }

    /// A request leaves the client.
    pub(in super::super) fn departs(&mut self, id: SessionId) {
        self.facts.stores.sessions.get_mut(&id).into_iter().for_each(|session| session.in_flight += 1);
    }

    /// It has been answered.
    pub(in super::super) fn arrived(&mut self, id: SessionId) {
        self.facts.stores.sessions.get_mut(&id).into_iter().for_each(|session| session.in_flight -= 1);
    }

    /// Ends all sessions whose clients are known to be gone, with what they hold.
    pub(in super::super) fn end_lost_sessions(&mut self) {
        let over = |session: &SessionFacts| session.is_over(self.facts, self.now);
        let over: Vec<SessionId> =
            self.facts.stores.sessions.iter().filter(|(_, session)| over(session)).map(|(id, _)| *id).collect();
        for id in over {
            self.facts.stores.sessions.remove(&id);
        }
    }

    /// A store is started again: all that was not committed is gone.
    pub fn restart_store(&mut self, side: Side) {
        let stores = &mut self.facts.stores;
        stores.lives[super::number(side)] += 1;
        stores.sessions.retain(|_, session| session.side != side);
        stores.writers.retain(|_, writer| writer.side() != side);
    }

    /// Carries out a request in a session.
    pub(in super::super) fn in_session<T>(
        &mut self,
        id: SessionId,
        ends: Ends,
        request: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.end_lost_sessions();
        let now = self.now;
        let session = self.facts.stores.sessions.get_mut(&id).ok_or(Fault::Ended)?;
        session.heard_at = now;
        if session.is_aborted && ends == Ends::No {
            return Err(Fault::Aborted);
        }
        let answer = request(self);
        if answer.as_ref().is_err_and(|fault| !matches!(fault, Fault::Locked)) {
            self.abort_transaction(id);
        }
        answer
    }

    /// A statement has failed: the open transaction can only be ended.
    pub(in super::super) fn abort_transaction(&mut self, id: SessionId) {
        if let Some(session) = self.facts.stores.sessions.get_mut(&id) {
            session.waits_for = None;
            session.is_aborted = session.transaction.is_some() || session.snapshot.is_some();
        }
    }

    pub(super) fn session(&mut self, id: SessionId) -> Result<&mut SessionFacts, Fault> {
        self.facts.stores.sessions.get_mut(&id).ok_or(Fault::Ended)
    }

    /// Ends a failed transaction; answers whether it had failed.
    pub(super) fn end_aborted(&mut self, id: SessionId) -> Result<bool, Fault> {
        Ok(std::mem::take(&mut self.session(id)?.is_aborted))
    }
}
