//! Orgs of one migration that are carried through a step together, as requests to a store take them.

use std::collections::HashSet;

use crate::domain::ids::{MigrationName, OrgKey};
use crate::domain::record::Claim;

/// The claims of a cohort: at least one, all of one migration, no org twice.
#[derive(Debug, Clone)]
pub struct Cohort {
    /// In the order of their keys, in which everybody locks guard rows.
    claims: Vec<Claim>,
    migration: String,
    keys: Vec<String>,
    epochs: Vec<i64>,
}

impl Cohort {
    /// `None` if there are no claims.
    pub fn of(mut claims: Vec<Claim>) -> Option<Self> {
        claims.sort_by(|one, other| one.key.cmp(&other.key));
        Some(Self {
            migration: claims.first()?.migration.to_string(),
            keys: claims.iter().map(|claim| claim.key.to_string()).collect(),
            epochs: claims.iter().map(|claim| claim.epoch.0).collect(),
            claims,
        })
    }

    /// One org alone.
    pub fn one(claim: &Claim) -> Self {
        Self {
            migration: claim.migration.to_string(),
            keys: vec![claim.key.to_string()],
            epochs: vec![claim.epoch.0],
            claims: vec![claim.clone()],
        }
    }

    /// Those of which `wanted` is true, if any.
    pub fn only(&self, wanted: impl Fn(&Claim) -> bool) -> Option<Self> {
        Self::of(self.claims.iter().filter(|claim| wanted(claim)).cloned().collect())
    }

    /// The first claim whose key is not among `keys`.
    pub fn first_missing(&self, keys: &HashSet<OrgKey>) -> Option<&Claim> {
        self.claims.iter().find(|claim| !keys.contains(&claim.key))
    }

    /// The only org.
    pub fn single(&self) -> Option<&Claim> {
        match self.claims.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// In the order of their keys.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The migration.
    pub fn migration_name(&self) -> &MigrationName {
        &self.claims[0].migration
    }

    /// Its name, as a parameter of requests.
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

    /// The claim with this key.
    pub fn claim(&self, key: &str) -> Option<&Claim> {
        let place = self.keys.binary_search_by(|known| known.as_str().cmp(key)).ok()?;
        self.claims.get(place)
    }
}
