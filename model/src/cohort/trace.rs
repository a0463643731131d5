//! A path of a cohort as text.

use super::{Cohort, Deed, GivesUp, Pair};
use crate::action::{Action, Event};
use crate::trace::{sentence, world};

pub(super) fn tell_world(state: &Pair) -> String {
    let [one, other] = state.orgs.each_ref().map(world);
    format!("org 0 {one}\n         org 1 {other}")
}

pub(super) fn tell_deed(cohort: &Cohort, state: &Pair, deed: Deed) -> String {
    let of = |org: usize, action: Action| sentence(&cohort.one, &state.orgs[org], action);
    match deed {
        Deed::Of(org, action) => format!("org {org}: {}", of(org.into(), action)),
        Deed::Both(node, how) => format!("both orgs: {}", of(0, Action::Node(node, how))),
        Deed::Fails(node, how, who) => {
            let who = match who {
                GivesUp::Nobody => "both are tried again".to_owned(),
                GivesUp::Both => "both are given up".to_owned(),
                GivesUp::Only(org) => format!("org {org} is given up, the other is tried again"),
            };
            format!("both orgs: {}; {who}", of(0, Action::Node(node, how)))
        }
        Deed::Follow(org) => format!("nothing binds the two any more; org {org} is followed"),
        Deed::ClaimBoth(node) => format!("both orgs: {}", of(0, Action::World(Event::Claim(node)))),
        Deed::TakeOverBoth(node) => format!("both orgs: {}", of(0, Action::World(Event::TakeOver(node)))),
        Deed::Crash(node) => of(0, Action::World(Event::Crash(node))),
        Deed::LoseLock(node) => format!("both orgs: {}", of(0, Action::World(Event::LoseLock(node)))),
        Deed::LateMoved => "both orgs: the `moved` that was sent for both arrives".to_owned(),
        Deed::LateEnds => format!("both orgs: {}", of(0, Action::World(Event::LateEnds))),
    }
}
