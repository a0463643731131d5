//! Dangerous commands: their effect, and the word that confirms them.

use mover_actors::domain::campaign::Selection;
use mover_actors::domain::flags::{Fields, FlagKey};
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::{Aim, Strategy};

use crate::command::{Command, FlagHash, Which, verb};

use super::approval::Proposed;
use super::campaigns::would_claim;
use super::error::OperationError;
use super::world::World;

/// What a dangerous command would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// As sentences, with counts.
    pub what: String,
    /// The word that the user types to confirm it.
    pub word: String,
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
        Command::Darklaunch { hash: hash @ (FlagHash::Default | FlagHash::Override), fields } => {
            of_flags(world, hash.key(), fields).await.map(Some)
        }
        Command::DarklaunchOrgs503 { on } => {
            of_flags(world, FlagKey::default_hash(), &super::orgs_503(*on)).await.map(Some)
        }
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
    Ok(Some(Danger { what, word: name.to_string() }))
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
    Ok(Danger { what: format!("{}: {what}", verb(aim)), word: name.to_string() })
}

async fn of_flags(world: &World, key: FlagKey, fields: &Fields) -> Result<Danger, OperationError> {
    let found = world.flags.hash(&key).await?;
    let shown = |value: Option<&String>| value.map_or("absent".to_owned(), |value| format!("{value:?}"));
    let changes = fields.iter().map(|(field, value)| {
        let (before, after) = (shown(found.get(field)), shown(value.as_ref()));
        if before == after { format!("{field} stays {before}") } else { format!("{field} {before} -> {after}") }
    });
    let changes: Vec<_> = changes.collect();
    let who = if key == FlagKey::default_hash() { "every org without such a flag of its own" } else { "every org" };
    Ok(Danger { what: format!("{key}, which holds for {who}: {}.", changes.join(", ")), word: key.to_string() })
}
