//! Dangerous commands: their effect, and the word that confirms them.

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::flags::FlagKey;
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::{Aim, Strategy};
use mover_actors::tree::darklaunch::drifts_of;

use crate::command::{Command, Which, verb};

use super::approval::Proposed;
use super::campaigns::would_claim;
use super::error::OperationError;
use super::flags::{change, difference};
use super::routes::{Change, Foresight, foresee};
use super::world::World;

/// What a dangerous command would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// As sentences, with counts.
    pub what: String,
    /// The word that the user types to confirm it.
    pub word: String,
    /// Whether over HTTP it takes an admin: orgs would be routed away from their rows, or opened while they are copied, or
    /// what someone else set for everybody would be overwritten.
    pub for_admins: bool,
}

/// Whether a command is irreversible: it deletes rows, or later writes are not captured.
pub fn is_final(world: &World, command: &Command) -> bool {
    match command {
        Command::Migrate { aim: Aim::Finalize, .. } => true,
        Command::Migrate { aim: Aim::Migrate, migration, .. } => {
            world.definition(migration).is_ok_and(|definition| definition.strategy == Strategy::Offline)
        }
        _ => false,
    }
}

/// Whether a command needs confirmation before it is carried out. Reads only.
pub async fn danger(world: &World, command: &Command) -> Result<Option<Danger>, OperationError> {
    match command {
        Command::Migrate { aim: Aim::Migrate, migration, .. } => of_open_window(world, migration).await,
        Command::Migrate { aim: Aim::RollBack, which: Which::Orgs(Selection::Names(_)), .. } => Ok(None),
        Command::Migrate { aim, migration, which, .. } => of_campaign(world, *aim, migration, which).await.map(Some),
        Command::Darklaunch { .. }
        | Command::Darklaunch503 { .. }
        | Command::DarklaunchOrgs503 { .. }
        | Command::DarklaunchOrgCreation { .. } => match change(command) {
            Some((key, fields)) => of_flags(world, Change { key, fields }).await,
            None => Ok(None),
        },
        Command::FlagsRepair => of_repair(world).await,
        // The approver reads the same text as the user who gave the command.
        Command::Approve { command } => {
            let Proposed { giver, command, .. } = Proposed::find(&world.log, *command).await?;
            let danger = Box::pin(danger(world, &command)).await?;
            Ok(danger
                .map(|danger| Danger { what: format!("{giver} has given `{command}`. {}", danger.what), ..danger }))
        }
        _ => Ok(None),
    }
}

/// A window in which writers were not kept out: what they write while a campaign copies is not in the target, and no flag sends them
/// elsewhere.
async fn of_open_window(world: &World, migration: &MigrationName) -> Result<Option<Danger>, OperationError> {
    let Ok(definition) = world.definition(migration) else { return Ok(None) };
    // Statements for each org copy no rows.
    let copies = definition.strategy == Strategy::Window && !definition.tables.is_empty();
    if !copies || are_writers_kept_out(world).await? {
        return Ok(None);
    }
    let (name, to) = (&definition.name, &definition.to);
    let what = format!(
        "migrate: {name} moves orgs in a window, and orgs_503_mode in dl_default is not true: what is written from now on may be missing in \
         {to}. next: darklaunch orgs-503 on"
    );
    Ok(Some(Danger { what, word: name.to_string(), for_admins: false }))
}

/// Whether the flags answer 503 to requests that would change orgs, or to all requests.
pub(super) async fn are_writers_kept_out(world: &World) -> Result<bool, OperationError> {
    let is_set = |flags: &std::collections::BTreeMap<String, String>, field: &str| {
        flags.get(field).is_some_and(|value| value == "true")
    };
    let default = world.flags.hash(&FlagKey::default_hash()).await?;
    if is_set(&default, "orgs_503_mode") || is_set(&default, "503_mode") {
        return Ok(true);
    }
    Ok(is_set(&world.flags.hash(&FlagKey::override_hash()).await?, "503_mode"))
}

