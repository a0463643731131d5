//! `restore`: loads a backup that `finalize` wrote, once all of it was held against the definition and the move log, and says where the
//! org's rows are now.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use mover_actors::domain::ids::StoreName;
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{State, Step, Strategy};
use mover_actors::ports::EngineError;
use serde_json::json;

use crate::config::Definition;
use crate::engine::{BackupKeys, OpenedBackup, Restored, Trust};
use crate::state::{PgMoveLog, StateError};

use super::answer::Answer;
use super::doctor::Diagnosis;
use super::error::OperationError;
use super::guard::unknown;
use super::location::location;
use super::only_rows::only_rows;
use super::shared_orgs::live_by_others;
use super::shell::in_shell;
use super::world::World;

/// Names at most this many columns.
const NAMED_MAX: usize = 8;

/// The move log keeps the key of backups.
pub struct KeyInLog(pub Arc<PgMoveLog>);

#[async_trait]
impl BackupKeys for KeyInLog {
    async fn key(&self) -> Result<[u8; 32], EngineError> {
        let failed = |error: StateError| EngineError {
            transient: error.is_transient(),
            reason: error.to_string(),
            place: Box::default(),
        };
        self.0.backup_key().await.map_err(failed)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct RestoreWish<'a> {
    /// The file.
    pub file: &'a Path,
    /// The store to load it into.
    pub store: &'a str,
    /// Which files are taken.
    pub trust: Trust,
    /// Remove restored rows instead.
    pub remove: bool,
}

/// A backup with what is known of its org.
struct Known<'a> {
    backup: OpenedBackup,
    definition: &'a Definition,
    record: MoveRecord,
    /// Where the org lives, unless the guards contradict the move log.
    lives_in: Option<StoreName>,
    /// How they do.
    contradiction: Option<String>,
}

/// The file that the move log knows of the org, if this one is neither signed nor that one.
fn other_than_known<'a>(record: &'a MoveRecord, backup: &OpenedBackup) -> Option<&'a Path> {
    let known = record.backup.as_ref()?;
    let is_other = known.sum.as_ref().is_some_and(|sum| !backup.is_signed() && !backup.has_sum(sum));
    is_other.then_some(&*known.path)
}

/// `restore`: loads a backup, or removes its rows again.
pub async fn restore(world: &World, wish: RestoreWish<'_>) -> Result<Answer, OperationError> {
    let mut stores = world.definitions.iter().flat_map(|definition| [&definition.from, &definition.to]);
    let store = stores.find(|known| known.as_str() == wish.store).ok_or_else(|| unknown(world, wish.store))?;
    let known = Known::of(world, wish).await?;
    known.must_rest(store)?;
    if wish.remove {
        return known.remove(world, wish, store).await;
    }
    known.must_not_stand_in_the_way(store)?;
    let restored = world.engine.restore(&known.backup, store).await?;
    Ok(known.answer(wish, store, &restored))
}

impl<'a> Known<'a> {
    /// Reads the file, and holds its header against the definition and the move log.
    async fn of(world: &'a World, wish: RestoreWish<'_>) -> Result<Self, OperationError> {
        let refused = |problem: String| OperationError::Backup { file: wish.file.display().to_string(), problem };
        let backup = world.engine.open_backup(wish.file, wish.trust).await?;
        let definition = world.definition(backup.migration())?;
        let (org, key, migration) = (backup.org(), backup.key(), &definition.name);
        let Some(record) = world.log.moves_by_key(migration, &[key]).await?.pop() else {
            return Err(refused(format!(
                "it is of org {org} with key {key}, which the move log does not know in migration {migration}; next: orgs add {org} \
                 {migration}, if it is the right file"
            )));
        };
        if record.org != *org {
            let problem =
                format!("it is of org {org} with key {key}, and the move log has {} under that key", record.org);
            return Err(refused(problem));
        }
        match world.log.backup_of(record.id, backup.epoch()).await? {
            Some(entry) => match &entry.sum {
                // Written again before the rows were removed: it may have others than the history says, and its signature counts.
                Some(sum) if backup.replaces(sum) => {}
                Some(sum) if !backup.has_sum(sum) => {
                    return Err(refused(format!(
                        "it is not the file that org {org} was backed up to with epoch {}",
                        backup.epoch()
                    )));
                }
                _ => {
                    let rows = backup.rows();
                    if let Some(expected) = entry.rows.filter(|expected| *expected != rows) {
                        return Err(refused(format!(
                            "it has {rows} rows, and org {org} was backed up with {expected}"
                        )));
                    }
                }
            },
            // The epoch in a file without a signature says nothing.
            None if let Some(file) = other_than_known(&record, &backup) => {
                return Err(refused(format!(
                    "it is not the file that org {org} was backed up to, which the move log knows; next: use {}",
                    file.display()
                )));
            }
            None if wish.trust == Trust::AlsoUnsigned => {}
            None => {
                return Err(refused(format!(
                    "the move log has no backup of org {org} with epoch {}; next: `org {org}` shows its history; if the move log was \
                     lost since, add --unsigned",
                    backup.epoch()
                )));
            }
        }
        // A move log that was lost and made anew knows the org as one that has never moved.
        let contradiction = match Diagnosis::contradiction(world, definition, key).await {
            Ok(found) => found,
            // The other store may be gone for good.
            Err(error) => {
                tracing::warn!(%error, "whether the guards of both stores agree with the move log is not known");
                None
            }
        };
        let lives_in = location(world, &record).store.filter(|_| contradiction.is_none());
        Ok(Self { backup, definition, record, lives_in, contradiction })
    }

    fn refused(&self, problem: String) -> OperationError {
        OperationError::Restore { org: self.record.org.to_string(), problem }
    }

