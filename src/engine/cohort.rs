//! Orgs of one migration that are carried through a step together, as statements take them.

use std::collections::HashSet;

use mover_actors::domain::record::Claim;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::Doing;

/// The claims of a cohort: at least one, all of one migration, no org twice.
#[derive(Debug)]
pub(super) struct Cohort {
    /// In the order of their keys, in which everybody locks guard rows.
    claims: Vec<Claim>,
    migration: String,
    keys: Vec<String>,
    epochs: Vec<i64>,
}

impl Cohort {
    /// `None` if there are no claims.
    pub(super) fn of(mut claims: Vec<Claim>) -> Option<Self> {
        claims.sort_by(|one, other| one.key.cmp(&other.key));
        Some(Self {
            migration: claims.first()?.migration.to_string(),
            keys: claims.iter().map(|claim| claim.key.to_string()).collect(),
            epochs: claims.iter().map(|claim| claim.epoch.0).collect(),
            claims,
        })
    }

    pub(super) fn one(claim: &Claim) -> Self {
        Self {
            migration: claim.migration.to_string(),
            keys: vec![claim.key.to_string()],
            epochs: vec![claim.epoch.0],
            claims: vec![claim.clone()],
        }
    }

    /// Those of which `wanted` is true, if any.
    pub(super) fn only(&self, wanted: impl Fn(&Claim) -> bool) -> Option<Self> {
        Self::of(self.claims.iter().filter(|claim| wanted(claim)).cloned().collect())
    }

    /// The first claim whose key is not among `keys`.
    pub(super) fn first_missing(&self, keys: &HashSet<String>) -> Option<&Claim> {
        self.claims.iter().find(|claim| !keys.contains(claim.key.as_str()))
    }

    /// The only org.
    pub(super) fn single(&self) -> Option<&Claim> {
        match self.claims.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// In the order of their keys.
    pub(super) fn claims(&self) -> &[Claim] {
        &self.claims
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

    /// The claim with this key.
    pub(super) fn claim(&self, key: &str) -> Option<&Claim> {
        let place = self.keys.binary_search_by(|known| known.as_str().cmp(key)).ok()?;
        self.claims.get(place)
    }

    /// The claim that a row is about which has its org's place among [`Cohort::keys`], from 1, in a column.
    pub(super) fn numbered(&self, row: &Row, column: usize, doing: Doing<'_>) -> Result<&Claim, EngineError> {
        let number: i64 = row.try_get(column).map_err(|error| doing.failed(error))?;
        let place = usize::try_from(number - 1).ok();
        let claim = place.and_then(|place| self.claims.get(place));
        claim.ok_or_else(|| doing.refused("the store answered with an org that was not asked for"))
    }
}
