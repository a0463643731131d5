//! `doctor`: compares the guards in the stores with the move log, and repairs inconsistencies.
//!
//! Moves clean up after themselves, also after a crash. Inconsistencies come from outside: a move log that was restored from a
//! backup, rows that were removed by hand, a migration that was renamed. The move log decides (P10). A repair first takes a new
//! epoch and then reads the state, so that a campaign that claims the org meanwhile has a higher one and wins.

use std::fmt;

use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName};
use mover_actors::domain::record::{Lease, MoveRecord};
use mover_actors::domain::state::{Aim, State, Strategy};
use mover_actors::ports::{Engine, Side};
use serde::Serialize;

use crate::engine::Guarded;

use super::doubled::doubled;
use super::error::OperationError;
use super::world::World;

/// What the doctor found.
#[derive(Debug, Default, Serialize)]
pub struct Diagnosis {
    /// The number of orgs that were examined: all that are not plainly settled in a guard.
    pub looked_at: u64,
    /// What is inconsistent.
    pub ailments: Vec<Inconsistency>,
}

/// One inconsistency.
#[derive(Debug, Serialize)]
pub struct Inconsistency {
    /// The migration.
    pub migration: MigrationName,
    /// The org's name, or its key if the move log does not know it.
    pub org: String,
    /// What is wrong, and in which store.
    pub text: String,
    /// What was done about it.
    pub outcome: Outcome,
}

/// What was done about an inconsistency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing yet: `--fix` would repair it.
    Curable,
    /// It is repaired.
    Mended,
    /// A person must decide.
    Incurable,
    /// Nothing is wrong as long as someone wants it so; the text says how it ends.
    LeftToDecide,
    /// The repair failed.
    Failed(String),
}

/// The repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fix {
    /// The source stops logging.
    Release,
    /// The target's copy is removed.
    Discard,
}

impl Diagnosis {
    /// Examines every online migration and, with `fix`, repairs what can be repaired.
    pub async fn look(world: &World, fix: bool) -> Result<Self, OperationError> {
        let mut diagnosis = Self::default();
        for definition in world.definitions.iter() {
            if definition.strategy == Strategy::Online && !definition.tables.is_empty() {
                for side in [Side::Source, Side::Target] {
                    diagnosis.examine(world, &definition.name, side, fix).await?;
                }
            }
        }
        Ok(diagnosis)
    }

    /// Whether nothing is left to do.
    pub fn is_well(&self) -> bool {
        self.ailments.iter().all(|inconsistency| inconsistency.outcome == Outcome::Mended)
    }

    async fn examine(
        &mut self,
        world: &World,
        migration: &MigrationName,
        side: Side,
        fix: bool,
    ) -> Result<(), OperationError> {
        let mut after: Option<OrgKey> = None;
        loop {
            let epoch = world.log.next_epoch().await?;
            let page = world.engine.guarded(migration, side, after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(()) };
            let keys: Vec<&OrgKey> = page.iter().map(|guarded| &guarded.key).collect();
            let moves = world.log.moves_by_key(migration, &keys).await?;
            self.looked_at += page.len() as u64;
            if side == Side::Source {
                self.ailments.extend(doubled(world, &moves).await?);
            }
            let found = page.iter().filter_map(|guarded| {
                let record = moves.iter().find(|record| record.key == guarded.key);
                inconsistency(guarded, record).map(|(text, cure)| (guarded, record, text, cure))
            });
            let found: Vec<_> = found.collect();
            // An org that moved between the two reads looks inconsistent, and is not.
            let again = match found.is_empty() {
                true => Vec::new(),
                false => world.engine.guarded(migration, side, after.as_ref()).await?,
            };
            after = Some(last.key.clone());
            for (guarded, record, text, cure) in found {
                if again.iter().any(|again| again.is_same_as(guarded)) {
                    let patient = GuardedOrg { migration, guarded, record, epoch };
                    let outcome = patient.treat(world, cure, fix).await;
                    let org = record.map_or_else(|| guarded.key.to_string(), |record| record.org.to_string());
                    self.ailments.push(Inconsistency { migration: migration.clone(), org, text, outcome });
                }
            }
        }
    }
}

/// An org with an inconsistency.
struct GuardedOrg<'a> {
    migration: &'a MigrationName,
    guarded: &'a Guarded,
    record: Option<&'a MoveRecord>,
    epoch: Epoch,
}