async fn of_campaign(
    world: &World,
    aim: Aim,
    migration: &MigrationName,
    which: &Which,
) -> Result<Danger, OperationError> {
    let definition = world.definition(migration)?;
    let (name, from, to) = (&definition.name, &definition.from, &definition.to);
    let orgs = would_claim(world, aim, name, &super::orgs::selection(which)?).await?;
    let what = match aim {
        Aim::Migrate => format!("{orgs} orgs go from {from} to {to}."),
        Aim::RollBack if definition.strategy == Strategy::Window => {
            format!(
                "what was brought to {to} for {orgs} orgs of {name} is taken back, with all that was written there since."
            )
        }
        Aim::RollBack => format!("{orgs} orgs of {name} go back from {to} to {from}, and are removed from {to}."),
        Aim::Finalize => format!(
            "The way back is closed for {orgs} orgs of {name}: their rows are written to backup files and then deleted from \
             {from}."
        ),
    };
    Ok(Danger { what: format!("{}: {what}", verb(aim)), word: name.to_string(), for_admins: false })
}

async fn of_flags(world: &World, change: Change) -> Result<Option<Danger>, OperationError> {
    let foresight = foresee(world, &change).await?;
    let misroutes = foresight.as_ref().is_some_and(Foresight::is_harmful);
    let Change { key, fields } = change;
    // The hash is written as a whole, also what someone else has changed in it.
    let overwritten = overwritten(world, &key).await?;
    let (word, who) = match key.org_name() {
        // A change for one org that keeps it with its rows asks nothing.
        Some(_) if !misroutes => return Ok(None),
        Some(org) => (org.to_string(), "that org"),
        None if key == FlagKey::default_hash() => (key.to_string(), "every org without such a flag of its own"),
        None if key == FlagKey::override_hash() => (key.to_string(), "every org"),
        None if overwritten.is_empty() => return Ok(None),
        None => (key.to_string(), "requests without an org"),
    };
    let found = world.flags.hash(&key).await?;
    let shown = |value: Option<&String>| value.map_or("absent".to_owned(), |value| format!("{value:?}"));
    let changes = fields.iter().map(|(field, value)| {
        let (before, after) = (shown(found.get(field)), shown(value.as_ref()));
        if before == after { format!("{field} stays {before}") } else { format!("{field} {before} -> {after}") }
    });
    let changes = changes.collect::<Vec<_>>().join(", ");
    let foreseen = foresight.map_or(String::new(), |foresight| foresight.to_string());
    let what = format!("{key}, which holds for {who}: {changes}.{foreseen}{overwritten}");
    Ok(Some(Danger { what, word, for_admins: misroutes }))
}

/// What a write of a hash that holds for everybody would overwrite, if a 503 of everybody would begin or end by that.
async fn overwritten(world: &World, key: &FlagKey) -> Result<String, OperationError> {
    if !key.is_of_all() {
        return Ok(String::new());
    }
    let drifts = drifts_of(world.log.as_ref(), world.flags.as_ref(), std::slice::from_ref(key)).await?;
    let changing = drifts.iter().find(|drift| drift.changes_503_of_all());
    Ok(changing.map_or(String::new(), |drift| {
        format!(" What someone else has changed there is written back, too: {}.", difference(drift))
    }))
}

/// A repair that would begin or end a 503 of everybody: someone else has set or cleared it, and may want it so.
async fn of_repair(world: &World) -> Result<Option<Danger>, OperationError> {
    let keys = [FlagKey::default_hash(), FlagKey::override_hash(), FlagKey::no_org()];
    let drifts = drifts_of(world.log.as_ref(), world.flags.as_ref(), &keys).await?;
    let changing: Vec<_> = drifts.iter().filter(|drift| drift.changes_503_of_all()).collect();
    if changing.is_empty() || !world.flags.has_all().await? {
        return Ok(None);
    }
    let found = changing.iter().map(|drift| format!("{}: {}", drift.wanted.key, difference(drift)));
    let what = format!(
        "flags repair: someone else has changed what holds for everybody, and a 503 of everybody would begin or end. {}.",
        found.collect::<Vec<_>>().join(". ")
    );
    Ok(Some(Danger { what, word: "repair".into(), for_admins: true }))
}
