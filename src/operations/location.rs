//! Where an org lives, by the state of its move.

use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{Aim, State, Step, Strategy};

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

/// Where an org lives.
pub fn location(world: &World, record: &MoveRecord) -> Location {
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
    let shut = matches!(
        (record.strategy, record.state),
        (Strategy::Offline | Strategy::Window, State::Started(_)) | (Strategy::Online, State::Started(Step::Switch))
    );
    let definition = world.definition(&record.migration).ok();
    let store = in_target.zip(definition);
    Location {
        store: store.map(|(in_target, definition)| if in_target { &definition.to } else { &definition.from }.clone()),
        accepts_writes: !shut,
    }
}
