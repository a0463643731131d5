//! The shapes of answers.

use std::collections::BTreeMap;

use mover_actors::domain::flags::FlagKey;
use mover_actors::otp::TreeNode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::config::Definition;
use crate::operations::{CampaignStatus, MigrationStatus, rfc3339};
use crate::state::read::{ClosedOrg, Happening, MoveView, StateName};
use crate::state::{CommandEntry, Run, StepEntry};

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Status {
    /// Every migration that is defined or has orgs.
    pub(super) migrations: Vec<Migration>,
    /// The campaign that is live, or the last one.
    pub(super) campaign: Option<CampaignStatus>,
}

/// A migration and its orgs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Migration {
    #[serde(flatten)]
    status: MigrationStatus,
    #[serde(flatten)]
    definition: Defined,
}

/// What its definition says; nothing if its file is gone.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct Defined {
    /// `online`, `offline` or `window`.
    strategy: Option<String>,
    /// The store that orgs come from.
    source: Option<String>,
    /// The store that orgs go to.
    target: Option<String>,
    /// Other names.
    aliases: Vec<String>,
}

impl Migration {
    pub(super) fn new(status: MigrationStatus, definition: Option<&Definition>) -> Self {
        let definition = definition.map(|definition| Defined {
            strategy: serde_json::to_value(definition.strategy).ok().and_then(|name| name.as_str().map(str::to_owned)),
            source: Some(definition.from.to_string()),
            target: Some(definition.to.to_string()),
            aliases: definition.aliases.clone(),
        });
        Self { status, definition: definition.unwrap_or_default() }
    }
}

/// One org in one migration.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Move {
    pub(super) id: i64,
    migration: String,
    pub(super) org: String,
    key: String,
    /// `holding`, `ready`, `started`, `migrated`, `failed`, `rolled_back` or `finalized`.
    state: String,
    /// Where it is while it is started.
    step: Option<String>,
    epoch: i64,
    attempts: i32,
    rows: Option<i64>,
    bytes: Option<i64>,
    failure: Option<Failed>,
    captured_at: String,
    updated_at: String,
    /// When writes were shut out.
    closed_at: Option<String>,
    /// When they were let in again.
    opened_at: Option<String>,
    finished_at: Option<String>,
    /// What happened to it, the oldest first. Only where one org is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    history: Vec<Event>,
}

/// Why a move failed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Failed {
    step: String,
    reason: String,
    place: FailedPlace,
}

/// Where it failed, as exactly as it is known.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FailedPlace {
    store: Option<String>,
    table: Option<String>,
    row: Option<String>,
    columns: Vec<String>,
}

/// One transition.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Event {
    at: String,
    from: String,
    to: String,
    node: Option<String>,
    actor: Option<String>,
    epoch: i64,
    #[schema(value_type = Option<Object>)]
    detail: Option<Value>,
}

impl From<MoveView> for Move {
    fn from(view: MoveView) -> Self {
        let record = view.record;
        Self {
            id: record.id.0,
            migration: record.migration.to_string(),
            org: record.org.to_string(),
            key: record.key.to_string(),
            state: record.state.as_str().to_owned(),
            step: record.state.step().map(|step| step.to_string()),
            epoch: record.epoch.0,
            attempts: record.attempts,
            rows: view.rows,
            bytes: view.bytes,
            failure: record.failure.map(|failure| Failed {
                step: failure.step.to_string(),
                reason: failure.reason,
                place: FailedPlace {
                    store: failure.place.store,
                    table: failure.place.table,
                    row: failure.place.row,
                    columns: failure.place.columns,
                },
            }),
            captured_at: rfc3339(view.captured_at),
            updated_at: rfc3339(view.updated_at),
            closed_at: view.closed_at.map(rfc3339),
            opened_at: view.opened_at.map(rfc3339),
            finished_at: view.finished_at.map(rfc3339),
            history: Vec::new(),
        }
    }
}

impl Move {
    pub(super) fn with_history(self, happenings: Vec<Happening>) -> Self {
        let history = happenings.into_iter().map(|happening| Event {
            at: rfc3339(happening.at),
            from: happening.from.to_string(),
            to: happening.to.to_string(),
            node: happening.node,
            actor: happening.actor,
            epoch: happening.epoch.0,
            detail: happening.detail,
        });
        Self { history: history.collect(), ..self }
    }
}

