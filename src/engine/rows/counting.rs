//! Counts and hashes rows as they pass, org by org, so that they need not be read again for a comparison.

use std::collections::{BTreeMap, HashMap};

use mover_actors::protocol::Cohort;
use mover_actors::protocol::store::Tallied;
use tokio_postgres::Row;

use crate::engine::guard::Kind;
use crate::engine::plan::TablePlan;
use crate::engine::plan::by_org::PlainKey;
use crate::engine::plan::tally::SEED;
use crate::engine::rows::reframe::{Frames, RawField};
use crate::engine::rows::row_hash::RowHasher;

/// Which orgs the rows of a query belong to.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Asked<'a> {
    /// Those of a cohort, as `select_by_org` does.
    ByOrg(&'a Cohort),
    /// Rows of a single org.
    OfOne,
    /// Any rows; they are not counted.
    Any,
}

/// Counts and hashes rows of one table as they come, org by org.
pub(in crate::engine) struct Counting<'a> {
    table: &'a TablePlan,
    hasher: Option<RowHasher<'a>>,
    whose: Whose<'a>,
    tallied: BTreeMap<usize, (i64, i128)>,
}

/// How to find the org of a row.
enum Whose<'a> {
    /// There is only one.
    OfOne,
    /// The last column has its place.
    Numbered,
    /// This column has its key; `known` has the keys seen so far, with the places of their orgs.
    Keyed { place: usize, kind: Kind, cohort: &'a Cohort, known: HashMap<Vec<u8>, usize> },
}

impl<'a> Counting<'a> {
    pub(in crate::engine) fn of(table: &'a TablePlan, asked: Asked<'a>) -> Option<Self> {
        let whose = match (asked, table.key_place) {
            (Asked::Any, _) => return None,
            (Asked::OfOne, _) => Whose::OfOne,
            (Asked::ByOrg(_), None) => Whose::Numbered,
            (Asked::ByOrg(cohort), Some((place, kind))) => Whose::Keyed { place, kind, cohort, known: HashMap::new() },
        };
        let hasher = table.hashed.as_ref().map(|types| RowHasher::new(types, SEED));
        Some(Self { table, hasher, whose, tallied: BTreeMap::new() })
    }

    /// Takes a row, and appends its copied columns.
    pub(in crate::engine) fn push(&mut self, row: &Row, frames: &mut Frames) -> Result<(), tokio_postgres::Error> {
        let columns = self.table.copied.len();
        frames.push_first(row, columns)?;
        let Some(hasher) = &mut self.hasher else { return Ok(()) };
        let hash = i128::from(hasher.hash(row)?);
        // A key outside the cohort has no place: the tally then lacks the row.
        let org = match &mut self.whose {
            Whose::OfOne => 0,
            Whose::Numbered => usize::try_from(row.try_get::<_, i64>(columns)? - 1).unwrap_or(usize::MAX),
            Whose::Keyed { place, kind, cohort, known } => {
                let raw = row.try_get::<_, RawField<'_>>(*place)?.0.unwrap_or_default();
                match known.get(raw) {
                    Some(org) => *org,
                    None => {
                        let text = PlainKey::text(*kind, raw);
                        let org = text.and_then(|text| cohort.keys().binary_search(&text).ok()).unwrap_or(usize::MAX);
                        known.insert(raw.to_vec(), org);
                        org
                    }
                }
            }
        };
        let (rows, sum) = self.tallied.entry(org).or_default();
        (*rows, *sum) = (*rows + 1, *sum + hash);
        Ok(())
    }

    /// What was counted since the last time.
    pub(in crate::engine) fn take(&mut self) -> Vec<Tallied> {
        let taken = std::mem::take(&mut self.tallied);
        taken.into_iter().map(|(org, (rows, hash))| Tallied { org, rows, hash }).collect()
    }
}
