//! The spans of a move: one for the move, below it one for each try of a step, also if another actor carries it out. Without a
//! subscriber no spans are created.

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::domain::record::MoveRecord;
use crate::domain::state::Step;

use super::effects::StepError;

/// From the claim to the end of the move, or of the actor: a restarted actor begins another.
pub(super) fn of_move(record: &MoveRecord) -> Span {
    info_span!(
        "move",
        org = %record.org,
        migration = %record.migration,
        epoch = record.epoch.0,
        strategy = record.strategy.as_str(),
        aim = record.aim.as_str(),
        campaign = record.campaign.map(|campaign| campaign.0),
        outcome = Empty,
    )
}

/// One try of a step, below the span that is current.
pub(super) fn of_step(step: Step) -> Span {
    info_span!("step", name = step.as_str(), error = Empty)
}

/// Records in the span of a try why it failed.
pub(super) fn record_error(span: &Span, error: &StepError) {
    match error {
        StepError::Transient { reason, .. } | StepError::Permanent { reason, .. } => {
            span.record("error", reason.as_str());
        }
        StepError::Lost => {
            span.record("error", "another node has taken the org over");
        }
        StepError::HasMoved => {
            span.record("error", "the org has moved, and goes forward");
        }
        StepError::Apart | StepError::Renamed(_) => {}
    }
}
