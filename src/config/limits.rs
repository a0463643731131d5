//! `[limits]` of a migration: the limits of online moves and cohorts.

use std::time::Duration;

use mover_actors::domain::state::Strategy;
use mover_actors::ports::Limits;

use super::reader::Section;

/// The defaults. One worker of eight on two cores copies a cohort of this many rows in about a second; offline its orgs are
/// blocked meanwhile, so it is smaller.
fn default(strategy: Strategy) -> Limits {
    let cohort_rows = match strategy {
        Strategy::Online | Strategy::Window => 16_000,
        Strategy::Offline => 4_000,
    };
    Limits { max_block_ms: 500, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows }
}

/// The longest block that users do not notice as an outage.
const MAX_BLOCK: Duration = Duration::from_secs(60);
/// A switch needs at least this long.
const MIN_BLOCK: Duration = Duration::from_millis(20);

pub(super) fn read(document: &mut Section<'_>, strategy: Strategy) -> Limits {
    let mut limits = default(strategy);
    let Some(mut section) = document.section("limits") else { return limits };
    let text = section.text("max_block");
    let max_block = section.parsed(text, |text| {
        let time = duration(&text)?;
        match (MIN_BLOCK..=MAX_BLOCK).contains(&time) {
            true => Ok(time),
            false => Err(format!("max_block is between {MIN_BLOCK:?} and {MAX_BLOCK:?}, not {text:?}")),
        }
    });
    if let Some(time) = max_block {
        limits.max_block_ms = u64::try_from(time.value.as_millis()).unwrap_or(u64::MAX);
    }
    if let Some(entries) = section.number("max_change_backlog", 1..=1_000_000_000) {
        limits.max_change_backlog = entries;
    }
    if let Some(orgs) = section.number("cohort_orgs", 1..=10_000) {
        limits.cohort_orgs = usize::try_from(orgs).unwrap_or(usize::MAX);
    }
    if let Some(rows) = section.number("cohort_rows", 0..=1_000_000_000) {
        limits.cohort_rows = rows;
    }
    section.refuse("max_replication_lag", "max_replication_lag is not known by this version: remove it");
    section.finish();
    limits
}

/// Parses `500ms` or `2s`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: Option<u64> = number.parse().ok();
    match (number, unit) {
        (Some(ms), "ms") => Ok(Duration::from_millis(ms)),
        (Some(seconds), "s") => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("a time is written like \"500ms\" or \"2s\", not {text:?}")),
    }
}
