//! `doctor`: compares the guards in the stores with the move log, and repairs inconsistencies.
//!
//! Moves clean up after themselves, also after a crash. Inconsistencies come from outside: a failover that lost commits, a store or
//! a move log that was restored from a backup, rows that were removed by hand, a migration that was renamed. The move log decides
//! (P10). A repair first takes a new epoch and then reads the state, so that a campaign that claims the org meanwhile has a higher
//! one and wins. Only what no write depends on is repaired.

mod doubled;
mod left;
mod locked_out;
mod survey;
mod verdict;

use std::collections::BTreeSet;
use std::fmt;

use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName};
use mover_actors::domain::record::{Lease, MoveRecord};
use mover_actors::domain::state::{State, Strategy};
use mover_actors::ports::{Engine, EngineError, Side};
use serde::Serialize;

use super::continuity::{self, Discontinuity};
use super::error::OperationError;
use super::routes::RouteSurvey;
use super::shell::in_shell;
use super::world::World;
use crate::config::Definition;
use crate::engine::Gap;
use doubled::doubled;
pub(super) use left::refuse_left;
use locked_out::locked_out;
use survey::Survey;
use verdict::{Said, Verdict};

/// What the doctor found.
#[derive(Debug, Default, Serialize)]
pub struct Diagnosis {
    /// The number of orgs that were examined: all that are not plainly settled in a guard, and all whose moves have begun.
    pub looked_at: u64,
    /// Stores that are not the ones that they were.
    pub discontinuities: Vec<Discontinuity>,
    /// Tables and partitions whose writes are not guarded although orgs depend on it.
    pub uncovered: Vec<Uncovered>,
    /// What is inconsistent.
    pub ailments: Vec<Inconsistency>,
    /// Orgs whose flags do not lead to where they live; absent if Redis could not be read.
    pub routes: Option<RouteSurvey>,
}

/// Tables that are not guarded although orgs of the migration move or live elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// The migration.
    pub migration: MigrationName,
    /// The store.
    pub store: String,
    /// Tables and partitions without all their triggers, or where one is disabled.
    pub places: Vec<String>,
    /// Partitions that were attached since: only TRUNCATE is not guarded there.
    pub new_partitions: Vec<String>,
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
    /// Whether the wrong set of stores accepts writes, or the store where the org lives knows nothing of it.
    pub grave: bool,
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

/// A repair: it takes away what no move needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fix {
    /// The source stops logging.
    Release,
    /// The target's copy is removed.
    Discard,
    /// The target stops logging.
    Close,
}

impl Diagnosis {
    /// Examines every migration and, with `fix`, repairs what can be repaired.
    pub async fn look(world: &World, fix: bool) -> Result<Self, OperationError> {
        let mut diagnosis = Self { discontinuities: continuity::look(world).await?, ..Self::default() };
        for definition in world.definitions.iter() {
            // Until an operator has decided which side is right, nothing is provably safe.
            let fix = fix && !diagnosis.discontinuities.iter().any(|found| found.migration == definition.name);
            if definition.strategy == Strategy::Online && !definition.tables.is_empty() {
                diagnosis.examine(world, definition, fix).await?;
                diagnosis.uncovered.extend(uncovered(world, definition).await?);
            }
        }
        Ok(diagnosis)
    }

    /// An error if the target knows nothing of an org that has moved there: no campaign of the migration begins over that.
    pub(super) async fn refuse_forgotten(world: &World, definition: &Definition) -> Result<(), OperationError> {
        let survey = Survey::read(world, &definition.name).await?;
        let mut forgotten = survey.keys.iter().filter(|key| survey.is_forgotten(key));
        let Some(first) = forgotten.next() else { return Ok(()) };
        let org = survey.moves.get(first).map_or_else(|| first.to_string(), |record| record.org.to_string());
        let problems = format!(
            "  store {to} knows nothing of {} orgs that have moved there, e.g. {org}: it was restored from before their moves, or its \
             guard was removed; next: mover doctor, and bring {to} up to date; if their rows are all there: mover guard install {to} {}",
            1 + forgotten.count(),
            definition.name,
            to = definition.to,
        );
        Err(OperationError::StoresChanged { problems })
    }

