//! Where an org lives, by the state of its move.

use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, State, Step, Strategy};
use mover_actors::ports::Side;

use crate::config::Definition;

use super::world::World;

/// Where the rows of one migration of an org are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The store; `None` during the switch, when only the guards of the stores know, in a window, where the operator routes,
    /// and if the definition is gone.
    pub store: Option<StoreName>,
    /// Whether its move lets writes through.
    pub accepts_writes: bool,
}

/// In which of the stores of its migration an org lives; `None` as in [`Location::store`].
pub(super) fn home(record: &MoveRecord) -> Option<Side> {
    let in_target = match (record.strategy, record.state) {
        // The operator routes these orgs.
        (Strategy::Window, _) => None,
        (_, State::Migrated | State::Finalized) => Some(true),
        (_, State::Started(step)) => match step {
            Step::Switch => None,
            Step::Unblock | Step::BackUp | Step::Close | Step::Purge => Some(true),
            Step::Discard => Some(false),
            _ => Some(record.aim != Aim::Migrate),
        },
        _ => Some(false),
    };
    in_target.map(|in_target| if in_target { Side::Target } else { Side::Source })
}

/// The name of one of the stores of a migration.
pub(super) fn store_at(definition: &Definition, side: Side) -> &StoreName {
    match side {
        Side::Source => &definition.from,
        Side::Target => &definition.to,
    }
}

/// Where an org lives.
pub fn location(world: &World, record: &MoveRecord) -> Location {
    let shut = matches!(
        (record.strategy, record.state),
        (Strategy::Offline | Strategy::Window, State::Started(_)) | (Strategy::Online, State::Started(Step::Switch))
    );
    let definition = world.definition(&record.migration).ok();
    let store = home(record).zip(definition);
    Location { store: store.map(|(side, definition)| store_at(definition, side).clone()), accepts_writes: !shut }
}