    fn must_rest(&self, store: &StoreName) -> Result<(), OperationError> {
        let (state, org) = (self.record.state, &self.record.org);
        match state {
            // The purge waits until the target has rows again, and touches none of them.
            State::Started(Step::Purge) if *store == self.definition.to => Ok(()),
            State::Started(_) => Err(self.refused(format!(
                "it is {state}, and its move must not meet rows that it does not know; next: wait for it, `org {org}` shows it"
            ))),
            _ => Ok(()),
        }
    }

    /// The next move of an org that lives in the source would find rows in the target that it has not copied.
    fn must_not_stand_in_the_way(&self, store: &StoreName) -> Result<(), OperationError> {
        let Definition { from, to, strategy, .. } = self.definition;
        match &self.lives_in {
            Some(home) if home == from && store == to && *strategy != Strategy::Window => Err(self.refused(format!(
                "it is {} and lives in {from}: rows in {to} would stand in the way of its next move; next: restore it to {from}",
                self.record.state
            ))),
            _ => Ok(()),
        }
    }

    /// Removes the rows from the source of a finalized org.
    async fn remove(&self, world: &World, wish: RestoreWish<'_>, store: &StoreName) -> Result<Answer, OperationError> {
        let Definition { from, to, .. } = self.definition;
        if self.record.state != State::Finalized || store != from {
            let state = self.record.state;
            return Err(
                self.refused(format!("it is {state}; only rows of a finalized org are removed, and only from {from}"))
            );
        }
        if let Some(other) =
            live_by_others(world, self.definition, store, &[self.backup.key()]).await?.into_values().next()
        {
            return Err(self.refused(format!(
                "its rows in {store} are live, or about to be, by migration {other}: they are not those that were restored, and nothing \
                 was removed; next: org {}",
                self.record.org
            )));
        }
        self.must_be_elsewhere(world, wish, store).await?;
        let epoch = world.log.next_epoch().await?;
        let rows = world.engine.remove_restored(&self.backup, store, epoch).await?;
        let org = &self.record.org;
        let text = format!("{rows} rows of org {org} were removed from {store}; the org lives in {to} alone");
        Ok(Answer::new(text, json!({ "removed": rows, "store": store, "org": org, "migration": self.definition.name })))
    }

    /// Refuses to remove rows of tables of which the target has none.
    async fn must_be_elsewhere(
        &self,
        world: &World,
        wish: RestoreWish<'_>,
        store: &StoreName,
    ) -> Result<(), OperationError> {
        let lease = self.record.lease();
        let only = only_rows(world, &lease).await?;
        let (to, org) = (&self.definition.to, &self.record.org);
        match only.iter().next() {
            None => Ok(()),
            Some((table, rows)) => Err(self.refused(format!(
                "{to} holds no row of it in table {table}, and the {rows} in {store} are the only ones; nothing was removed; next: load \
                 them there: mover restore {} --to {to}, if {to} has no row of org {org} at all, or else copy those of {table} by hand",
                in_shell(wish.file)
            ))),
        }
    }

    /// What is true now, and what comes next.
    fn answer(&self, wish: RestoreWish<'_>, store: &StoreName, restored: &Restored) -> Answer {
        let Definition { name, from, to, .. } = self.definition;
        let (org, state, mode) = (&self.record.org, self.record.state, restored.mode);
        let refuses_writes = matches!(mode, Some("moved" | "discarded" | "incoming"));
        let mut text = format!("{} rows of {} are in store {store}\n", restored.rows, wish.file.display());
        if !restored.defaulted.is_empty() {
            let more = restored.defaulted.len().saturating_sub(NAMED_MAX);
            let named = restored.defaulted.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.push_str(&format!("columns that the backup does not have hold their defaults: {named}{more}\n"));
        }
        let guard = mode.unwrap_or("without a row of it");
        let gate = if refuses_writes { "refuses" } else { "accepts" };
        let elsewhere = self.lives_in.as_ref().filter(|home| *home != store);
        let is_doubled = elsewhere.is_some();
        text.push_str(&match elsewhere {
            Some(home) => {
                let open = match refuses_writes {
                    true => String::new(),
                    false => format!(
                        "\nATTENTION: nothing keeps writers out of {store}; next: mover guard install {store} {name}, and mover doctor"
                    ),
                };
                format!(
                    "org {org} is {state} and lives in {home}, which accepts its writes; {store} {gate} them (its guard: {guard}). Its \
                     rows are in both stores now, and those in {store} stay as they were when it left.{open}\nnext: read there what you \
                     need, then remove them: mover restore {} --to {store} --remove{}",
                    in_shell(wish.file),
                    if wish.trust == Trust::AlsoUnsigned { " --unsigned" } else { "" }
                )
            }
            None if let Some(contradiction) = &self.contradiction => format!(
                "ATTENTION: {contradiction}; {store} {gate} writes (its guard: {guard}), and whether the org lives there is not known. Next: \
                 mover doctor, and look at both stores before anything moves it"
            ),
            None if refuses_writes => format!(
                "org {org} is {state} and should live here, but {store} refuses its writes (its guard: {guard}); next: mover doctor"
            ),
            None => {
                let other = if store == from { to } else { from };
                format!(
                    "org {org} is {state}; {store} accepts its writes (its guard: {guard}). The rows are as they were when it was backed \
                     up, and {other} was not looked at; next: verify {name} {org}, and mover doctor"
                )
            }
        });
        let facts = json!({
            "rows": restored.rows, "store": store, "org": org, "migration": name, "lives_in": self.lives_in,
            "accepts_writes": !refuses_writes, "guard": mode, "in_both_stores": is_doubled, "defaulted": restored.defaulted,
        });
        Answer::new(text, facts)
    }
}