/// An org, everywhere.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Org {
    pub(super) org: String,
    /// In each migration that knows it.
    pub(super) moves: Vec<Move>,
    /// Its flags as they should be and as Redis has them; null if Redis cannot be asked.
    #[schema(value_type = Option<Object>)]
    pub(super) flags: Option<Value>,
}

/// Where an org lives now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Route {
    pub(super) org: String,
    pub(super) migrations: Vec<RouteOf>,
    /// Its flags as Redis has them; null if Redis cannot be asked.
    pub(super) flags: Option<BTreeMap<String, String>>,
}

/// Where the rows of one migration live.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RouteOf {
    pub(super) migration: String,
    pub(super) state: String,
    pub(super) step: Option<String>,
    /// The store; null in the moment of the switch, when only the stores' guards know.
    pub(super) store: Option<String>,
    /// Whether its move lets writes through; flags can shut it besides.
    pub(super) accepts_writes: bool,
}

/// Every org of a migration.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Map {
    pub(super) ids: Vec<i64>,
    /// One letter for each of `ids`.
    pub(super) states: String,
}

/// The letter of a state in maps.
pub(in crate::http) fn letter(state: StateName) -> char {
    match state {
        StateName::Holding => 'h',
        StateName::Ready => 'r',
        StateName::Started => 's',
        StateName::Migrated => 'm',
        StateName::Failed => 'f',
        StateName::RolledBack => 'b',
        StateName::Finalized => 'z',
    }
}

/// What came through lately.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Pace {
    pub(super) bucket_seconds: u32,
    /// Those in which something came through.
    pub(super) buckets: Vec<PaceBucket>,
}

/// What came through in one span.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PaceBucket {
    pub(super) at: String,
    pub(super) moved: u64,
    pub(super) failed: u64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) max_ms: Option<f64>,
}

/// An actor and those below it.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(no_recursion)]
pub(in crate::http) struct Actor {
    pub(super) id: String,
    path: String,
    /// `supervisor` or `worker`.
    #[schema(value_type = String)]
    kind: mover_actors::otp::Kind,
    /// `starting`, `running`, `restarting`, `stopping` or `down`.
    #[schema(value_type = String)]
    pub(super) state: mover_actors::otp::State,
    pub(super) since_ms: u64,
    pub(super) restarts: u32,
    last_exit: Option<String>,
    mailbox: usize,
    pub(super) note: String,
    pub(in crate::http) children: Vec<Actor>,
}

impl From<TreeNode> for Actor {
    fn from(node: TreeNode) -> Self {
        Self {
            id: node.id,
            path: node.path,
            kind: node.kind,
            state: node.state,
            since_ms: node.since_ms,
            restarts: node.restarts,
            last_exit: node.last_exit,
            mailbox: node.mailbox,
            note: node.note,
            children: node.children.into_iter().map(Actor::from).collect(),
        }
    }
}

impl Actor {
    /// Whether they tell the same but for the time.
    pub(in crate::http) fn is_like(&self, other: &Self) -> bool {
        let alike = (&self.id, self.state, self.restarts, &self.last_exit, self.mailbox, &self.note)
            == (&other.id, other.state, other.restarts, &other.last_exit, other.mailbox, &other.note);
        alike
            && self.children.len() == other.children.len()
            && self.children.iter().zip(&other.children).all(|(one, other)| one.is_like(other))
    }
}

/// A worker of the pool.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Worker {
    pub(super) id: String,
    #[schema(value_type = String)]
    pub(super) state: mover_actors::otp::State,
    pub(super) restarts: u32,
    /// The org and the step; empty: it has nothing to do.
    pub(super) doing: String,
}

/// A Mover process.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Node {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) alive: bool,
    pub(super) in_flight: u64,
    pub(super) joined_at: String,
}

/// Somebody who is shut out now.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Closed {
    /// The org; null: everybody.
    org: Option<String>,
    /// Since when, where that is known.
    since: Option<String>,
    /// `move` or `operator`.
    by: &'static str,
    /// The migration and its step, or the flag.
    what: String,
}

