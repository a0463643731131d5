//! Whether the stores and the move log belong together as before. A failover to a standby that lacked commits, a store restored from
//! a dump and a move log restored from a backup all put an org where it is not. Nothing moves until an operator has decided.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use mover_actors::domain::ids::{Epoch, MigrationName, StoreName};
use mover_actors::ports::MoveLog;
use serde::Serialize;

use crate::config::Definition;
use crate::engine::{Finding, Level, StoreFound, StoreIdentity, next_if_changed};
use crate::state::StoreSeen;

use super::answer::Answer;
use super::error::OperationError;
use super::world::World;

/// A store that is not the one that it was, or that a move log has not seen as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Discontinuity {
    /// The migration.
    pub migration: MigrationName,
    /// The store.
    pub store: StoreName,
    /// What was found.
    pub text: String,
}

impl Discontinuity {
    /// What to do about it.
    pub fn next(&self) -> String {
        next_if_changed(&self.store)
    }

    pub(super) fn finding(&self) -> Finding {
        let (subject, text) = (format!("store {}", self.store), self.text.clone());
        Finding { level: Level::Problem, subject, text, remedy: Some(self.next()), statements: Vec::new() }
    }
}

/// What has changed behind the stores of all migrations since their last campaigns. Stores that cannot be reached are left out:
/// others report them.
pub(super) async fn look(world: &World) -> Result<Vec<Discontinuity>, OperationError> {
    // Read before the stores: what another process notes meanwhile is newer than what is found here.
    let mut seen = Vec::new();
    for definition in world.definitions.iter() {
        for store in stores(definition) {
            seen.push((&definition.name, store, world.log.store_seen(&definition.name, store).await?));
        }
    }
    let names: BTreeSet<&StoreName> = seen.iter().map(|(_, store, _)| *store).collect();
    // A store that does not answer takes its time, for all of them at once.
    let asked = names.iter().map(|store| async { (*store, world.engine.find_store(store).await.ok()) });
    let found: BTreeMap<&StoreName, Option<StoreFound>> = join_all(asked).await.into_iter().collect();
    // Read after the stores: epochs in the move log only rise.
    let known = world.log.newest_epoch().await?;
    let changed = seen.iter().filter_map(|(migration, store, seen)| {
        let text = changes(seen.as_ref(), found.get(store)?.as_ref()?, migration, known)?;
        Some(Discontinuity { migration: (*migration).clone(), store: (*store).clone(), text })
    });
    Ok(changed.collect())
}

fn stores(definition: &Definition) -> BTreeSet<&StoreName> {
    BTreeSet::from([&definition.from, &definition.to])
}

fn changes(seen: Option<&StoreSeen>, now: &StoreFound, migration: &MigrationName, known: Epoch) -> Option<String> {
    if let Some(changes) = seen.and_then(|seen| identity_of(seen).changes(&now.identity)) {
        return Some(changes);
    }
    let newest = now.newest_epoch(migration);
    if newest > known {
        return Some(format!(
            "it has epoch {newest}, newer than every epoch in the move log ({known}): the move log was restored from a backup, or \
             is not the one of this store"
        ));
    }
    seen.filter(|seen| newest < seen.newest_epoch).map(|seen| {
        format!(
            "its newest epoch is {newest}, and it had {} before: it was restored from a backup or a dump, or its guard was removed \
             by hand",
            seen.newest_epoch
        )
    })
}

fn identity_of(seen: &StoreSeen) -> StoreIdentity {
    StoreIdentity { system: seen.system.clone(), timeline: seen.timeline, database: seen.database }
}

fn seen_of(found: &StoreFound, migration: &MigrationName) -> StoreSeen {
    let StoreIdentity { system, timeline, database } = found.identity.clone();
    StoreSeen { system, timeline, database, newest_epoch: found.newest_epoch(migration) }
}

/// Remembers what is behind the stores of a migration now, and has the engine refuse anything else from now on.
pub(super) async fn remember(world: &World, definition: &Definition) -> Result<(), OperationError> {
    for store in stores(definition) {
        let found = world.engine.find_store(store).await?;
        world.log.see_store(&definition.name, store, &seen_of(&found, &definition.name)).await?;
        world.engine.store_must_be(store, Some(found.identity), None);
    }
    Ok(())
}

