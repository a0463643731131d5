//! Nodes: heartbeats, and the takeover from dead nodes.

use std::time::Duration;

use mover_actors::domain::campaign::Phase;
use mover_actors::domain::ids::{MoveId, NodeId};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::State;
use mover_actors::ports::LogError;
use tokio::time::Instant;

use super::super::process::ProcessId;
use super::super::world::{Facts, WorldGuard};
use super::{LogFacts, NodeRow, invalid, place};

impl LogFacts {
    /// The process that a node is.
    pub fn process_of(&self, node: NodeId) -> Option<ProcessId> {
        self.nodes.get(place(node.0)).map(|row| row.process)
    }

    pub(super) fn release_locks(&mut self, session: u64) {
        for row in self.nodes.iter_mut().filter(|row| row.session == Some(session)) {
            row.session = None;
        }
    }

    /// Lets a node's lease have ended.
    pub fn expire_lease(&mut self, node: NodeId, now: Instant) {
        if let Some(row) = self.nodes.get_mut(place(node.0)) {
            row.lease_until = now;
        }
    }
}

impl Facts {
    /// Whether a node lives: it has not left, its lease runs, and a connection of its process holds its lock.
    pub(super) fn node_lives(&self, node: NodeId, now: Instant) -> bool {
        let row = self.log.nodes.get(place(node.0));
        row.is_some_and(|row| !row.left && row.lease_until > now && self.holds_its_lock(row))
    }

    fn holds_its_lock(&self, node: &NodeRow) -> bool {
        node.session.is_some() && self.is_alive(node.process)
    }

    fn node_mut(&mut self, node: NodeId) -> Result<&mut NodeRow, LogError> {
        let row = self.log.nodes.get_mut(place(node.0)).filter(|row| !row.left);
        row.ok_or_else(|| invalid("using the move log", format!("node {node} is not registered, or has left")))
    }
}

impl WorldGuard<'_> {
    /// A process that is new under a known name has replaced the former one: what that held is free.
    pub(super) fn join(
        &mut self,
        process: ProcessId,
        session: u64,
        name: &str,
        lease: Duration,
    ) -> Result<NodeId, LogError> {
        let (lease_until, name) = (self.now + lease, name.to_owned());
        let joined = NodeRow { name, lease_until, left: false, process, session: Some(session) };
        let Some(at) = self.facts.log.nodes.iter().position(|row| row.name == joined.name) else {
            self.facts.log.nodes.push(joined);
            return Ok(NodeId(i64::try_from(self.facts.log.nodes.len()).unwrap()));
        };
        let node = NodeId(i64::try_from(at).unwrap() + 1);
        let former = &self.facts.log.nodes[at];
        if former.session != Some(session) || former.left {
            if self.facts.holds_its_lock(former) && !former.left {
                return Err(invalid("joining as a node", format!("another running process is node {:?}", joined.name)));
            }
            self.release_all_of(node);
        }
        self.facts.log.nodes[at] = joined;
        Ok(node)
    }

    fn release_all_of(&mut self, node: NodeId) {
        let log = &mut self.facts.log;
        let held = |state: State| matches!(state, State::Started(_));
        for row in log.moves.iter_mut().filter(|row| row.node == Some(node) && held(row.record.state)) {
            row.node = None;
        }
        let live = |phase: Phase| phase != Phase::Ended;
        for row in log.campaigns.iter_mut().filter(|row| row.campaign.node == node && live(row.campaign.phase)) {
            row.campaign.phase = Phase::Ended;
            row.campaign.reason = Some("interrupted: its process ended".into());
        }
    }

    pub(super) fn heartbeat(&mut self, node: NodeId, lease: Duration) -> Result<(), LogError> {
        let lease_until = self.now + lease;
        self.facts.node_mut(node)?.lease_until = lease_until;
        Ok(())
    }

    pub(super) fn leave(&mut self, node: NodeId) -> Result<(), LogError> {
        if let Ok(row) = self.facts.node_mut(node) {
            row.left = true;
        }
        Ok(())
    }

    pub(super) fn adopt(&mut self, node: NodeId, limit: u32) -> Result<Vec<MoveRecord>, LogError> {
        let orphan = |facts: &Facts, row: &super::MoveRow, now| {
            matches!(row.record.state, State::Started(_))
                && row.node.is_none_or(|holder| holder != node && !facts.node_lives(holder, now))
        };
        let orphans = self.facts.log.moves.iter().filter(|row| orphan(self.facts, row, self.now));
        let orphans: Vec<MoveId> = orphans.take(limit as usize).map(|row| row.record.id).collect();
        let mut adopted = Vec::with_capacity(orphans.len());
        for id in orphans {
            let epoch = self.facts.log.next_epoch();
            let row = self.facts.log.row_mut(id)?;
            row.node = Some(node);
            row.record.epoch = epoch;
            row.record.attempts += 1;
            let record = row.record.clone();
            self.note(&record, record.state, Some(node));
            adopted.push(record);
        }
        Ok(adopted)
    }

    pub(super) fn held(&self, node: NodeId, limit: u32) -> Vec<MoveId> {
        let held = |row: &&super::MoveRow| row.node == Some(node) && matches!(row.record.state, State::Started(_));
        self.facts.log.moves.iter().filter(held).take(limit as usize).map(|row| row.record.id).collect()
    }
}
