//! Moves: transitions, each on its own merits, and their history.

use std::time::SystemTime;

use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::{Epoch, MoveId, NodeId, OrgName};
use mover_actors::domain::record::{Advance, MoveRecord};
use mover_actors::domain::state::State;
use mover_actors::ports::LogError;

use super::super::event::Event;
use super::super::world::{InjectedBug, WorldGuard};
use super::HistoryRow;

impl WorldGuard<'_> {
    pub(super) fn advance(&mut self, node: NodeId, advances: &[Advance]) -> Vec<Result<(), LogError>> {
        advances.iter().map(|advance| self.advance_one(node, advance)).collect()
    }

    fn advance_one(&mut self, node: NodeId, advance: &Advance) -> Result<(), LogError> {
        check(advance)?;
        let fenced = LogError::Fenced { id: advance.id(), ours: advance.epoch() };
        let lenient = self.facts.has_injected_bug(InjectedBug::NoFencing);
        let row = self.facts.log.row_mut(advance.id())?;
        let ours = row.record.epoch == advance.epoch() && row.record.state == advance.from();
        if !ours && !lenient {
            return if self.was_written(advance) { Ok(()) } else { Err(fenced) };
        }
        let findings = advance.findings();
        row.record.apply(advance.clone());
        row.closed_at = findings.closed_at.or(row.closed_at);
        row.opened_at = findings.opened_at.or(row.opened_at);
        let record = row.record.clone();
        let times = if self.facts.has_injected_bug(InjectedBug::CountTwice) { 2 } else { 1 };
        self.facts.log.count_end(record.campaign, advance.from(), record.state, times)?;
        self.note(&record, advance.from(), Some(node));
        Ok(())
    }

    /// Gives a started move a new epoch; answers again what a first try answered.
    pub(super) fn renew(&mut self, node: NodeId, id: MoveId, epoch: Epoch) -> Result<Epoch, LogError> {
        let fenced = LogError::Fenced { id, ours: epoch };
        let row = self.facts.log.row(id)?;
        if row.node != Some(node) || row.record.state.step().is_none() {
            return Err(fenced);
        }
        let held = row.record.epoch;
        if held != epoch {
            return if row.renewed == Some((epoch, held)) { Ok(held) } else { Err(fenced) };
        }
        let new = self.facts.log.next_epoch();
        let row = self.facts.log.row_mut(id)?;
        row.record.epoch = new;
        row.renewed = Some((epoch, new));
        let record = row.record.clone();
        self.note(&record, record.state, Some(node));
        Ok(new)
    }

    /// Renames an org, and moves its desired flags.
    pub(super) fn rename(&mut self, id: MoveId, epoch: Epoch, name: &OrgName) -> Result<(), LogError> {
        let record = self.facts.log.row(id)?.record.clone();
        if record.epoch != epoch || record.state.step().is_none() {
            return Err(LogError::Fenced { id, ours: epoch });
        }
        let same: Vec<MoveId> = self
            .facts
            .log
            .moves()
            .filter(|other| other.org == record.org && other.key == record.key)
            .map(|other| other.id)
            .collect();
        let taken = |other: &MoveRecord| other.org == *name && other.key != record.key;
        if self.facts.log.moves().any(taken) {
            let problem = format!("the move log has another org of the name {:?}", name.as_str());
            return Err(LogError::Invalid { doing: "renaming an org".into(), problem });
        }
        for id in same {
            self.facts.log.row_mut(id)?.record.org = name.clone();
        }
        self.move_desired(&FlagKey::org(&record.org), &FlagKey::org(name));
        Ok(())
    }

    /// Notes since when writers of an org have been shut out.
    pub(super) fn note_shut_out(&mut self, id: MoveId, epoch: Epoch, since: SystemTime) {
        let Ok(row) = self.facts.log.row_mut(id) else { return };
        let is_open = row.closed_at.is_none() || row.opened_at.is_some();
        if row.record.epoch == epoch && row.record.state.step().is_some() && is_open {
            (row.closed_at, row.opened_at) = (Some(since), None);
        }
    }

    fn was_written(&self, advance: &Advance) -> bool {
        self.facts.log.history.iter().any(|row| {
            row.id == advance.id()
                && row.epoch == advance.epoch()
                && row.from == advance.from()
                && row.to == advance.to()
        })
    }

    /// Writes a change of a move into its history.
    pub(super) fn note(&mut self, record: &MoveRecord, from: State, node: Option<NodeId>) {
        let MoveRecord { id, epoch, state: to, campaign, .. } = *record;
        self.facts.log.history.push(HistoryRow { id, epoch, node, from, to, campaign });
        let (migration, org) = (record.migration.clone(), record.org.clone());
        self.emit(Event::Moved { id, migration, org, from, to, epoch, node, campaign });
    }
}

/// What the constraints of a database would refuse.
fn check(advance: &Advance) -> Result<(), LogError> {
    match advance.problem() {
        None => Ok(()),
        Some(problem) => {
            let doing = format!("advancing move {} from {} to {}", advance.id(), advance.from(), advance.to());
            Err(LogError::Invalid { doing, problem: problem.into() })
        }
    }
}