    /// How the guards contradict the move log about who accepts writes of an org; `None` if they do not.
    pub(super) async fn contradiction(
        world: &World,
        definition: &Definition,
        key: &OrgKey,
    ) -> Result<Option<String>, OperationError> {
        if definition.strategy != Strategy::Online {
            return Ok(None);
        }
        let survey = Survey::read(world, &definition.name).await?;
        let found = survey.verdict(key);
        let patient = Patient { survey: &survey, migration: &definition.name, key, epoch: Epoch(0) };
        Ok(found.is_grave().then(|| patient.text(found)))
    }

    /// The same, and compares flags with where orgs live.
    pub async fn look_with_flags(world: &World, fix: bool) -> Result<Self, OperationError> {
        let mut diagnosis = Self::look(world, fix).await?;
        diagnosis.routes = match RouteSurvey::look(world).await {
            Ok(routes) => Some(routes),
            // Health reports an unreachable Redis; the stores can be mended without it.
            Err(OperationError::Flags(error)) => {
                tracing::warn!(%error, "flags are not compared with where orgs live");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(diagnosis)
    }

    /// Whether nothing is left to do.
    pub fn is_well(&self) -> bool {
        self.discontinuities.is_empty()
            && self.routes.as_ref().is_none_or(|routes| routes.total() == 0)
            && self.uncovered.is_empty()
            && self.ailments.iter().all(|inconsistency| inconsistency.outcome == Outcome::Mended)
    }

    async fn examine(&mut self, world: &World, definition: &Definition, fix: bool) -> Result<(), OperationError> {
        let epoch = if fix { world.log.next_epoch().await? } else { Epoch(0) };
        let first = Survey::read(world, &definition.name).await?;
        self.looked_at += first.keys.len() as u64;
        self.ailments.extend(doubled(world, &first).await?);
        if self.discontinuities.iter().any(|found| found.migration == definition.name && found.store == definition.to) {
            self.ailments.extend(unknown_there(definition, &first));
        }
        let shut = locked_out(world, definition, &first).await?;
        let found: Vec<&OrgKey> = first.keys.iter().filter(|key| first.verdict(key) != Verdict::Well).collect();
        if found.is_empty() && shut.is_empty() {
            return Ok(());
        }
        // An org that moved between the reads looks inconsistent, and is not.
        let again = Survey::read(world, &definition.name).await?;
        if !shut.is_empty() {
            let still = locked_out(world, definition, &again).await?;
            let lasting =
                still.into_iter().filter(|(key, now)| shut.get(key).is_some_and(|then| then.text == now.text));
            // Each of the migrations finds the same.
            let known: BTreeSet<(String, String)> =
                self.ailments.iter().map(|known| (known.org.clone(), known.text.clone())).collect();
            let new = lasting.map(|(_, found)| found);
            self.ailments.extend(new.filter(|found| !known.contains(&(found.org.clone(), found.text.clone()))));
        }
        for key in found.into_iter().filter(|key| first.agrees_with(&again, key)) {
            let patient = Patient { survey: &again, migration: &definition.name, key, epoch };
            self.ailments.push(patient.treat(world, fix).await);
        }
        Ok(())
    }
}

/// Finalized orgs of which a target that is not the one that it was knows nothing.
fn unknown_there<'a>(definition: &'a Definition, survey: &'a Survey) -> impl Iterator<Item = Inconsistency> + 'a {
    let is_unknown =
        |record: &&MoveRecord| record.state == State::Finalized && survey.said(Side::Target, &record.key).is_none();
    survey.moves.values().filter(is_unknown).map(|record| {
        let file = record.backup.as_ref().map_or("FILE".into(), |backup| in_shell(&backup.path));
        let to = &definition.to;
        let text = format!(
            "it is finalized, and {to}, which is not the store that it was, knows nothing of it: its rows may be gone there; next: look \
             there, and if they are: mover restore {file} --to {to}, which has them as they were when it was finalized"
        );
        let (migration, org) = (record.migration.clone(), record.org.to_string());
        Inconsistency { migration, org, text, grave: true, outcome: Outcome::LeftToDecide }
    })
}

/// An org with an inconsistency.
struct Patient<'a> {
    survey: &'a Survey,
    migration: &'a MigrationName,
    key: &'a OrgKey,
    epoch: Epoch,
}

impl Patient<'_> {
    async fn treat(&self, world: &World, fix: bool) -> Inconsistency {
        let found = self.survey.verdict(self.key);
        let record = self.survey.moves.get(self.key);
        let outcome = match fixes(found) {
            [] => Outcome::Incurable,
            _ if !fix => Outcome::Curable,
            fixes => self.mend(world, fixes).await,
        };
        let org = record.map_or_else(|| self.key.to_string(), |record| record.org.to_string());
        Inconsistency {
            migration: self.migration.clone(),
            org,
            text: self.text(found),
            grave: found.is_grave() || self.survey.is_forgotten(self.key),
            outcome,
        }
    }

