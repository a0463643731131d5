//! What holds for one org holds for each of a cohort. In addition, what is particular to a cohort must be reached.

use stateright::Property;

use super::{Cohort, Pair};
use crate::participants::{At, Node};
use crate::properties::{self, sometimes_in};
use crate::setting::{Orgs, Setting};
use crate::state::{OLD, Stage, State};

pub(super) fn of(setting: &Setting) -> Vec<Property<Cohort>> {
    let mut properties = properties::of(setting);
    let has_both = setting.orgs == Orgs::Two;
    properties.push(sometimes_in!(32, Cohort, "both orgs are moved by one commit", |_, state| {
        both(state, |node| node.at == At::Accept && node.locked)
    }));
    if has_both {
        properties.push(sometimes_in!(
            33,
            Cohort,
            "an org is migrated while a writer keeps the lock of the other",
            |_, state| {
                one_and_other(
                    state,
                    |org| org.log.stage == Stage::Migrated,
                    |org| org.writers_in(OLD).any(|w| w.shared),
                )
            }
        ));
    }
    if has_both && setting.budget.failures > 0 {
        properties.push(sometimes_in!(34, Cohort, "one org ends migrated, the other failed", |_, state| {
            one_and_other(state, |org| org.log.stage == Stage::Migrated, |org| org.log.stage == Stage::Failed)
        }));
    }
    if setting.budget.failures > 0 {
        properties.push(sometimes_in!(35, Cohort, "a `moved` for both arrives after one was given up", |_, state| {
            state.late
                && one_and_other(state, |org| org.stores[OLD].epoch == org.late, |org| org.stores[OLD].epoch > org.late)
        }));
    }
    if setting.budget.expiries > 0 {
        properties.push(sometimes_in!(
            36,
            Cohort,
            "a node is about to move both, and one was taken over",
            |_, state| {
                let is_taken =
                    |org: &State| org.nodes.iter().any(|node| node.at == At::CommitMoved && is_stale(org, node));
                both(state, |node| node.at == At::CommitMoved) && one_and_other(state, |org| !is_taken(org), is_taken)
            }
        ));
    }
    properties
}

fn is_stale(org: &State, node: &Node) -> bool {
    node.epoch < org.stores[OLD].epoch
}

/// Whether a node that has both orgs is at this place for both.
fn both(state: &Pair, is_there: fn(&Node) -> bool) -> bool {
    (0..state.together.len())
        .any(|node| state.together[node] && state.orgs.iter().all(|org| is_there(&org.nodes[node])))
}

fn one_and_other(state: &Pair, this: impl Fn(&State) -> bool, that: impl Fn(&State) -> bool) -> bool {
    let [one, other] = &state.orgs;
    this(one) && that(other) || this(other) && that(one)
}
