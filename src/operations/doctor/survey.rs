//! What both stores and the move log say of the orgs of a migration.

use std::collections::{BTreeSet, HashMap};

use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{State, Strategy};
use mover_actors::ports::Side;
use mover_actors::protocol::Mode;

use super::super::error::OperationError;
use super::super::world::World;
use super::verdict::{Said, Verdict, is_forgotten, verdict};
use crate::engine::Guarded;

/// What both stores and the move log say of the orgs of a migration.
pub(super) struct Survey {
    source: Option<HashMap<OrgKey, Guarded>>,
    target: Option<HashMap<OrgKey, Guarded>>,
    pub(super) moves: HashMap<OrgKey, MoveRecord>,
    pub(super) keys: BTreeSet<OrgKey>,
}

impl Survey {
    pub(super) async fn read(world: &World, migration: &MigrationName) -> Result<Self, OperationError> {
        let source = world.engine.guarded(migration, Side::Source).await?;
        let target = world.engine.guarded(migration, Side::Target).await?;
        let mut keys: BTreeSet<OrgKey> =
            [&source, &target].into_iter().flatten().flat_map(HashMap::keys).cloned().collect();
        let guarded: Vec<&OrgKey> = keys.iter().collect();
        let moves = world.log.moves_begun(migration, &guarded).await?;
        let moves: HashMap<OrgKey, MoveRecord> = moves.into_iter().map(|record| (record.key.clone(), record)).collect();
        keys.extend(moves.keys().cloned());
        Ok(Self { source, target, moves, keys })
    }

    fn guarded(&self, side: Side, key: &OrgKey) -> Option<&Guarded> {
        match side {
            Side::Source => self.source.as_ref()?.get(key),
            Side::Target => self.target.as_ref()?.get(key),
        }
    }

    pub(super) fn said(&self, side: Side, key: &OrgKey) -> Said {
        self.guarded(side, key)?.mode
    }

    pub(super) fn entries(&self, side: Side, key: &OrgKey) -> i64 {
        self.guarded(side, key).map_or(0, |guarded| guarded.entries)
    }

    pub(super) fn verdict(&self, key: &OrgKey) -> Verdict {
        let record = self.moves.get(key);
        let state = record.map(|record| record.state);
        // Such moves rely on flags alone.
        if record.is_some_and(|record| record.strategy != Strategy::Online) {
            return Verdict::Well;
        }
        // Once all orgs are finalized, the guard may be removed.
        if state == Some(State::Finalized) && self.source.is_none() {
            return Verdict::Well;
        }
        let found = verdict(self.said(Side::Source, key), self.said(Side::Target, key), state);
        // The commits of a move, a rollback that was given up included, leave the source no newer epoch than the target.
        let epoch = |side| self.guarded(side, key).map(|guarded| guarded.epoch);
        let is_behind = self.said(Side::Source, key) == Some(Mode::Moved)
            && self.said(Side::Target, key) == Some(Mode::Capturing)
            && epoch(Side::Target) < epoch(Side::Source);
        if is_behind && matches!(state, Some(State::Migrated | State::Finalized)) {
            return Verdict::Older;
        }
        let is_idle = !matches!(state, Some(State::Started(_) | State::Migrated | State::Finalized));
        match found {
            Verdict::Well if is_idle && self.entries(Side::Source, key) > 0 => Verdict::SourceLogs,
            found => found,
        }
    }

    /// Whether the org has left for a store that knows nothing of it.
    pub(super) fn is_forgotten(&self, key: &OrgKey) -> bool {
        is_forgotten(self.said(Side::Target, key), self.verdict(key))
    }

    /// Whether nobody has moved the org in between.
    pub(super) fn agrees_with(&self, later: &Self, key: &OrgKey) -> bool {
        let same = |side| match (self.guarded(side, key), later.guarded(side, key)) {
            (Some(before), Some(after)) => before.is_same_as(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        let state = |survey: &Self| survey.moves.get(key).map(|record| (record.state, record.epoch));
        same(Side::Source)
            && same(Side::Target)
            && state(self) == state(later)
            && later.verdict(key) == self.verdict(key)
    }
}
