//! Orgs that operators make ready.

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::{MigrationName, MoveId, OrgName};
use mover_actors::domain::state::{Aim, State};
use mover_actors::ports::LogError;

use super::super::world::WorldGuard;
use super::{LogFacts, invalid};

impl LogFacts {
    /// How many orgs a selection means at most; names must be known.
    pub(super) fn selection_max(
        &self,
        doing: &str,
        migration: &MigrationName,
        selection: &Selection,
    ) -> Result<Option<u64>, LogError> {
        let of_migration = || self.moves().filter(|record| record.migration == *migration);
        match selection {
            Selection::All => Ok(None),
            Selection::First(orgs) => Ok(Some(*orgs)),
            Selection::Percent(percent @ 1..=100) => {
                Ok(Some((of_migration().count() as u64 * u64::from(*percent)).div_ceil(100)))
            }
            Selection::Percent(percent) => Err(invalid(doing, format!("{percent} % is not between 1 % and 100 %"))),
            Selection::Names(names) => {
                let unknown = |name: &&OrgName| of_migration().all(|record| record.org != **name);
                match names.iter().find(unknown) {
                    None => Ok(None),
                    Some(name) => {
                        Err(invalid("using the move log", format!("migration {migration} has no org {name:?}")))
                    }
                }
            }
        }
    }
}

impl WorldGuard<'_> {
    /// Makes orgs ready that are in `from`: `holding`, `failed` or `rolled_back`; answers how many.
    pub(super) fn release(
        &mut self,
        doing: &str,
        from: State,
        migration: &MigrationName,
        selection: &Selection,
    ) -> Result<u64, LogError> {
        let max = self.facts.log.selection_max(doing, migration, selection)?.unwrap_or(u64::MAX);
        let meant = |org: &OrgName| match selection {
            Selection::Names(names) => names.contains(org),
            Selection::All | Selection::First(_) | Selection::Percent(_) => true,
        };
        let found = self.facts.log.moves().filter(|record| record.migration == *migration && record.state == from);
        let found = found.filter(|record| meant(&record.org)).map(|record| record.id);
        let found: Vec<MoveId> = found.take(usize::try_from(max).unwrap()).collect();
        for id in &found {
            let row = self.facts.log.row_mut(*id)?;
            row.record.state = State::Ready;
            row.record.aim = Aim::Migrate;
            (row.record.failure, row.record.verified) = (None, None);
            (row.node, row.closed_at, row.opened_at) = (None, None, None);
            let record = row.record.clone();
            self.note(&record, from, None);
        }
        Ok(found.len() as u64)
    }
}
