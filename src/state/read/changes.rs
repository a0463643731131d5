//! Changes since an earlier read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mover_actors::domain::ids::{MigrationName, MoveId, OrgName};
use mover_actors::domain::state::State;

use crate::state::decode::Columns;
use crate::state::query::only;
use crate::state::{PgMoveLog, StateError};

const DOING: &str = "reading what has happened";
/// More changes at once are not followed org by org.
const CHANGES_MAX: i64 = 20_000;
/// An event number that is unused after this time belongs to a transaction that was rolled back.
const GAP_LIFE: Duration = Duration::from_secs(30);
const GAPS_MAX: usize = 10_000;
/// More missing numbers at once than this are not taken for rolled back transactions.
const ROLLED_BACK_MAX: usize = 200;

/// An org that has changed, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The move.
    pub id: MoveId,
    /// Its migration.
    pub migration: MigrationName,
    /// The org.
    pub org: OrgName,
    /// Its state.
    pub state: State,
}

/// A position in the events of all moves. Events are numbered when they are written and visible when they are committed, so
/// later numbers can be visible first; skipped numbers are looked up again.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    last: i64,
    gaps: BTreeMap<i64, Instant>,
}

/// The changes since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These orgs have changed; each is listed once.
    Some(Vec<Change>),
    /// Too many changes.
    TooMany,
}

impl PgMoveLog {
    /// The position after everything that has happened so far.
    pub async fn seen_now(&self) -> Result<Seen, StateError> {
        let rows = self.query(DOING, include_str!("../sql/changes_last.sql"), &[]).await?;
        Ok(Seen { last: Columns::new(DOING, &only(DOING, rows)?).get("last")?, gaps: BTreeMap::new() })
    }

    /// The changes since `seen`, which is moved past them.
    pub async fn changes_since(&self, seen: &mut Seen) -> Result<Changes, StateError> {
        let gaps: Vec<i64> = seen.gaps.keys().copied().collect();
        let sql = include_str!("../sql/changes_since.sql");
        let rows = self.query(DOING, sql, &[&seen.last, &gaps, &CHANGES_MAX]).await?;
        if rows.len() as i64 == CHANGES_MAX {
            *seen = self.seen_now().await?;
            return Ok(Changes::TooMany);
        }
        let mut changes = BTreeMap::new();
        let mut is_whole = true;
        for row in &rows {
            let columns = Columns::new(DOING, row);
            is_whole &= seen.note(columns.get("event")?);
            let change = Change {
                id: MoveId(columns.get("id")?),
                migration: columns.id("migration")?,
                org: columns.id("org_name")?,
                state: columns.state("state", "step")?,
            };
            changes.insert(change.id, change);
        }
        is_whole &= seen.forget();
        Ok(if is_whole { Changes::Some(changes.into_values().collect()) } else { Changes::TooMany })
    }
}

impl Seen {
    /// Returns false if more numbers were skipped than can be looked up.
    fn note(&mut self, event: i64) -> bool {
        self.gaps.remove(&event);
        if event <= self.last {
            return true;
        }
        let (now, room) = (Instant::now(), GAPS_MAX.saturating_sub(self.gaps.len()));
        let left_out = self.last + 1..event;
        let fits = usize::try_from(left_out.end - left_out.start).is_ok_and(|gaps| gaps <= room);
        self.gaps.extend(left_out.rev().take(room).map(|gap| (gap, now)));
        self.last = event;
        fits
    }

    /// Returns false if so many numbers are missing that they probably belong to a long transaction.
    fn forget(&mut self) -> bool {
        let before = self.gaps.len();
        self.gaps.retain(|_, since| since.elapsed() < GAP_LIFE);
        before - self.gaps.len() <= ROLLED_BACK_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_late_is_still_looked_for() {
        let mut seen = Seen { last: 4, gaps: BTreeMap::new() };
        assert!(seen.note(7));
        assert_eq!(seen.gaps.keys().copied().collect::<Vec<_>>(), [5, 6]);
        assert!(seen.note(6));
        assert_eq!(seen.gaps.keys().copied().collect::<Vec<_>>(), [5]);
        assert_eq!(seen.last, 7);
    }

    #[test]
    fn more_gaps_than_can_be_looked_up_are_reported() {
        let mut seen = Seen::default();
        assert!(!seen.note(GAPS_MAX as i64 + 2));
        assert_eq!(seen.gaps.len(), GAPS_MAX);
    }
}
