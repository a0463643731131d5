//! Orgs that no store accepts because of several migrations over the same tables: each of these agrees with the move log, and together
//! their guards refuse every write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::State;
use mover_actors::ports::Side;
use mover_actors::protocol::Mode;

use super::super::error::OperationError;
use super::super::shared_orgs::sharing;
use super::super::world::World;
use super::survey::Survey;
use super::{Inconsistency, Outcome};
use crate::config::Definition;

/// The migrations that refuse writes in each store, with the mode of the org.
type Refusals = BTreeMap<StoreName, BTreeSet<(String, &'static str)>>;

/// The orgs that the guards of this migration and of others together keep from being written in every store; nothing about orgs on the
/// move.
pub(super) async fn locked_out(
    world: &World,
    definition: &Definition,
    survey: &Survey,
) -> Result<BTreeMap<OrgKey, Inconsistency>, OperationError> {
    let keys: Vec<String> = survey.keys.iter().map(ToString::to_string).collect();
    let mut refusals: HashMap<OrgKey, Refusals> = HashMap::new();
    let sides = [(&definition.from, Side::Source), (&definition.to, Side::Target)];
    for (store, _) in sides {
        for (key, refusal) in by_others(world, definition, store, &keys).await? {
            refusals.entry(key).or_default().entry(store.clone()).or_default().insert(refusal);
        }
    }
    for (key, of_org) in &mut refusals {
        for (store, side) in sides {
            if let Some(mode) = survey.said(side, key).filter(|mode| refuses(*mode)) {
                of_org.entry(store.clone()).or_default().insert((definition.name.to_string(), mode.as_str()));
            }
        }
    }
    refusals.retain(|_, of_org| of_org.len() == 2);
    if refusals.is_empty() {
        return Ok(BTreeMap::new());
    }
    let moves = moves(world, definition, survey, &refusals).await?;
    let mut found = BTreeMap::new();
    for (key, of_org) in refusals {
        let moves = moves.get(&key).map(Vec::as_slice).unwrap_or_default();
        if moves.iter().any(|(_, record)| matches!(record.state, State::Started(_))) {
            continue;
        }
        let home = store_of_latest_move(definition, moves);
        let Some(in_the_way) = of_org.get(home) else { continue };
        let org = moves.first().map_or_else(|| key.to_string(), |(_, record)| record.org.to_string());
        let migration = definition.name.clone();
        let text = text(&of_org, home, in_the_way);
        found.insert(key, Inconsistency { migration, org, text, grave: true, outcome: Outcome::LeftToDecide });
    }
    Ok(found)
}

/// What other migrations refuse in a store.
async fn by_others(
    world: &World,
    definition: &Definition,
    store: &StoreName,
    keys: &[String],
) -> Result<Vec<(OrgKey, (String, &'static str))>, OperationError> {
    let held = world.engine.held_by_others(&definition.name, store, keys).await?;
    let refused = held.into_iter().filter(|holder| refuses(holder.mode));
    Ok(refused.map(|holder| (holder.key, (holder.migration, holder.mode.as_str()))).collect())
}

/// The moves of these orgs in this migration and in others over the same tables.
async fn moves<'a>(
    world: &'a World,
    definition: &'a Definition,
    survey: &Survey,
    orgs: &HashMap<OrgKey, Refusals>,
) -> Result<HashMap<OrgKey, Vec<(&'a Definition, MoveRecord)>>, OperationError> {
    let mut moves: HashMap<OrgKey, Vec<_>> = HashMap::new();
    for record in orgs.keys().filter_map(|key| survey.moves.get(key)) {
        moves.entry(record.key.clone()).or_default().push((definition, record.clone()));
    }
    let keys: Vec<&OrgKey> = orgs.keys().collect();
    for other in sharing(world, definition) {
        for record in world.log.moves_by_key(&other.name, &keys).await? {
            moves.entry(record.key.clone()).or_default().push((other, record));
        }
    }
    Ok(moves)
}

/// Where an org should live: where its latest move has brought it.
fn store_of_latest_move<'a>(definition: &'a Definition, moves: &[(&'a Definition, MoveRecord)]) -> &'a StoreName {
    let ended = moves.iter().filter_map(|(definition, record)| match record.state {
        State::Migrated | State::Finalized => Some((record.epoch, &definition.to)),
        State::RolledBack => Some((record.epoch, &definition.from)),
        _ => None,
    });
    ended.max_by_key(|(epoch, _)| *epoch).map_or(&definition.from, |(_, store)| store)
}

fn text(refusals: &Refusals, home: &StoreName, in_the_way: &BTreeSet<(String, &'static str)>) -> String {
    let of_store = |(store, by): (&StoreName, &BTreeSet<(String, &'static str)>)| {
        let by: Vec<String> = by.iter().map(|(migration, mode)| format!("{migration} has it {mode}")).collect();
        format!("in {store} {}", by.join(" and "))
    };
    let stores: Vec<String> = refusals.iter().map(of_store).collect();
    let remove: Vec<String> =
        in_the_way.iter().map(|(migration, _)| format!("mover guard remove {home} {migration}")).collect();
    format!(
        "no store accepts writes of the org: {}. It should live in {home} by the move log; next: {}",
        stores.join(", "),
        remove.join(", and ")
    )
}

fn refuses(mode: Mode) -> bool {
    matches!(mode, Mode::Moved | Mode::Incoming | Mode::Discarded)
}
