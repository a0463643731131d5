//! The states of orgs in the move log.

use std::collections::BTreeMap;

use tokio_postgres::Error;

use crate::postgres::connect_patiently;

/// A migration and its orgs.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) migration: &'static str,
    /// All orgs that will ever exist, in the order in which they join.
    pub(crate) orgs: Vec<String>,
    /// How many of them are not finalized.
    pub(crate) at_once: usize,
    /// Its weight in the random choice.
    pub(crate) weight: u32,
}

impl Site {
    /// The most finalized orgs, so that others are left to continue with.
    pub(super) fn finalized_max(&self) -> usize {
        self.orgs.len().saturating_sub(self.at_once).max(self.at_once / 4)
    }
}

/// The orgs of a migration in each state.
#[derive(Debug, Default)]
pub(super) struct States(BTreeMap<String, Vec<String>>);

impl States {
    pub(super) async fn read(state_url: &str, migration: &str) -> Result<Self, Error> {
        let log = connect_patiently(state_url).await?;
        let sql = "SELECT state, org_name FROM mover.org_migration_state WHERE migration = $1 ORDER BY id";
        let mut states = BTreeMap::<String, Vec<String>>::new();
        for row in log.query(sql, &[&migration]).await? {
            states.entry(row.get(0)).or_default().push(row.get(1));
        }
        Ok(Self(states))
    }

    pub(super) fn of(&self, state: &str) -> &[String] {
        self.0.get(state).map_or(&[], Vec::as_slice)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.of("started").len()
    }

    pub(super) fn known(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}
