//! How long a campaign will still take: by rows, since orgs are of very different sizes. A guess is shown as a lower bound.

use std::fmt;
use std::time::Duration;

use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::{State, Step, Strategy};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::engine::RangedCopy;
use crate::state::read::{Copying, Counts, Rate, RowsKnown};

use super::answer::{rounded_if_any, short, span};
use super::error::OperationError;
use super::world::World;

/// The longest wait for the stores; after that their part is unknown.
const STORES_WITHIN: Duration = Duration::from_millis(300);

/// An org that is so large that it is copied in ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LargeOrg {
    /// Its name.
    pub org: String,
    /// Its step.
    pub step: String,
    /// Ranges that are copied.
    pub ranges_done: u64,
    /// Ranges in all.
    pub ranges: u64,
    /// Rows in the copied ranges.
    pub rows_copied: u64,
    /// About how many rows there will be in the end.
    pub rows_expected: u64,
    /// About how many seconds its copy will still take, at its pace so far; null before the first range and after the last one.
    #[serde(serialize_with = "rounded_if_any")]
    pub seconds_left: Option<f64>,
}

/// How much is left of a migration.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Outlook {
    /// About how many rows are still to be copied.
    pub(super) rows_left: Option<u64>,
    /// How many seconds that will take.
    pub(super) seconds: Option<f64>,
    /// Whether that is a lower bound, because something is unknown.
    pub(super) at_least: bool,
    /// Large orgs in flight.
    pub(super) large: Vec<LargeOrg>,
}

impl Outlook {
    /// Reads it. Rollbacks and finalizations are estimated by the number of orgs: their time does not depend on their rows
    /// alone.
    pub(super) async fn read(
        world: &World,
        migration: &MigrationName,
        counts: &Counts,
        rate: Rate,
    ) -> Result<Self, OperationError> {
        let waiting = counts.ready + counts.started;
        if waiting == 0 {
            return Ok(Self::default());
        }
        let known = world.log.rows_known(migration).await?;
        if known.campaign.is_none() {
            return Ok(Self { seconds: rate.seconds_for(waiting), ..Self::default() });
        }
        let large = if counts.started > 0 { large_orgs(world, migration).await? } else { Some(Vec::new()) };
        let in_source = timeout(STORES_WITHIN, world.engine.rows_estimated(migration)).await;
        let is_blind = large.is_none();
        let mut outlook = Known {
            waiting,
            orgs: counts.total() - counts.finalized,
            rows: known,
            in_source: in_source.ok().and_then(Result::ok).flatten(),
            by_orgs: rate.seconds_for(waiting),
        }
        .outlook(large.unwrap_or_default());
        outlook.at_least |= is_blind;
        Ok(outlook)
    }
}

/// The large orgs of a migration that are in flight to the target; none if the target does not answer soon.
pub(crate) async fn large_orgs(
    world: &World,
    migration: &MigrationName,
) -> Result<Option<Vec<LargeOrg>>, OperationError> {
    // Only online moves record ranges.
    if world.definition(migration).is_ok_and(|definition| definition.strategy != Strategy::Online) {
        return Ok(Some(Vec::new()));
    }
    let Ok(Ok(copies)) = timeout(STORES_WITHIN, world.engine.ranged_copies(migration)).await else { return Ok(None) };
    let keys: Vec<_> = copies.iter().map(|copy| &copy.key).collect();
    let copying = if keys.is_empty() { Vec::new() } else { world.log.copying_since(migration, &keys).await? };
    let of = |copying: Copying| copies.iter().find(|copy| copy.key == copying.key).map(|copy| large_org(copying, copy));
    Ok(Some(copying.into_iter().filter_map(of).collect()))
}

fn large_org(copying: Copying, copy: &RangedCopy) -> LargeOrg {
    let RangedCopy { ranges, ranges_done, rows_copied, rows_expected, .. } = *copy;
    let is_copied = copying.state == State::Started(Step::Copy) && (1..ranges).contains(&ranges_done);
    let left = rows_expected.saturating_sub(rows_copied) as f64;
    LargeOrg {
        org: copying.org.to_string(),
        step: copying.state.step().map_or(String::new(), |step| step.to_string()),
        seconds_left: (is_copied && rows_copied > 0).then(|| left * copying.seconds / rows_copied as f64),
        ranges_done,
        ranges,
        rows_copied,
        rows_expected,
    }
}

/// The facts behind the outlook.
struct Known {
    /// Orgs that are ready or in flight.
    waiting: u64,
    /// Orgs whose rows are in the source.
    orgs: u64,
    /// The counted rows of these.
    rows: RowsKnown,
    /// About how many rows the source has in all.
    in_source: Option<u64>,
    /// How long it takes if all orgs are alike.
    by_orgs: Option<f64>,
}

