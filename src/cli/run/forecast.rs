//! What the orgs and flags would be after the steps that a dry run has passed, if no org fails.

use std::collections::BTreeMap;

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::MigrationName;

use crate::cli::error::CliError;
use crate::cli::host::RunJournal;
use crate::state::read::StateName;

/// Every state, in the order of a move.
const STATES: [StateName; 7] = [
    StateName::Holding,
    StateName::Ready,
    StateName::Started,
    StateName::Migrated,
    StateName::Failed,
    StateName::RolledBack,
    StateName::Finalized,
];

/// See the module's documentation. What no step has changed is read when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Forecast {
    orgs: BTreeMap<MigrationName, BTreeMap<StateName, u64>>,
    flags: BTreeMap<(String, String), Option<String>>,
    /// Orgs that earlier steps would have captured.
    joined: BTreeMap<MigrationName, u64>,
    /// Whether an earlier step would have changed orgs.
    moved: bool,
}

impl Forecast {
    /// Whether an earlier step would have changed orgs.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    /// How many orgs of a migration would be in each state.
    async fn of(
        &mut self,
        host: &mut dyn RunJournal,
        migration: &MigrationName,
    ) -> Result<&mut BTreeMap<StateName, u64>, CliError> {
        if !self.orgs.contains_key(migration) {
            let mut counts = BTreeMap::new();
            for state in STATES {
                counts.insert(state, host.count(migration, state).await?);
            }
            self.orgs.insert(migration.clone(), counts);
        }
        Ok(self.orgs.entry(migration.clone()).or_default())
    }

    /// How many orgs of a migration would be in a state.
    pub(super) async fn count(
        &mut self,
        host: &mut dyn RunJournal,
        migration: &MigrationName,
        state: StateName,
    ) -> Result<u64, CliError> {
        Ok(self.of(host, migration).await?.get(&state).copied().unwrap_or_default())
    }

    /// How many orgs of a migration earlier steps would have captured.
    pub(super) fn joined(&self, migration: &MigrationName) -> u64 {
        self.joined.get(migration).copied().unwrap_or_default()
    }

    /// Lets orgs join in a state.
    pub(super) async fn join(
        &mut self,
        host: &mut dyn RunJournal,
        migration: &MigrationName,
        state: StateName,
        orgs: u64,
    ) -> Result<(), CliError> {
        *self.of(host, migration).await?.entry(state).or_default() += orgs;
        *self.joined.entry(migration.clone()).or_default() += orgs;
        self.moved |= orgs > 0;
        Ok(())
    }

    /// Lets the selected ones of the orgs in `from` go on to `to`; returns how many that are.
    pub(super) async fn go(
        &mut self,
        host: &mut dyn RunJournal,
        migration: &MigrationName,
        selection: &Selection,
        (from, to): (StateName, StateName),
    ) -> Result<u64, CliError> {
        let counts = self.of(host, migration).await?;
        let (there, total) = (counts.get(&from).copied().unwrap_or_default(), counts.values().sum());
        let going = selected(selection, there, total);
        counts.insert(from, there - going);
        *counts.entry(to).or_default() += going;
        self.moved |= going > 0;
        Ok(going)
    }

    /// Whether an earlier step would have set a flag.
    pub(super) fn sets(&self, key: &FlagKey, field: &str) -> bool {
        self.flags.contains_key(&(key.as_str().to_owned(), field.to_owned()))
    }

    /// The value that a flag would have.
    pub(super) async fn flag(
        &self,
        host: &mut dyn RunJournal,
        key: &FlagKey,
        field: &str,
    ) -> Result<Option<String>, CliError> {
        match self.flags.get(&(key.as_str().to_owned(), field.to_owned())) {
            Some(value) => Ok(value.clone()),
            None => host.flag(key, field).await,
        }
    }

    /// Sets flags, and returns what would change, as text.
    pub(super) async fn set(
        &mut self,
        host: &mut dyn RunJournal,
        key: &FlagKey,
        fields: &Fields,
    ) -> Result<String, CliError> {
        let mut changes = Vec::new();
        for (field, value) in fields {
            let before = self.flag(host, key, field).await?;
            let shown =
                |value: &Option<String>| value.as_ref().map_or("absent".to_owned(), |value| format!("{value:?}"));
            changes.push(match before == *value {
                true => format!("{field} is {} already", shown(value)),
                false => format!("{field} {} -> {}", shown(&before), shown(value)),
            });
            self.flags.insert((key.as_str().to_owned(), field.clone()), value.clone());
        }
        Ok(format!("would set {key}: {}", changes.join(", ")))
    }
}

/// How many of the orgs in a state a selection takes; a percentage is of all orgs of the migration.
fn selected(selection: &Selection, there: u64, total: u64) -> u64 {
    match selection {
        Selection::All => there,
        Selection::First(most) => there.min(*most),
        Selection::Percent(percent) => there.min((total * u64::from(*percent)).div_ceil(100)),
        Selection::Names(names) => there.min(names.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::{Selection, selected};

    #[test]
    fn a_percentage_is_of_all_orgs_and_takes_those_that_are_there() {
        assert_eq!(selected(&Selection::Percent(1), 6, 6), 1);
        assert_eq!(selected(&Selection::Percent(50), 2, 10), 2);
        assert_eq!(selected(&Selection::First(4), 3, 10), 3);
        assert_eq!(selected(&Selection::All, 3, 10), 3);
    }
}
