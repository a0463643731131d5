//! Throughput, and how long orgs were blocked.

use std::time::SystemTime;

use mover_actors::domain::ids::{CampaignId, MigrationName};

use crate::state::decode::Columns;
use crate::state::query::only;
use crate::state::{PgMoveLog, StateError};

/// How long orgs were closed for writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedTimes {
    /// The number of orgs.
    pub orgs: u64,
    /// The median.
    pub p50_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The maximum.
    pub max_ms: f64,
}

/// How many orgs migrated lately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Orgs migrated in that time.
    pub migrated: u64,
    /// The last minute, or as much of it as the latest campaign was open.
    pub seconds: f64,
}

/// The moves of a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// When it begins.
    pub at: SystemTime,
    /// Orgs that reached the aim of their claim.
    pub moved: u64,
    /// Orgs that failed.
    pub failed: u64,
    /// Median, 99th percentile and maximum of how long these were closed for writes; `None` if none was.
    pub closed: Option<(f64, f64, f64)>,
}

impl Rate {
    /// Orgs per second.
    pub fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.migrated as f64 / self.seconds } else { 0.0 }
    }

    /// How many seconds this many orgs will take at this rate; `None` while nothing moves.
    pub fn seconds_for(&self, orgs: u64) -> Option<f64> {
        (self.migrated > 0 && self.seconds > 0.0).then(|| orgs as f64 / self.per_second())
    }
}

impl PgMoveLog {
    /// How long the orgs of a migration were closed for writes, or only those of one of its campaigns; `None` if no org was
    /// closed and opened again.
    pub async fn closed_times(
        &self,
        migration: &MigrationName,
        campaign: Option<CampaignId>,
    ) -> Result<Option<ClosedTimes>, StateError> {
        let doing = "reading how long orgs were closed";
        let campaign = campaign.map(|id| id.0);
        let sql = include_str!("../sql/closed_times.sql");
        let rows = self.query(doing, sql, &[&migration.as_str(), &campaign]).await?;
        let row = only(doing, rows)?;
        let columns = Columns::new(doing, &row);
        let orgs = columns.count("orgs")?;
        if orgs == 0 {
            return Ok(None);
        }
        let (p50_ms, p99_ms, max_ms) = (columns.get("p50_ms")?, columns.get("p99_ms")?, columns.get("longest_ms")?);
        Ok(Some(ClosedTimes { orgs, p50_ms, p99_ms, max_ms }))
    }

    /// How many orgs of a migration migrated in the last minute.
    pub async fn rate(&self, migration: &MigrationName) -> Result<Rate, StateError> {
        let doing = "reading the rate";
        let rows = self.query(doing, include_str!("../sql/rate.sql"), &[&migration.as_str()]).await?;
        let row = only(doing, rows)?;
        let columns = Columns::new(doing, &row);
        Ok(Rate { migrated: columns.count("migrated")?, seconds: columns.get("seconds")? })
    }

    /// The moves of the last minutes, in buckets of so many seconds; empty ones are left out.
    pub async fn pace(
        &self,
        migration: &MigrationName,
        minutes: u16,
        bucket_seconds: u32,
    ) -> Result<Vec<Bucket>, StateError> {
        let doing = "reading the pace";
        let (minutes, seconds) = (i32::from(minutes), f64::from(bucket_seconds));
        let rows =
            self.query(doing, include_str!("../sql/pace.sql"), &[&migration.as_str(), &minutes, &seconds]).await?;
        let bucket = |row| {
            let columns = Columns::new(doing, row);
            let p50: Option<f64> = columns.get("p50_ms")?;
            let rest = columns.get::<Option<f64>>("p99_ms")?.zip(columns.get::<Option<f64>>("max_ms")?);
            Ok(Bucket {
                at: columns.get("at")?,
                moved: columns.count("moved")?,
                failed: columns.count("failed")?,
                closed: p50.zip(rest).map(|(p50_ms, (p99_ms, max_ms))| (p50_ms, p99_ms, max_ms)),
            })
        };
        rows.iter().map(bucket).collect()
    }
}
