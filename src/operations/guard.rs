//! `guard`: the triggers of online moves.

use std::collections::HashMap;
use std::fmt;

use mover_actors::domain::ids::{MigrationName, OrgKey, StoreName};
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{State, Strategy};
use mover_actors::ports::{LogError, MoveLog, Side};
use serde::Serialize;
use serde_json::json;

use crate::config::Definition;
use crate::engine::GuardStatus;

use super::answer::Answer;
use super::error::OperationError;
use super::world::World;

/// A subcommand of `guard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardWork {
    /// Create what is missing.
    Install {
        /// Enabled, as a campaign needs it.
        awake: bool,
    },
    /// Show it.
    Status,
    /// Remove it.
    Remove {
        /// Even if orgs live in the other store.
        force: bool,
    },
}

/// One migration's guard in one store.
#[derive(Debug, Serialize)]
struct View {
    migration: MigrationName,
    store: StoreName,
    #[serde(flatten)]
    status: GuardStatus,
}

/// `guard install | status | remove`: for one migration, or for all online ones that use the store.
pub async fn guard(
    world: &World,
    work: GuardWork,
    store: &str,
    migration: Option<&MigrationName>,
) -> Result<Answer, OperationError> {
    let (mut text, mut all) = (String::new(), Vec::new());
    for (definition, store) in guarded_stores(world, store, migration)? {
        let name = &definition.name;
        let entry = match work {
            GuardWork::Status => {
                let status = world.engine.guard_status(name, store).await?;
                let view = View { migration: name.clone(), store: store.clone(), status };
                text.push_str(&view.to_string());
                json!(view)
            }
            GuardWork::Install { awake } => {
                let changed = match awake {
                    true => world.engine.install_guard(name, store).await?,
                    false => world.engine.install_guard_asleep(name, store).await?,
                };
                super::doctor::refuse_left(world, definition, store).await?;
                text.push_str(&report(name, store, "installed on", "has all its triggers already", &changed));
                json!({ "migration": name, "store": store, "installed": changed })
            }
            GuardWork::Remove { force } => {
                refuse_campaign(world, name).await?;
                super::continuity::refuse_changed_store(world, definition, store).await?;
                let ended = ended(world, definition, store).await?;
                let ended: Vec<&OrgKey> = ended.iter().collect();
                let removed = world.engine.remove_guard_after(name, store, force, &ended).await?;
                world.log.forget_epochs(name, store).await?;
                text.push_str(&report(name, store, "removed from", "was not there; nothing changed", &removed));
                json!({ "migration": name, "store": store, "removed": removed })
            }
        };
        all.push(entry);
    }
    Ok(Answer::new(text, json!({ "guards": all })))
}

/// An error while a campaign of the migration is running: its next orgs rely on the guard.
async fn refuse_campaign(world: &World, migration: &MigrationName) -> Result<(), OperationError> {
    let Some(live) = world.log.live_campaign().await?.filter(|live| live.migration == *migration) else {
        return Ok(());
    };
    let is_driven = world.log.nodes().await?.iter().any(|node| node.id == live.node && node.alive);
    if is_driven { Err(LogError::Busy { campaign: live.id, migration: live.migration }.into()) } else { Ok(()) }
}

/// Orgs that need no guard in this store any more, whatever it says of them: finalized ones, and in the target also those that live in the
/// source and are not moving. What the source says of these must agree with the move log first.
async fn ended(world: &World, definition: &Definition, store: &StoreName) -> Result<Vec<OrgKey>, OperationError> {
    let is_target = *store == definition.to;
    let guarded = match is_target {
        true => world.engine.guarded(&definition.name, Side::Target).await?.unwrap_or_default(),
        false => HashMap::new(),
    };
    let keys: Vec<&OrgKey> = guarded.keys().collect();
    let moves = world.log.moves_begun(&definition.name, &keys).await?;
    let has_ended = |record: &MoveRecord| match record.state {
        State::Finalized => true,
        State::Holding | State::Ready | State::Failed | State::RolledBack => is_target,
        State::Started(_) | State::Migrated => false,
    };
    Ok(moves.into_iter().filter(has_ended).map(|record| record.key).collect())
}

/// Installs what an online campaign needs. If everything is there, nothing is touched.
pub(super) async fn install_for_campaign(world: &World, definition: &Definition) -> Result<(), OperationError> {
    if definition.strategy != Strategy::Online || definition.tables.is_empty() {
        return Ok(());
    }
    for store in [&definition.from, &definition.to] {
        let changed = world.engine.install_guard(&definition.name, store).await?;
        if !changed.is_empty() {
            tracing::info!(migration = %definition.name, %store, tables = changed.join(", "), "installed the guard");
            super::doctor::refuse_left(world, definition, store).await?;
        }
    }
    Ok(())
}

fn guarded_stores<'a>(
    world: &'a World,
    store: &str,
    migration: Option<&MigrationName>,
) -> Result<Vec<(&'a Definition, &'a StoreName)>, OperationError> {
    let only = match migration {
        Some(name) => Some(&world.definition(name)?.name),
        None => None,
    };
    let mut found = Vec::new();
    for definition in world.definitions.iter().filter(|definition| only.is_none_or(|only| *only == definition.name)) {
        let place = [&definition.from, &definition.to].into_iter().find(|known| known.as_str() == store);
        if let (Some(place), Strategy::Online, false) = (place, definition.strategy, definition.tables.is_empty()) {
            found.push((definition, place));
        }
    }
    if found.is_empty() { Err(unknown(world, store)) } else { Ok(found) }
}

pub(super) fn unknown(world: &World, store: &str) -> OperationError {
    let online = world.definitions.iter().filter(|definition| definition.strategy == Strategy::Online);
    let mut stores: Vec<&str> =
        online.flat_map(|definition| [&definition.from, &definition.to]).map(StoreName::as_str).collect();
    stores.sort_unstable();
    stores.dedup();
    let stores = if stores.is_empty() { "none".into() } else { stores.join(", ") };
    OperationError::UnguardedStore { store: super::answer::short(store, 60), stores }
}

fn report(migration: &MigrationName, store: &StoreName, done: &str, nothing: &str, places: &[String]) -> String {
    match places.is_empty() {
        true => format!("the guard of {migration} in {store} {nothing}\n"),
        false => format!("the guard of {migration} in {store} was {done} {}\n", places.join(", ")),
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GuardStatus { guarded, asleep, unguarded, orgs, .. } = &self.status;
        writeln!(f, "{} in {}", self.migration, self.store)?;
        let list = |places: &[String]| if places.is_empty() { "none".into() } else { places.join(", ") };
        if asleep.is_empty() || !guarded.is_empty() {
            writeln!(f, "  guarded        {}", list(guarded))?;
        }
        if !asleep.is_empty() {
            writeln!(f, "  asleep         {}", list(asleep))?;
            writeln!(f, "                 the first campaign wakes them up; until then they cost nothing")?;
        }
        if !unguarded.is_empty() {
            writeln!(f, "  NOT guarded    {}", list(unguarded))?;
            writeln!(f, "  next: mover guard install {} {}", self.store, self.migration)?;
        }
        writeln!(
            f,
            "  orgs           settled {}, capturing {}, moved {}, incoming {}, discarded {}",
            orgs.settled, orgs.capturing, orgs.moved, orgs.incoming, orgs.discarded
        )?;
        writeln!(f, "  changes logged {}", orgs.entries)
    }
}