impl GuardedOrg<'_> {
    async fn treat(&self, world: &World, cure: Option<Fix>, fix: bool) -> Outcome {
        let Some(cure) = cure else { return Outcome::Incurable };
        if !fix {
            return Outcome::Curable;
        }
        let lease = match self.lease() {
            Ok(lease) => lease,
            Err(error) => return Outcome::Failed(error),
        };
        let cured = match cure {
            Fix::Release => world.engine.release(&lease).await,
            Fix::Discard => world.engine.discard(&lease).await,
        };
        match cured {
            Ok(()) => {
                tracing::warn!(org = %lease.org, migration = %lease.migration, epoch = lease.epoch.0, mode = self.guarded.mode,
                    "mended what a store's guard said of an org");
                Outcome::Mended
            }
            Err(error) => Outcome::Failed(error.reason),
        }
    }

    /// A lease for the repair. Its new epoch fences all earlier leases of campaigns.
    fn lease(&self) -> Result<Lease, String> {
        let key = self.guarded.key.clone();
        let org = match self.record {
            Some(record) => record.org.clone(),
            None => OrgName::new(key.as_str()).map_err(|error| error.to_string())?,
        };
        let id = self.record.map_or(MoveId(0), |record| record.id);
        Ok(Lease { id, migration: self.migration.clone(), org, key, epoch: self.epoch })
    }
}

/// What is wrong with an org in one store, and the repair; `None` if the move log explains it.
fn inconsistency(guarded: &Guarded, record: Option<&MoveRecord>) -> Option<(String, Option<Fix>)> {
    let state = record.map(|record| record.state);
    let aim = record.map(|record| record.aim);
    let in_log = record.map_or_else(
        || "the move log does not know the org".to_owned(),
        |record| format!("the move log has it {}", record.state),
    );
    // In flight the guard may be ahead of the move log or behind it, and the owner of the move repairs it.
    if matches!(state, Some(State::Started(_))) {
        return None;
    }
    let lives_in_target = matches!(state, Some(State::Migrated | State::Finalized));
    let was_rolled_back = state == Some(State::RolledBack) || aim == Some(Aim::RollBack);
    let entries = match guarded.entries {
        0 => String::new(),
        1 => ", with 1 change logged".into(),
        many => format!(", with {many} changes logged"),
    };
    let text = |what: &str| format!("{what}{entries}, but {in_log}");
    match (guarded.side, guarded.mode.as_str()) {
        (Side::Source, "moved") if lives_in_target => None,
        (Side::Source, "moved") => Some((text("the source has the org as moved to the target"), None)),
        (Side::Source, "capturing") if lives_in_target => {
            Some((text("the source still accepts writes of the org"), None))
        }
        (Side::Source, "capturing") => Some((text("the source logs what is written"), Some(Fix::Release))),
        (Side::Source, "settled") if lives_in_target => {
            Some((text("the source still accepts writes of the org"), None))
        }
        (Side::Source, "settled") => {
            Some((format!("the source has {} changes logged that no move needs", guarded.entries), Some(Fix::Release)))
        }
        (Side::Target, "capturing" | "settled") if lives_in_target => None,
        (Side::Target, "capturing" | "settled") => Some((text("the org is live in the target"), None)),
        (Side::Target, "incoming") if lives_in_target => {
            Some((text("the target refuses writes of the org as not complete"), None))
        }
        (Side::Target, "incoming") => Some((text("the target holds an abandoned copy"), Some(Fix::Discard))),
        (Side::Target, "moved") if lives_in_target && !was_rolled_back => {
            Some((text("the target has the org as moved back to the source"), None))
        }
        // Writes there are refused, as they should be.
        (Side::Target, "moved" | "discarded") => None,
        (_, mode) => Some((text(&format!("the guard has the org as {mode}")), None)),
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Inconsistency { migration, org, text, outcome } in &self.ailments {
            let outcome = match outcome {
                Outcome::Curable => "mover doctor --fix mends it".into(),
                Outcome::Mended => "mended".into(),
                Outcome::LeftToDecide => "nothing was changed".into(),
                Outcome::Incurable => "look at both stores and decide where it lives; nothing was changed".into(),
                Outcome::Failed(reason) => format!("not mended: {reason}"),
            };
            writeln!(f, "{migration} {org}: {text}; {outcome}")?;
        }
        match self.ailments.len() {
            0 => writeln!(f, "{} orgs looked at in the guards of the stores: all as the move log says", self.looked_at),
            ailments => writeln!(f, "{} orgs looked at, {ailments} not as the move log says", self.looked_at),
        }
    }
}
