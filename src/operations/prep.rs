//! Prepares a migration: forces every org that it does not know yet to the old components by flags of the org's own, and
//! captures it. Then the new components can become the default, for new orgs.
//!
//! The flags are written before the org is captured. The other way round, a crash in between would leave a captured org that
//! follows the default.

use std::collections::HashSet;
use std::future::ready;

use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use mover_actors::domain::campaign::Selection;
use mover_actors::domain::flags::{Fields, FlagKey, present};
use mover_actors::domain::state::Aim;
use mover_actors::failpoint;
use mover_actors::ports::{EngineError, Flags};
use mover_actors::tree::darklaunch::{Apply, FlagOrder};
use serde_json::json;

use crate::command::{Which, verb};
use crate::config::Definition;
use crate::state::Captured;
use crate::state::read::StateName;

use super::Running;
use super::answer::Answer;
use super::continuity;
use super::error::OperationError;
use super::skipped_orgs::{SkippedOrgs, known_otherwise, otherwise_json};
use super::world::World;

const BATCH_ORGS: usize = 1_000;
const PAGE_ORGS: u32 = 500;

/// `migrate` of a migration of kind prep. Repeating it is harmless: it continues where it was.
pub(super) async fn prepare(
    world: &World,
    running: &Running,
    aim: Aim,
    definition: &Definition,
    which: &Which,
) -> Result<Answer, OperationError> {
    let migration = &definition.name;
    if aim != Aim::Migrate || *which != Which::Orgs(Selection::All) {
        return Err(OperationError::PrepTakesAll { migration: migration.to_string(), verb: verb(aim) });
    }
    continuity::refuse_decisions(world).await?;
    let on_source = present(&definition.routing.on_source);
    let (mut prepared, mut known) = (0, 0);
    let left_out = SkippedOrgs::default();
    let orgs = world.engine.orgs(migration).await?.filter_map(|listed| ready(left_out.sift(listed)));
    let mut batches = std::pin::pin!(orgs.try_chunks(BATCH_ORGS));
    let mut captured_now = Captured::default();
    while let Some(mut batch) = batches.try_next().await.map_err(|error| OperationError::NotCaptured(error.1))? {
        let names: Vec<_> = batch.iter().map(|(name, _)| name.clone()).collect();
        let captured = world.log.moves_by_name(migration, &names).await?;
        let captured: HashSet<_> = captured.into_iter().map(|record| record.org).collect();
        known += captured.len();
        batch.retain(|(name, _)| !captured.contains(name));
        force(running, batch.iter().map(|(name, _)| (FlagKey::org(name), on_source.clone()))).await?;
        failpoint::hit("prep.flags");
        prepared += batch.len();
        let orgs = stream::iter(batch.into_iter().map(Ok::<_, EngineError>));
        captured_now.include(world.log.capture(migration, definition.strategy, orgs).await?);
        tracing::info!(%migration, prepared, known, "preparing orgs");
    }
    let mut text = format!(
        "{migration}: {prepared} orgs are forced to the old components and in holding; {known} were known.\n\
         next: darklaunch default …, for orgs that are made from now on; then orgs ready {migration} all"
    );
    text.push_str(&left_out.text());
    text.push_str(&known_otherwise(&captured_now));
    let facts = json!({
        "prepared": prepared,
        "known": known,
        "known_otherwise": otherwise_json(&captured_now),
        "left_out": left_out.json(),
    });
    Ok(Answer::new(text, facts))
}

/// `orgs force-old`: the same flags for orgs that are captured and do not move yet. What an org's own flags say already stays.
pub(super) async fn force_captured(
    world: &World,
    running: &Running,
    definition: &Definition,
) -> Result<Answer, OperationError> {
    let (migration, on_source) = (&definition.name, present(&definition.routing.on_source));
    let (mut forced, mut left) = (0, 0);
    for state in [StateName::Holding, StateName::Ready] {
        let mut after = None;
        loop {
            let page = world.log.list(migration, Some(state), after, PAGE_ORGS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.id);
            let fields: Vec<String> = on_source.keys().cloned().collect();
            let keys = page.iter().map(|view| FlagKey::org(&view.record.org));
            let keys: Vec<_> = keys.map(|key| (key, fields.clone())).collect();
            let found = world.flags.read(&keys).await?;
            let missing = keys.into_iter().zip(found).map(|((key, _), found)| {
                let mut missing = on_source.clone();
                missing.retain(|field, _| found.fields.get(field).is_none_or(Option::is_none));
                (key, missing)
            });
            let (whole, missing): (Vec<_>, Vec<_>) = missing.partition(|(_, missing)| missing.is_empty());
            left += whole.len();
            forced += missing.len();
            force(running, missing).await?;
        }
    }
    let text = format!("{migration}: {forced} orgs are forced to the old components; {left} had such flags");
    Ok(Answer::new(text, json!({ "forced": forced, "left": left })))
}

/// Writes the fields of many hashes; the darklaunch actor joins the orders that wait.
async fn force(running: &Running, hashes: impl IntoIterator<Item = (FlagKey, Fields)>) -> Result<(), OperationError> {
    let orders = hashes.into_iter().map(|(key, fields)| Apply(FlagOrder::of_operator(key, fields)));
    for written in join_all(orders.map(|order| running.darklaunch.send(order))).await {
        written??;
    }
    Ok(())
}
