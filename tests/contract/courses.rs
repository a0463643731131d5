//! Every transition that the state machine allows is written, and none that it refuses.

use std::collections::VecDeque;

use mover_actors::domain::campaign::{CampaignPlan, Selection};
use mover_actors::domain::ids::{MigrationName, NodeId, OrgName};
use mover_actors::domain::record::{Findings, MoveRecord};
use mover_actors::domain::state::{Aim, Course, Event, State, Step, Strategy, step};
use mover_actors::ports::MoveLog;

use super::World;
use super::world::*;

/// Where a move can stand, and the events that lead there from `holding`.
pub(crate) struct Place {
    pub(crate) course: Course,
    pub(crate) state: State,
    path: Vec<Event>,
}

/// Everything that can happen to a move.
pub(crate) fn events() -> impl Iterator<Item = Event> {
    let claims = Aim::ALL.iter().map(|aim| Event::Claimed(*aim));
    let steps = Step::ALL.iter().flat_map(|step| [Event::StepDone(*step), Event::StepFailed(*step)]);
    [Event::MadeReady, Event::Retried, Event::FoundMoved].into_iter().chain(claims).chain(steps)
}

impl Place {
    /// Where an event leads from here, if the machine allows it.
    pub(crate) fn after(&self, event: Event) -> Option<Place> {
        let state = step(self.course, self.state, event).ok()?;
        let aim = match event {
            Event::Claimed(aim) => aim,
            // It may be moved anew.
            Event::Retried => Aim::Migrate,
            Event::MadeReady | Event::StepDone(_) | Event::StepFailed(_) | Event::FoundMoved => self.course.aim,
        };
        let path = self.path.iter().copied().chain([event]).collect();
        Some(Place { course: Course { aim, ..self.course }, state, path })
    }

    /// Whether both stores were found equal on the way here. Only such an org can have moved.
    fn is_proven(&self) -> bool {
        let lately = self.path.iter().rev().take_while(|event| **event != Event::Retried);
        lately.into_iter().any(|event| *event == Event::StepDone(Step::Verify))
    }

    fn can_happen(&self, event: Event) -> bool {
        event != Event::FoundMoved || self.is_proven()
    }
}

/// Every place that a move of this strategy can come to.
pub(crate) fn places(strategy: Strategy) -> Vec<Place> {
    let begin = Place { course: Course { strategy, aim: Aim::Migrate }, state: State::Holding, path: Vec::new() };
    let (mut found, mut open): (Vec<Place>, _) = (Vec::new(), VecDeque::from([begin]));
    while let Some(place) = open.pop_front() {
        let stands = |place: &Place| (place.course, place.state, place.is_proven());
        if found.iter().all(|known| stands(known) != stands(&place)) {
            open.extend(events().filter(|event| place.can_happen(*event)).filter_map(|event| place.after(event)));
            found.push(place);
        }
    }
    found
}

/// One org of a migration, to which things happen.
struct OneMove<'a, L> {
    log: &'a L,
    node: NodeId,
    migration: &'a MigrationName,
    org: OrgName,
    record: Option<MoveRecord>,
}

impl<L: MoveLog> OneMove<'_, L> {
    /// Whether the move log lets it happen.
    async fn happens(&mut self, event: Event) -> bool {
        let only_it = Selection::Names(vec![self.org.clone()]);
        let found = match event {
            Event::MadeReady => return self.log.make_ready(self.migration, &only_it).await.unwrap() == 1,
            Event::Retried => return self.log.retry(self.migration, &only_it).await.unwrap() == 1,
            Event::Claimed(aim) => {
                let plan = CampaignPlan { aim, ..plan(self.migration, only_it) };
                let campaign = self.log.open_campaign(self.node, &plan).await.unwrap().id;
                let claimed = self.log.claim(campaign, self.node, 9).await.unwrap().pop();
                self.log.close_campaign(campaign, None).await.unwrap();
                let is_claimed = claimed.is_some();
                self.record = claimed.or(self.record.take());
                return is_claimed;
            }
            Event::StepDone(step) => found_by(step),
            Event::StepFailed(step) => broken(step),
            Event::FoundMoved => Findings::default(),
        };
        let record = self.record.as_mut().expect("a claimed move");
        happen(self.log, self.node, record, event, found).await;
        true
    }
}

pub(super) async fn every_transition_of_every_course_is_written<W: World>(world: &W) {
    let log = world.process().await;
    let node = log.join("a", LEASE).await.unwrap();
    for strategy in Strategy::ALL {
        let migration = MigrationName::new(format!("by_{}", strategy.as_str())).unwrap();
        let places = places(*strategy);
        // A campaign may ask for any org; a step that did not begin does not end.
        let is_asked = |place: &Place, event: Event| {
            place.can_happen(event) && (place.after(event).is_some() || matches!(event, Event::Claimed(_)))
        };
        let cases: Vec<(&Place, Event)> = places
            .iter()
            .flat_map(|place| events().map(move |event| (place, event)))
            .filter(|(place, event)| is_asked(place, *event))
            .collect();
        let orgs: Vec<OrgName> = (0..cases.len()).map(|number| org(&format!("{migration}_{number}"))).collect();
        world.capture(&migration, *strategy, &orgs).await;
        for ((place, event), org) in cases.into_iter().zip(orgs) {
            let mut one = OneMove { log: &*log, node, migration: &migration, org, record: None };
            for on_the_way in &place.path {
                assert!(one.happens(*on_the_way).await, "{on_the_way} on the way to {}", place.state);
            }
            let after = place.after(event);
            let what = format!("{event} while {} in {:?}", place.state, place.course);
            assert_eq!(one.happens(event).await, after.is_some(), "{what}");
            let Some(record) = one.record else { continue };
            let stored = log.load(record.id).await.unwrap();
            let stands = after.as_ref().unwrap_or(place);
            assert_eq!((stored.course(), stored.state), (stands.course, stands.state), "{what}");
        }
    }
}