impl Closed {
    pub(super) fn by_move(closed: ClosedOrg) -> Self {
        let ClosedOrg { org, migration, step, since } = closed;
        Self {
            org: Some(org.to_string()),
            since: Some(rfc3339(since)),
            by: "move",
            what: format!("{migration}: {step}"),
        }
    }

    pub(super) fn by_operator((key, field): (String, String)) -> Self {
        let is_of_all = key == FlagKey::no_org().as_str();
        let org = key.strip_prefix("dl_org_").filter(|_| !is_of_all).map(str::to_owned);
        Self { org, since: None, by: "operator", what: format!("{key} {field}") }
    }
}

/// Flags that are not as they should be.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Drifts {
    /// Hashes that were compared.
    pub(super) checked: u64,
    pub(super) drifts: Vec<DriftOf>,
}

/// One hash.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DriftOf {
    pub(super) key: String,
    /// Null: the field must not be there.
    pub(super) wanted: BTreeMap<String, Option<String>>,
    pub(super) found: BTreeMap<String, Option<String>>,
}

/// The fields of a flag hash.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FlagFields {
    pub(super) key: String,
    pub(super) fields: BTreeMap<String, String>,
}

/// A run of a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct RunView {
    id: i64,
    title: String,
    file: String,
    begun_by: String,
    begun_at: String,
    done_at: Option<String>,
    undone_at: Option<String>,
    variables: BTreeMap<String, String>,
    /// Its steps so far. Only where one run is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<RunStep>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct RunStep {
    number: i32,
    /// What it does, as the runbook has it.
    what: String,
    /// `begun`, `done`, `failed`, `skipped`, or `open`: not begun.
    state: &'static str,
    told: Option<String>,
    actor: Option<String>,
    begun_at: Option<String>,
    ended_at: Option<String>,
    campaign: Option<i64>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            title: run.title,
            file: run.file,
            begun_by: run.begun_by,
            begun_at: rfc3339(run.begun_at),
            done_at: run.done_at.map(rfc3339),
            undone_at: run.undone_at.map(rfc3339),
            variables: run.variables,
            steps: Vec::new(),
        }
    }
}

impl RunView {
    pub(super) fn with_steps(self, steps: Vec<RunStep>) -> Self {
        Self { steps, ..self }
    }
}

impl RunStep {
    pub(super) fn new(number: i32, what: String, entry: Option<StepEntry>) -> Self {
        let Some(entry) = entry else {
            let (told, actor, begun_at, ended_at) = (None, None, None, None);
            return Self { number, what, state: "open", told, actor, begun_at, ended_at, campaign: None };
        };
        Self {
            number,
            what,
            state: entry.state.name(),
            told: Some(entry.told),
            actor: Some(entry.actor),
            begun_at: Some(rfc3339(entry.begun_at)),
            ended_at: entry.ended_at.map(rfc3339),
            campaign: entry.campaign.map(|campaign| campaign.0),
        }
    }
}

/// A command, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Entry {
    pub(in crate::http) id: i64,
    at: String,
    /// Who gave it.
    actor: String,
    /// From where, if it came over the network.
    origin: Option<String>,
    /// `http`, `console`, `exec`, or a run.
    door: String,
    command: String,
    /// `open`, `waiting`, `done` or `refused`.
    pub(in crate::http) outcome: &'static str,
    /// The first line of the answer.
    told: Option<String>,
    /// `{text, json}`: the whole of it, for commands that came over HTTP. Only where one command is asked for.
    #[schema(value_type = Option<Object>)]
    pub(super) answer: Option<Value>,
    ended_at: Option<String>,
    /// Who agreed, or did not.
    approved_by: Option<String>,
    approved_at: Option<String>,
    /// The campaign that it opened.
    campaign: Option<i64>,
}

impl From<CommandEntry> for Entry {
    fn from(entry: CommandEntry) -> Self {
        Self {
            outcome: entry.outcome(),
            id: entry.id,
            at: rfc3339(entry.at),
            actor: entry.actor,
            origin: entry.origin,
            door: entry.door,
            command: entry.command,
            told: entry.told,
            answer: entry.answer,
            ended_at: entry.ended_at.map(rfc3339),
            approved_by: entry.approved_by,
            approved_at: entry.approved_at.map(rfc3339),
            campaign: entry.campaign.map(|campaign| campaign.0),
        }
    }
}