impl Known {
    fn outlook(&self, large: Vec<LargeOrg>) -> Outlook {
        let expected: u64 = large.iter().map(|org| org.rows_expected.max(org.rows_copied)).sum();
        let copied: u64 = large.iter().map(|org| org.rows_copied).sum();
        let of_large = expected - copied;
        let small = self.waiting.saturating_sub(large.len() as u64);
        let (rows_left, is_guessed) = match (small, self.rows_each(expected, large.len() as u64)) {
            (0, _) => (Some(of_large), false),
            (_, Some((each, is_guessed))) => (Some(of_large + (each * small as f64).round() as u64), is_guessed),
            (_, None) => (None, true),
        };
        let moved = self.rows.campaign.map_or(0, |campaign| campaign.rows) + copied;
        let per_second = self.rows.campaign.filter(|_| moved > 0).map(|campaign| moved as f64 / campaign.seconds);
        let by_rows = rows_left.zip(per_second).map(|(left, per_second)| left as f64 / per_second);
        // The largest org takes its time, however fast the others are.
        let longest = large.iter().filter_map(|org| org.seconds_left).reduce(f64::max);
        // After its copy a large org is compared, and no measurement says how long that takes.
        let is_compared = large.iter().any(|org| org.seconds_left.is_none());
        Outlook {
            rows_left,
            seconds: by_rows.or(self.by_orgs).into_iter().chain(longest).reduce(f64::max),
            at_least: is_guessed || is_compared || by_rows.is_none(),
            large,
        }
    }

    /// About how many rows each org without a count has, and whether that is derived from counted orgs alone.
    fn rows_each(&self, of_large: u64, large: u64) -> Option<(f64, bool)> {
        let uncounted = self.orgs.saturating_sub(self.rows.orgs + large).max(1);
        let rest = self.in_source.map(|rows| rows.saturating_sub(self.rows.rows + of_large));
        match rest.filter(|rest| *rest > 0) {
            Some(rest) => Some((rest as f64 / uncounted as f64, false)),
            None if self.rows.orgs > 0 => Some((self.rows.rows as f64 / self.rows.orgs as f64, true)),
            None => None,
        }
    }
}

impl fmt::Display for LargeOrg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { org, step, ranges_done, ranges, rows_copied, rows_expected, seconds_left } = self;
        write!(f, "{} {step}: {ranges_done} of {ranges} ranges, {rows_copied}", short(org, 40))?;
        if ranges_done < ranges {
            write!(f, " of about {rows_expected}")?;
        }
        f.write_str(" rows copied")?;
        match seconds_left {
            Some(seconds) => write!(f, ", about {} left", span(*seconds)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, LargeOrg};
    use crate::state::read::{RowsKnown, RowsMoved};

    fn large(rows_copied: u64, seconds_left: Option<f64>) -> LargeOrg {
        LargeOrg {
            org: "acme".into(),
            step: "copy".into(),
            ranges_done: rows_copied / 100_000,
            ranges: 30,
            rows_copied,
            rows_expected: 3_000_000,
            seconds_left,
        }
    }

    /// 20 orgs of 1000 rows have migrated in ten seconds.
    fn known(waiting: u64, in_source: Option<u64>) -> Known {
        let campaign = Some(RowsMoved { rows: 20_000, seconds: 10.0 });
        let rows = RowsKnown { orgs: 20, rows: 20_000, campaign };
        Known { waiting, orgs: 20 + waiting, rows, in_source, by_orgs: Some(0.5) }
    }

    #[test]
    fn the_largest_org_takes_its_time_however_fast_the_others_were() {
        let outlook = known(1, None).outlook(vec![large(600_000, Some(38.0))]);
        assert_eq!((outlook.rows_left, outlook.at_least), (Some(2_400_000), false));
        assert!(outlook.seconds.is_some_and(|seconds| (38.0..39.0).contains(&seconds)), "{outlook:?}");
    }

    #[test]
    fn uncounted_orgs_share_the_rest_of_the_source() {
        let outlook = known(4, Some(100_000)).outlook(Vec::new());
        assert_eq!((outlook.rows_left, outlook.at_least), (Some(80_000), false));
        assert_eq!(outlook.seconds, Some(40.0));
    }

    #[test]
    fn without_an_estimate_they_count_like_the_others_as_a_lower_bound() {
        for in_source in [None, Some(15_000)] {
            let outlook = known(4, in_source).outlook(Vec::new());
            assert_eq!((outlook.rows_left, outlook.seconds, outlook.at_least), (Some(4_000), Some(2.0), true));
        }
    }

    #[test]
    fn a_large_org_that_is_copied_is_still_compared() {
        let outlook = known(1, None).outlook(vec![large(3_000_000, None)]);
        assert_eq!((outlook.rows_left, outlook.seconds, outlook.at_least), (Some(0), Some(0.0), true));
    }

    #[test]
    fn before_the_first_rows_nothing_is_promised() {
        let campaign = Some(RowsMoved { rows: 0, seconds: 1.0 });
        let known = Known {
            waiting: 3,
            orgs: 3,
            rows: RowsKnown { orgs: 0, rows: 0, campaign },
            in_source: None,
            by_orgs: None,
        };
        let outlook = known.outlook(vec![large(0, None)]);
        assert_eq!((outlook.rows_left, outlook.seconds, outlook.at_least), (None, None, true));
    }
}