/// An error if a store is not the one that it was: no campaign begins or continues.
pub async fn refuse_changed(world: &World) -> Result<(), OperationError> {
    let found = enforce(world).await?;
    let problems: Vec<String> = found.into_values().map(|found| format!("  {}", found.finding())).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(OperationError::StoresChanged { problems: problems.join("\n") }),
    }
}

/// An error if a store is not the one that it was: no decision about flags is made. Each takes an epoch, and a move log whose
/// epochs have passed those of a store does not look older than the store any more.
pub(super) async fn refuse_decisions(world: &World) -> Result<(), OperationError> {
    let by_store: BTreeMap<_, _> = look(world).await?.into_iter().map(|found| (found.store.clone(), found)).collect();
    let problems: Vec<String> = by_store.into_values().map(|found| format!("  {}", found.finding())).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(OperationError::FlagsUndecided { problems: problems.join("\n") }),
    }
}

/// Has the engine refuse everything but the stores that the move log remembers, before any org is taken over; returns what has
/// changed, once for each store. It is called again when an operator may have accepted one.
pub async fn enforce(world: &World) -> Result<BTreeMap<StoreName, Discontinuity>, OperationError> {
    let found = look(world).await?;
    let found: BTreeMap<StoreName, Discontinuity> =
        found.into_iter().map(|found| (found.store.clone(), found)).collect();
    let mut expected = BTreeMap::new();
    for definition in world.definitions.iter() {
        for store in stores(definition) {
            if let Some(seen) = world.log.store_seen(&definition.name, store).await? {
                expected.insert(store, identity_of(&seen));
            }
        }
    }
    for store in world.definitions.iter().flat_map(stores) {
        let held = found.get(store).map(|found| format!("{}; {}", found.text, found.next()));
        world.engine.store_must_be(store, expected.get(store).cloned(), held);
    }
    Ok(found)
}

/// `doctor --accept`: an operator has decided that the store is right as it is now.
pub async fn accept(world: &World, store: &str) -> Result<Answer, OperationError> {
    let mut accepted = Vec::new();
    for definition in world.definitions.iter() {
        let Some(store) = stores(definition).into_iter().find(|known| known.as_str() == store) else { continue };
        let found = world.engine.find_store(store).await?;
        let newest = found.newest_epoch(&definition.name);
        if newest > world.log.newest_epoch().await? {
            // What the move log decides from now on is newer than what the store has.
            MoveLog::raise_epoch(&*world.log, newest).await?;
        }
        world.log.accept_store(&definition.name, store, &seen_of(&found, &definition.name)).await?;
        accepted.push(definition.name.to_string());
    }
    if accepted.is_empty() {
        let stores: BTreeSet<&str> = world.definitions.iter().flat_map(stores).map(StoreName::as_str).collect();
        let stores = stores.into_iter().collect::<Vec<_>>().join(", ");
        return Err(OperationError::UnknownStore { store: super::answer::short(store, 60), stores });
    }
    let mut text =
        format!("store {store} counts as right as it is now, for {}; next: mover doctor", accepted.join(", "));
    if let Some(campaign) = world.log.live_campaign().await? {
        // What that process knows of orgs in flight may be of the store as it was before, so it refuses the store until it ends.
        let nodes = world.log.nodes().await?;
        let node = nodes.iter().find(|node| node.id == campaign.node).map_or("of then", |node| node.name.as_str());
        text.push_str(&format!(
            "\ncampaign {} waits; next: end Mover {node} if it still runs, since it refuses the store as it is now, then: mover exec resume",
            campaign.id
        ));
    }
    Ok(Answer::new(text, serde_json::json!({ "store": store, "accepted": accepted })))
}

/// An error if a store is not the one that it was, for this migration.
pub(super) async fn refuse_changed_store(
    world: &World,
    definition: &Definition,
    store: &StoreName,
) -> Result<(), OperationError> {
    let found = look(world).await?;
    match found.iter().find(|found| found.migration == definition.name && found.store == *store) {
        Some(found) => Err(OperationError::StoresChanged { problems: format!("  {}", found.finding()) }),
        None => Ok(()),
    }
}