    async fn mend(&self, world: &World, fixes: &[Fix]) -> Outcome {
        let lease = match self.lease() {
            Ok(lease) => lease,
            Err(error) => return Outcome::Failed(error),
        };
        for fix in fixes {
            if let Err(error) = carry_out(world, *fix, &lease).await {
                return Outcome::Failed(error.reason);
            }
        }
        tracing::warn!(org = %lease.org, migration = %lease.migration, epoch = lease.epoch.0, "mended what a store's guard said of an org");
        Outcome::Mended
    }

    /// A lease for the repair. Its new epoch fences all earlier leases of campaigns.
    fn lease(&self) -> Result<Lease, String> {
        let record = self.survey.moves.get(self.key);
        let org = match record {
            Some(record) => record.org.clone(),
            None => OrgName::new(self.key.as_str()).map_err(|error| error.to_string())?,
        };
        let id = record.map_or(MoveId(0), |record| record.id);
        Ok(Lease { id, migration: self.migration.clone(), org, key: self.key.clone(), epoch: self.epoch })
    }

    fn text(&self, found: Verdict) -> String {
        let in_log = match self.survey.moves.get(self.key) {
            None => "the move log does not know the org".to_owned(),
            Some(record) => format!("the move log has it {}", record.state),
        };
        let logged = |side| match self.survey.entries(side, self.key) {
            0 => String::new(),
            1 => ", with 1 change logged".into(),
            many => format!(", with {many} changes logged"),
        };
        let (source, target) =
            (said(self.survey.said(Side::Source, self.key)), said(self.survey.said(Side::Target, self.key)));
        let both = format!("(source: {source}, target: {target})");
        let what = match found {
            Verdict::Well => "all is well".into(),
            Verdict::SourceLogs if source != "capturing" => {
                format!(
                    "the source has {} changes logged that no move needs",
                    self.survey.entries(Side::Source, self.key)
                )
            }
            Verdict::SourceLogs => format!("the source logs what is written{}", logged(Side::Source)),
            Verdict::CopyLeft => "the target holds an abandoned copy".into(),
            Verdict::SourceLogsAndCopyLeft => {
                format!(
                    "the source logs what is written{}, and the target holds an abandoned copy",
                    logged(Side::Source)
                )
            }
            Verdict::TargetLogs => format!("the target logs what is written{}", logged(Side::Target)),
            Verdict::NoWayBack => format!("it cannot be rolled back {both}"),
            Verdict::Older => format!(
                "the target is of an earlier time than the org's move there, as after a restore, and what was written there since is lost \
                 {both}"
            ),
            Verdict::BothAccept => format!("both stores accept writes of the org {both}"),
            Verdict::NoneAccepts => format!("no store accepts writes of the org {both}, and nobody moves it"),
            Verdict::WrongAccepts => format!("the wrong store accepts writes of the org {both}"),
        };
        format!("{what}, but {in_log}")
    }
}

