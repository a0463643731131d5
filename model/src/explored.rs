//! What the checker, the properties and the reports need of a model: that of one org, or that of a cohort.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::Model;

use crate::action::{Action, Doing, How};
use crate::model::Cutover;
use crate::state::State;
use crate::trace;

/// A model of one org or of several.
pub(crate) trait Explored:
    Model<State: Copy + Eq + Hash + Debug + Send + Sync + 'static, Action: Copy + PartialEq + Debug> + Send + Sync + 'static
{
    /// The rules for each org.
    fn one(&self) -> &Cutover;

    /// The orgs of a state.
    fn orgs(state: &Self::State) -> &[State];

    /// Whether this org is still looked at.
    fn follows(state: &Self::State, org: usize) -> bool;

    /// Whether a node can do something for this org at once.
    fn can_act(&self, state: &Self::State, org: usize, node: usize) -> bool;

    /// The org whose writer does this, if it is a writer.
    fn writer_of(action: Self::Action) -> Option<usize>;

    /// A path as text, line by line.
    fn tell(&self, path: &[(Self::State, Option<Self::Action>)]) -> Vec<String>;
}

impl Explored for Cutover {
    fn one(&self) -> &Cutover {
        self
    }

    fn orgs(state: &State) -> &[State] {
        std::slice::from_ref(state)
    }

    fn follows(_: &State, _: usize) -> bool {
        true
    }

    fn can_act(&self, state: &State, _: usize, node: usize) -> bool {
        let mut after = *state;
        self.run(&mut after, node, How::Next) == Doing::Done
    }

    fn writer_of(action: Action) -> Option<usize> {
        matches!(action, Action::Writer(..)).then_some(0)
    }

    fn tell(&self, path: &[(State, Option<Action>)]) -> Vec<String> {
        trace::tell(path, trace::world, |state, action| trace::sentence(self, state, action))
    }
}
