//! Orgs of one migration that are carried through a step together, as statements take them.

use std::collections::HashSet;

use mover_actors::domain::record::Lease;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Doing;

/// The leases of a cohort: at least one, all of one migration, no org twice.
#[derive(Debug)]
pub(super) struct Cohort {
    /// In the order of their keys, in which everybody locks guard rows.
    leases: Vec<Lease>,
    migration: String,
    keys: Vec<String>,
    epochs: Vec<i64>,
}

impl Cohort {
    /// `None` if there are no leases.
    pub(super) fn of(mut leases: Vec<Lease>) -> Option<Self> {
        leases.sort_by(|one, other| one.key.cmp(&other.key));
        Some(Self {
            migration: leases.first()?.migration.to_string(),
            keys: leases.iter().map(|lease| lease.key.to_string()).collect(),
            epochs: leases.iter().map(|lease| lease.epoch.0).collect(),
            leases,
        })
    }

    pub(super) fn one(lease: &Lease) -> Self {
        Self {
            migration: lease.migration.to_string(),
            keys: vec![lease.key.to_string()],
            epochs: vec![lease.epoch.0],
            leases: vec![lease.clone()],
        }
    }

    /// Those of which `wanted` is true, if any.
    pub(super) fn only(&self, wanted: impl Fn(&Lease) -> bool) -> Option<Self> {
        Self::of(self.leases.iter().filter(|lease| wanted(lease)).cloned().collect())
    }

    /// The first lease whose key is not among `keys`.
    pub(super) fn first_missing(&self, keys: &HashSet<String>) -> Option<&Lease> {
        self.leases.iter().find(|lease| !keys.contains(lease.key.as_str()))
    }

    /// The only org.
    pub(super) fn single(&self) -> Option<&Lease> {
        match self.leases.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// In the order of their keys.
    pub(super) fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// Their keys, in order: the parameter of statements about rows.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The migration, the keys and the epochs: the parameters of statements about guard rows.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.migration, &self.keys, &self.epochs]
    }

    /// The migration and the keys.
    pub(super) fn names(&self) -> [&(dyn ToSql + Sync); 2] {
        [&self.migration, &self.keys]
    }

    /// The lease with this key.
    pub(super) fn lease(&self, key: &str) -> Option<&Lease> {
        let place = self.keys.binary_search_by(|known| known.as_str().cmp(key)).ok()?;
        self.leases.get(place)
    }

    /// The lease that a row is about which has its org's place among [`Cohort::keys`], from 1, in a column.
    pub(super) fn numbered(&self, row: &Row, column: usize, doing: Doing<'_>) -> Result<&Lease, EngineError> {
        let number: i64 = row.try_get(column).map_err(|error| doing.failed(error))?;
        let place = usize::try_from(number - 1).ok();
        let lease = place.and_then(|place| self.leases.get(place));
        lease.ok_or_else(|| doing.refused("the store answered with an org that was not asked for"))
    }
}