/// What repairs it, and is safe whatever applications do meanwhile; nothing if a person must decide.
fn fixes(found: Verdict) -> &'static [Fix] {
    match found {
        Verdict::SourceLogs => &[Fix::Release],
        Verdict::CopyLeft => &[Fix::Discard],
        Verdict::SourceLogsAndCopyLeft => &[Fix::Release, Fix::Discard],
        Verdict::TargetLogs => &[Fix::Close],
        Verdict::Well
        | Verdict::NoWayBack
        | Verdict::Older
        | Verdict::BothAccept
        | Verdict::NoneAccepts
        | Verdict::WrongAccepts => &[],
    }
}

async fn carry_out(world: &World, fix: Fix, lease: &Lease) -> Result<(), EngineError> {
    match fix {
        Fix::Release => world.engine.release(lease).await,
        Fix::Discard => world.engine.discard(lease).await,
        Fix::Close => world.engine.stop_logging(lease).await,
    }
}

fn said(said: Said) -> &'static str {
    said.map_or("nothing", |mode| mode.as_str())
}

/// Tables whose writes are not guarded, in stores of whose orgs one moves or lives elsewhere.
async fn uncovered(world: &World, definition: &Definition) -> Result<Vec<Uncovered>, OperationError> {
    let mut found = Vec::new();
    for store in [&definition.from, &definition.to] {
        let gaps = world.engine.uncovered(&definition.name, store).await?;
        if !gaps.is_empty() {
            let (new, whole): (Vec<Gap>, Vec<Gap>) = gaps.into_iter().partition(|gap| gap.is_new);
            let names = |gaps: Vec<Gap>| gaps.into_iter().map(|gap| gap.place).collect();
            let (migration, store) = (definition.name.clone(), store.to_string());
            found.push(Uncovered { migration, store, places: names(whole), new_partitions: names(new) });
        }
    }
    Ok(found)
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { migration, store, places, new_partitions } = self;
        if places.is_empty() {
            return write!(
                f,
                "{migration}: {} in {store} came after the guard: TRUNCATE of them is not refused; next: mover guard install {store} \
                 {migration}; a campaign does it, too",
                new_partitions.join(", ")
            );
        }
        write!(
            f,
            "{migration}: writes to {} in {store} are not guarded, because a trigger is missing, disabled, or of another table; what \
             was written there meanwhile was not seen, and stale writes were not refused; next: mover guard install {store} \
             {migration}, then mover verify {migration} all",
            places.join(", ")
        )
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.discontinuities {
            writeln!(f, "{} in {}: {}; {}", found.migration, found.store, found.text, found.next())?;
        }
        for found in &self.uncovered {
            writeln!(f, "{found}")?;
        }
        for Inconsistency { migration, org, text, outcome, .. } in &self.ailments {
            let outcome = match outcome {
                Outcome::Curable => "mover doctor --fix mends it".into(),
                Outcome::Mended => "mended".into(),
                Outcome::LeftToDecide => "nothing was changed".into(),
                Outcome::Incurable => "look at both stores and decide where it lives; nothing was changed".into(),
                Outcome::Failed(reason) => format!("not mended: {reason}"),
            };
            writeln!(f, "{migration} {org}: {text}; {outcome}")?;
        }
        for org in self.routes.iter().flat_map(|routes| &routes.misrouted) {
            writeln!(f, "{org}; next: flags repair, or darklaunch with what its flags should say")?;
        }
        match self.ailments.len() {
            0 => writeln!(f, "{} orgs looked at in the guards of the stores: all as the move log says", self.looked_at),
            ailments => writeln!(f, "{} orgs looked at, {ailments} not as the move log says", self.looked_at),
        }
    }
}
