//! The legal transitions of a course as a list, made from its table in another way than the state machine does it.

use mover_actors::domain::state::{Course, Event, OnFailure, State, Step};

/// Every legal transition of a course, with its cause. `None`: there is no such course.
pub fn transitions(course: Course) -> Option<Vec<(State, Event, State)>> {
    let steps: Vec<Step> = course.steps().collect();
    let mut legal = vec![
        (State::Holding, Event::MadeReady, State::Ready),
        (State::Failed, Event::Retried, State::Ready),
        (State::RolledBack, Event::Retried, State::Ready),
        (course.aim.claimed_from(), Event::Claimed(course.aim), State::Started(*steps.first()?)),
    ];
    let after = steps.iter().skip(1).map(|next| State::Started(*next)).chain([course.aim.reached()]);
    for (step, next) in steps.iter().zip(after) {
        legal.push((State::Started(*step), Event::StepDone(*step), next));
        let given_up = (State::Started(*step), Event::StepFailed(*step), State::Started(Step::Abort));
        match course.on_failure(*step) {
            OnFailure::Abort => legal.push(given_up),
            OnFailure::AbortUnlessMoved => {
                legal.extend([given_up, (State::Started(Step::Abort), Event::FoundMoved, State::Started(*step))]);
            }
            OnFailure::Retry => {}
        }
    }
    if legal.iter().any(|(_, _, to)| *to == State::Started(Step::Abort)) {
        legal.push((State::Started(Step::Abort), Event::StepDone(Step::Abort), course.aim.aborted()));
    }
    Some(legal)
}
