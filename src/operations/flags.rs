//! Desired flags, flags in Redis, and orders to change them.

use std::fmt;

use mover_actors::domain::flags::{EPOCH_FIELD, Fields, FlagKey, is_internal};
use mover_actors::domain::ids::{Epoch, OrgName};
use mover_actors::ports::MoveLog;
use mover_actors::tree::darklaunch::{Drift, FlagOrder, FlagWriter, RepairFlags, differences, drifts};
use serde::Serialize;
use serde_json::{Value, json};

use crate::command::Command;

use super::Running;
use super::answer::Answer;
use super::continuity;
use super::error::OperationError;
use super::routes::RouteSurvey;
use super::world::World;

const DRIFTS_MAX: usize = 100;

/// The hash that a command changes, and its new fields; `None` if it changes none.
pub(crate) fn change(command: &Command) -> Option<(FlagKey, Fields)> {
    let one = |field: &str, value: Option<String>| Fields::from([(field.to_owned(), value)]);
    match command {
        Command::Darklaunch { hash, fields } => Some((hash.key(), fields.clone())),
        // Also to end a 503 the value is written: an absent field would leave the org to a 503 in dl_default.
        Command::Darklaunch503 { org, on } => Some((FlagKey::org(org), one("503_mode", Some(on.to_string())))),
        Command::DarklaunchOrgs503 { on } => {
            Some((FlagKey::default_hash(), one("orgs_503_mode", Some(on.to_string()))))
        }
        Command::DarklaunchOrgCreation { on } => {
            Some((FlagKey::no_org(), one("disable_new_orgs", (!*on).then(|| "true".to_owned()))))
        }
        _ => None,
    }
}

/// One hash: the decision, and what Redis has.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    key: FlagKey,
    managed: bool,
    wanted_epoch: Option<Epoch>,
    found_epoch: Option<Epoch>,
    fields: Vec<Field>,
}

#[derive(Debug, Serialize)]
struct Field {
    name: String,
    wanted: Option<String>,
    found: Option<String>,
    drifts: bool,
}

/// Reads both sides of a hash.
pub(super) async fn compare(world: &World, key: &FlagKey) -> Result<Compared, OperationError> {
    let wanted = world.log.desired_of(std::slice::from_ref(key)).await?.pop().flatten();
    let mut found = world.flags.hash(key).await?;
    let found_epoch = found.remove(EPOCH_FIELD).and_then(|epoch| epoch.parse().ok()).map(Epoch);
    found.retain(|field, _| !is_internal(field));
    let managed = wanted.is_some();
    let (wanted_epoch, wanted) = wanted.map_or((None, Fields::new()), |image| (Some(image.epoch), image.fields));
    let mut names: Vec<_> = wanted.keys().chain(found.keys()).cloned().collect();
    names.sort();
    names.dedup();
    let fields = names
        .into_iter()
        .map(|name| {
            let found = found.get(&name).cloned();
            let drifts = wanted.get(&name).is_some_and(|wanted| *wanted != found);
            Field { wanted: wanted.get(&name).cloned().flatten(), found, drifts, name }
        })
        .collect();
    Ok(Compared { key: key.clone(), managed, wanted_epoch, found_epoch, fields })
}

/// An org's flags for programs.
pub(crate) async fn flags_of(world: &World, org: &OrgName) -> Result<Value, OperationError> {
    // Plain data, which always has a JSON form.
    Ok(serde_json::to_value(compare(world, &FlagKey::org(org)).await?).unwrap_or_default())
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = self.found_epoch.map_or("none".into(), |epoch| epoch.to_string());
        writeln!(f, "{:?} in Redis, epoch {epoch}:", self.key.as_str())?;
        for field in &self.fields {
            write!(f, "  {} = {}", field.name, shown(field.found.as_deref()))?;
            match field.drifts {
                true => writeln!(f, "   DRIFT: should be {}", shown(field.wanted.as_deref()))?,
                false => writeln!(f)?,
            }
        }
        if self.fields.is_empty() {
            writeln!(f, "  no fields")?;
        }
        if !self.managed {
            writeln!(f, "  Mover has never written this hash")?;
        }
        Ok(())
    }
}

fn shown(value: Option<&str>) -> String {
    value.map_or("(none)".into(), |value| format!("{value:?}"))
}

/// `flags show`
pub(super) async fn show(world: &World, key: &FlagKey) -> Result<Answer, OperationError> {
    Ok(Answer::of(&compare(world, key).await?))
}

/// `flags check`
pub(super) async fn check(world: &World) -> Result<Answer, OperationError> {
    let (checked, drifts) = drifts(world.log.as_ref(), world.flags.as_ref(), DRIFTS_MAX).await?;
    let mut text = format!("{checked} flag hashes compared, {} differ", count(drifts.len()));
    for drift in &drifts {
        text.push_str(&format!("\n  {:?}: {}", drift.wanted.key.as_str(), difference(drift)));
    }
    let routes = RouteSurvey::look(world).await?;
    text.push_str(&format!(
        "\n{} orgs compared with where they live, {} routed elsewhere",
        routes.checked,
        routes.total()
    ));
    for org in &routes.misrouted {
        text.push_str(&format!("\n  {org}"));
    }
    if !drifts.is_empty() {
        text.push_str("\nnext: flags repair");
    } else if routes.total() > 0 {
        text.push_str("\nnext: darklaunch …, with what the flags should say: Mover did not decide otherwise");
    }
    let found: Vec<_> = drifts
        .iter()
        .map(|drift| json!({ "key": drift.wanted.key, "wanted": drift.wanted.fields, "found": drift.found.fields }))
        .collect();
    let is_well = drifts.is_empty() && routes.total() == 0;
    Ok(Answer::new(text, json!({ "checked": checked, "drifts": found, "routes": routes })).if_all(is_well))
}

fn count(drifts: usize) -> String {
    if drifts >= DRIFTS_MAX { format!("{DRIFTS_MAX} or more") } else { drifts.to_string() }
}

pub(super) fn difference(drift: &Drift) -> String {
    let differing = differences(&drift.wanted, &drift.found);
    match differing.is_empty() {
        true => format!("its epoch is newer than the move log's {}", drift.wanted.epoch),
        false => differing,
    }
}

/// `flags repair`. It draws epochs, which could hide that the move log is older than a store.
pub(super) async fn repair(world: &World, running: &Running) -> Result<Answer, OperationError> {
    continuity::refuse_decisions(world).await?;
    let repaired = running.darklaunch.send(RepairFlags).await??;
    Ok(Answer::new(format!("{repaired} flag hashes written"), json!({ "repaired": repaired })))
}

/// `darklaunch …`: stored, then written. Fields that belong together are written together.
pub(super) async fn set(
    world: &World,
    running: &Running,
    key: FlagKey,
    fields: Fields,
) -> Result<Answer, OperationError> {
    continuity::refuse_decisions(world).await?;
    let text = fields
        .iter()
        .map(|(name, value)| format!("{:?}: {name} = {}", key.as_str(), shown(value.as_deref())))
        .collect::<Vec<_>>()
        .join("\n");
    let json = json!({ "key": key, "fields": fields });
    FlagWriter::new(running.darklaunch.clone()).apply(FlagOrder::of_operator(key, fields)).await?;
    Ok(Answer::new(text, json))
}
