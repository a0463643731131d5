//! Orgs that stand at a step much longer than it takes: its cause is retried without end, because there is no way back from there.

use std::time::Duration;

use mover_actors::domain::state::Step;

use super::error::OperationError;
use super::health::{Cause, Level};
use super::world::World;

/// Longer than a step that touches no rows takes, with retries.
const BRIEF: Duration = Duration::from_secs(60);
/// Longer than the rows of one org are read or removed for, unless it is a very large one.
const OF_ROWS: Duration = Duration::from_secs(600);

/// How long an org may stand at a step before a person should look; `None` where any time is normal.
fn normal(step: Step, kept: Duration) -> Option<Duration> {
    match step {
        Step::Block | Step::Switch | Step::Unblock | Step::Close => Some(BRIEF),
        Step::BackUp | Step::Purge | Step::Abort => Some(OF_ROWS),
        // The copy of a rolled back org is kept first.
        Step::Discard => Some(OF_ROWS + kept),
        // These take as long as there are rows or open transactions.
        Step::Capture | Step::Drain | Step::Copy | Step::CatchUp | Step::Verify => None,
    }
}

/// A cause for each migration and step at which an org stands for too long.
pub(super) async fn stalled(world: &World) -> Result<Vec<Cause>, OperationError> {
    let flights = world.log.flights().await?;
    let kept = world.engine.copy_kept();
    let long = flights
        .into_iter()
        .filter(|flight| normal(flight.step, kept).is_some_and(|normal| flight.oldest_seconds > normal.as_secs_f64()));
    let cause = |flight: crate::state::read::Flight| {
        let text = format!(
            "org {} of {} has been at {} for {:.0} s, longer than that takes; it is tried again until its cause is gone; next: org {}, \
             in the process that moves it, or that process's log",
            flight.oldest_org, flight.migration, flight.step, flight.oldest_seconds, flight.oldest_org
        );
        Cause { level: Level::Warning, text }
    };
    Ok(long.map(cause).collect())
}
