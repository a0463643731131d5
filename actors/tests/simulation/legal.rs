//! The legal transitions once more, as a list, written from the diagram and not from the code.

use mover_actors::domain::state::{Event, State, Step};

/// Every legal transition, with its cause.
pub const TRANSITIONS: [(State, Event, State); 14] = [
    (State::Holding, Event::MadeReady, State::Ready),
    (State::Ready, Event::Claimed, State::Started(Step::Block)),
    (State::Started(Step::Block), Event::StepDone(Step::Block), State::Started(Step::Drain)),
    (State::Started(Step::Drain), Event::StepDone(Step::Drain), State::Started(Step::Copy)),
    (State::Started(Step::Copy), Event::StepDone(Step::Copy), State::Started(Step::Verify)),
    (State::Started(Step::Verify), Event::StepDone(Step::Verify), State::Started(Step::Switch)),
    (State::Started(Step::Switch), Event::StepDone(Step::Switch), State::Started(Step::Unblock)),
    (State::Started(Step::Unblock), Event::StepDone(Step::Unblock), State::Migrated),
    (State::Started(Step::Block), Event::StepFailed(Step::Block), State::Started(Step::Abort)),
    (State::Started(Step::Drain), Event::StepFailed(Step::Drain), State::Started(Step::Abort)),
    (State::Started(Step::Copy), Event::StepFailed(Step::Copy), State::Started(Step::Abort)),
    (State::Started(Step::Verify), Event::StepFailed(Step::Verify), State::Started(Step::Abort)),
    (State::Started(Step::Abort), Event::StepDone(Step::Abort), State::Failed),
    (State::Failed, Event::Retried, State::Ready),
];
