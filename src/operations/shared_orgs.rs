//! Orgs that several migrations over the same tables move.

use std::collections::HashMap;

use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::State;
use mover_actors::protocol::Mode;

use crate::config::Definition;

use super::error::OperationError;
use super::world::World;

/// Other migrations with at least one table of this one.
pub(super) fn sharing<'a>(world: &'a World, definition: &Definition) -> impl Iterator<Item = &'a Definition> {
    let tables: Vec<_> = definition.tables.iter().map(|rule| rule.name.clone()).collect();
    let name = definition.name.clone();
    world
        .definitions
        .iter()
        .filter(move |other| other.name != name && other.tables.iter().any(|rule| tables.contains(&rule.name)))
}

/// Those of the orgs whose rows in this store are live, or about to be, by another migration over the same tables, with its name.
pub(super) async fn live_by_others(
    world: &World,
    definition: &Definition,
    store: &StoreName,
    orgs: &[&OrgKey],
) -> Result<HashMap<OrgKey, String>, OperationError> {
    let keys: Vec<String> = orgs.iter().map(ToString::to_string).collect();
    let held = world.engine.held_by_others(&definition.name, store, &keys).await?;
    let live = held.into_iter().filter(|holder| matches!(holder.mode, Mode::Capturing | Mode::Incoming));
    let mut found: HashMap<OrgKey, String> = live.map(|holder| (holder.key, holder.migration)).collect();
    for other in sharing(world, definition).filter(|other| other.to == *store) {
        let moves = world.log.moves_by_key(&other.name, orgs).await?;
        let is_here =
            |record: &MoveRecord| matches!(record.state, State::Migrated | State::Finalized | State::Started(_));
        found.extend(moves.into_iter().filter(is_here).map(|record| (record.key, other.name.to_string())));
    }
    Ok(found)
}
