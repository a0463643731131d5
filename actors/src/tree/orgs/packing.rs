//! Packs claimed orgs into cohorts.

use crate::domain::record::MoveRecord;

/// Bounds of a cohort.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) orgs_max: usize,
    /// An org that has more rows goes alone.
    pub(crate) rows_max: i64,
}

/// Cuts claimed orgs, with about how many rows each has, into cohorts: in their order, with the same course, and into enough
/// cohorts that as few as possible of `workers` are idle.
pub(crate) fn pack(claimed: Vec<(MoveRecord, i64)>, workers: usize, bounds: Bounds) -> Vec<Vec<MoveRecord>> {
    let orgs_max = claimed.len().div_ceil(workers.max(1)).clamp(1, bounds.orgs_max.max(1));
    let mut cohorts: Vec<Vec<MoveRecord>> = Vec::new();
    let mut open: Vec<MoveRecord> = Vec::new();
    let mut open_rows = 0;
    for (record, rows) in claimed {
        if rows > bounds.rows_max {
            cohorts.push(vec![record]);
            continue;
        }
        let is_alike = open.first().is_none_or(|first| first.course() == record.course());
        if !is_alike || open.len() >= orgs_max || open_rows + rows > bounds.rows_max {
            cohorts.push(std::mem::take(&mut open));
            open_rows = 0;
        }
        open.push(record);
        open_rows += rows;
    }
    cohorts.push(open);
    cohorts.retain(|cohort| !cohort.is_empty());
    cohorts
}
