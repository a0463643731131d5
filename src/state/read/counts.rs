//! The number of orgs by state and step.

use std::collections::BTreeMap;

use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Step;
use strum::VariantArray;

use super::StateName;
use crate::state::decode::Columns;
use crate::state::{PgMoveLog, StateError};

const DOING: &str = "counting orgs";

/// The orgs of a migration by state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Captured; not released to move yet.
    pub holding: u64,
    /// May be claimed.
    pub ready: u64,
    /// In flight.
    pub started: u64,
    /// Done.
    pub migrated: u64,
    /// Parked with a reason.
    pub failed: u64,
    /// On their source again.
    pub rolled_back: u64,
    /// Gone from the source.
    pub finalized: u64,
    /// The orgs in flight by step; steps with none are left out.
    pub steps: BTreeMap<Step, u64>,
}

impl Counts {
    /// Over all states.
    pub fn total(&self) -> u64 {
        StateName::VARIANTS.iter().map(|state| self.of(*state)).sum()
    }

    /// Of one state.
    pub fn of(&self, state: StateName) -> u64 {
        match state {
            StateName::Holding => self.holding,
            StateName::Ready => self.ready,
            StateName::Started => self.started,
            StateName::Migrated => self.migrated,
            StateName::Failed => self.failed,
            StateName::RolledBack => self.rolled_back,
            StateName::Finalized => self.finalized,
        }
    }

    fn set(&mut self, state: StateName, orgs: u64) {
        match state {
            StateName::Holding => self.holding = orgs,
            StateName::Ready => self.ready = orgs,
            StateName::Started => self.started = orgs,
            StateName::Migrated => self.migrated = orgs,
            StateName::Failed => self.failed = orgs,
            StateName::RolledBack => self.rolled_back = orgs,
            StateName::Finalized => self.finalized = orgs,
        }
    }
}

impl PgMoveLog {
    /// How many orgs of a migration are in each state and at each step; all zero if it has none.
    pub async fn counts(&self, migration: &MigrationName) -> Result<Counts, StateError> {
        let rows = self.query(DOING, include_str!("../sql/counts.sql"), &[&migration.as_str()]).await?;
        let mut counts = Counts::default();
        for row in &rows {
            let columns = Columns::new(DOING, row);
            let orgs = columns.count("orgs")?;
            match columns.get::<Option<&str>>("step")? {
                None => counts.set(columns.get::<&str>("state")?.parse()?, orgs),
                Some(step) => {
                    let step: Step =
                        step.parse().map_err(|error| StateError::invalid(DOING, format!("stored: {error}")))?;
                    counts.steps.insert(step, orgs);
                }
            }
        }
        Ok(counts)
    }

    /// Every migration that has orgs, with its counts.
    pub async fn migrations(&self) -> Result<Vec<(MigrationName, Counts)>, StateError> {
        let mut known = Vec::new();
        for migration in self.migration_names().await? {
            let counts = self.counts(&migration).await?;
            known.push((migration, counts));
        }
        Ok(known)
    }

    /// The names of every migration that has orgs.
    pub async fn migration_names(&self) -> Result<Vec<MigrationName>, StateError> {
        let doing = "listing migrations";
        let rows = self.query(doing, include_str!("../sql/migrations.sql"), &[]).await?;
        rows.iter().map(|row| Columns::new(doing, row).id("migration")).collect()
    }
}
