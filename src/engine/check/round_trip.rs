//! `check`: whether an org can be switched within `max_block` over the network to both stores.

use std::time::{Duration, Instant};

use mover_actors::ports::EngineError;
use mover_actors::protocol::RoundTrips;

use crate::config::Definition;
use crate::engine::check::report::Report;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// The shortest of so many round trips counts: what a switch needs at least.
const TRIES: usize = 5;

/// Compares what a switch needs with `max_block`.
pub(in crate::engine) async fn check_round_trip(
    report: &mut Report,
    definition: &Definition,
    source: &Store,
    target: &Store,
) -> Result<(), EngineError> {
    let (leaving, receiving) = (round_trip(source).await?, round_trip(target).await?);
    let bound = Duration::from_millis(definition.limits.max_block_ms);
    let quiet = RoundTrips::QUIET.take(leaving, receiving);
    let written = RoundTrips::WRITTEN.take(leaving, receiving);
    let subject = "max_block";
    let measured =
        format!("a round trip takes {leaving:.1?} to {} and {receiving:.1?} to {}", definition.from, definition.to);
    let needed = |trips: RoundTrips, time: Duration| {
        format!("{} and {} of them, {time:.0?} in all, and max_block is {bound:?}", trips.leaving, trips.receiving)
    };
    let remedy = format!(
        "run Mover nearer to the stores, or write in the definition:\n[limits]\nmax_block = \"{}ms\"",
        (written * 4).as_millis().max(20)
    );
    if quiet >= bound {
        let text = format!(
            "{measured}: a switch needs at least {}: no org could be switched",
            needed(RoundTrips::QUIET, quiet)
        );
        report.problem(subject, text, remedy);
    } else if written * 2 >= bound {
        let text = format!(
            "{measured}: the switch of an org that is written needs about {}: it will often give way and be tried again",
            needed(RoundTrips::WRITTEN, written)
        );
        report.warning(subject, text, remedy);
    } else {
        report.ok(subject, format!("{measured}: a switch needs about {written:.1?} of {bound:?}"));
    }
    Ok(())
}

async fn round_trip(store: &Store) -> Result<Duration, EngineError> {
    let doing = Doing::new(store.name(), "measuring the round trip");
    let session = store.session().await?;
    let mut shortest = Duration::MAX;
    for _ in 0..TRIES {
        let begun = Instant::now();
        session.simple_query("SELECT 1").await.map_err(|error| doing.failed(error))?;
        shortest = shortest.min(begun.elapsed());
    }
    session.release();
    Ok(shortest)
}
