//! The legal transitions once more, as a list, written from the diagram and not from the code.

use mover_actors::domain::state::{Aim, Course, Event, State, Step, Strategy};

const OFFLINE: [Step; 6] = [Step::Block, Step::Drain, Step::Copy, Step::Verify, Step::Switch, Step::Unblock];
const ONLINE: [Step; 5] = [Step::Capture, Step::Copy, Step::CatchUp, Step::Verify, Step::Switch];
const ONLINE_BACK: [Step; 4] = [Step::CatchUp, Step::Verify, Step::Switch, Step::Discard];
const WINDOW: [Step; 3] = [Step::Drain, Step::Copy, Step::Verify];
const ONLINE_END: [Step; 3] = [Step::BackUp, Step::Close, Step::Purge];

/// Every legal transition of a course, with its cause. `None`: there is no such course.
pub fn transitions(course: Course) -> Option<Vec<(State, Event, State)>> {
    // The steps, how many of them can be given up, and where it all begins and ends, well or not.
    let (steps, returnable, from, reached, given_up) = match (course.strategy, course.aim) {
        (Strategy::Offline, Aim::Migrate) => (&OFFLINE[..], 4, State::Ready, State::Migrated, State::Failed),
        (Strategy::Online, Aim::Migrate) => (&ONLINE[..], 5, State::Ready, State::Migrated, State::Failed),
        (Strategy::Online, Aim::RollBack) => (&ONLINE_BACK[..], 3, State::Migrated, State::RolledBack, State::Migrated),
        (Strategy::Online, Aim::Finalize) => (&ONLINE_END[..], 1, State::Migrated, State::Finalized, State::Migrated),
        (Strategy::Window, Aim::Migrate) => (&WINDOW[..], 3, State::Ready, State::Migrated, State::Failed),
        (Strategy::Window, Aim::RollBack) => {
            (&[Step::Discard][..], 0, State::Migrated, State::RolledBack, State::Migrated)
        }
        (Strategy::Offline, Aim::RollBack | Aim::Finalize) | (Strategy::Window, Aim::Finalize) => return None,
    };
    let mut legal = vec![
        (State::Holding, Event::MadeReady, State::Ready),
        (State::Failed, Event::Retried, State::Ready),
        (State::RolledBack, Event::Retried, State::Ready),
        (from, Event::Claimed(course.aim), State::Started(steps[0])),
        (State::Started(Step::Abort), Event::StepDone(Step::Abort), given_up),
    ];
    for (place, step) in steps.iter().enumerate() {
        let next = steps.get(place + 1).map_or(reached, |next| State::Started(*next));
        legal.push((State::Started(*step), Event::StepDone(*step), next));
        if place < returnable {
            legal.push((State::Started(*step), Event::StepFailed(*step), State::Started(Step::Abort)));
        }
        // Only a switch that could be given up may turn out to be done.
        if *step == Step::Switch && place < returnable {
            legal.push((State::Started(Step::Abort), Event::FoundMoved, State::Started(Step::Switch)));
        }
    }
    Some(legal)
}
