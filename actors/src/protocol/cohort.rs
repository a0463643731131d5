//! Orgs of one migration that go through a step together, as parameters of requests to a store.

use std::collections::HashSet;

use crate::domain::ids::OrgKey;
use crate::domain::record::Lease;

/// The leases of a cohort: at least one, all of one migration, no org twice.
#[derive(Debug, Clone)]
pub struct Cohort {
    /// Sorted by key: all processes lock guard rows in this order.
    leases: Vec<Lease>,
    migration: String,
    keys: Vec<String>,
    epochs: Vec<i64>,
}

impl Cohort {
    /// `None` if there are no leases.
    pub fn of(mut leases: Vec<Lease>) -> Option<Self> {
        leases.sort_by(|one, other| one.key.cmp(&other.key));
        Some(Self {
            migration: leases.first()?.migration.to_string(),
            keys: leases.iter().map(|lease| lease.key.to_string()).collect(),
            epochs: leases.iter().map(|lease| lease.epoch.0).collect(),
            leases,
        })
    }

    /// A cohort of one org.
    pub fn one(lease: &Lease) -> Self {
        Self {
            migration: lease.migration.to_string(),
            keys: vec![lease.key.to_string()],
            epochs: vec![lease.epoch.0],
            leases: vec![lease.clone()],
        }
    }

    /// The cohort of the leases for which `wanted` is true, if any.
    pub fn only(&self, wanted: impl Fn(&Lease) -> bool) -> Option<Self> {
        Self::of(self.leases.iter().filter(|lease| wanted(lease)).cloned().collect())
    }

    /// The first lease whose key is not among `keys`.
    pub fn first_missing(&self, keys: &HashSet<OrgKey>) -> Option<&Lease> {
        self.leases.iter().find(|lease| !keys.contains(&lease.key))
    }

    /// The only org; `None` if there are several.
    pub fn single(&self) -> Option<&Lease> {
        match self.leases.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The leases in the order of their keys.
    pub fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// The name of the migration, as a parameter of requests.
    pub fn migration(&self) -> &String {
        &self.migration
    }

    /// Their keys, in order.
    pub fn keys(&self) -> &Vec<String> {
        &self.keys
    }

    /// Their epochs, in the order of the keys.
    pub fn epochs(&self) -> &Vec<i64> {
        &self.epochs
    }

    /// The lease with this key.
    pub fn lease(&self, key: &str) -> Option<&Lease> {
        let place = self.keys.binary_search_by(|known| known.as_str().cmp(key)).ok()?;
        self.leases.get(place)
    }
}
