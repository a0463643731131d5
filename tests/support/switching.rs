//! The part of a switch that stands between the lock and the flags.

use mover_actors::ports::{CaughtUp, EngineError, WriteBlock};

/// The org leaves one store and arrives in the other; writers still wait.
pub(crate) async fn handed_over(block: &mut Box<dyn WriteBlock>) -> Result<CaughtUp, EngineError> {
    let caught_up = block.leave().await?;
    block.arrive().await?;
    Ok(caught_up)
}
