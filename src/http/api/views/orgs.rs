//! Orgs and their moves.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::operations::{LargeOrg, rfc3339};
use crate::state::read::{HistoryEntry, MoveView};

/// One org in one migration.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Move {
    pub(in crate::http::api) id: i64,
    migration: String,
    pub(in crate::http::api) org: String,
    key: String,
    /// `holding`, `ready`, `started`, `migrated`, `failed`, `rolled_back` or `finalized`.
    state: String,
    /// The step of a started org.
    step: Option<String>,
    epoch: i64,
    attempts: i32,
    rows: Option<i64>,
    bytes: Option<i64>,
    failure: Option<Failed>,
    captured_at: String,
    updated_at: String,
    /// When writes were blocked.
    closed_at: Option<String>,
    /// When they were unblocked.
    opened_at: Option<String>,
    finished_at: Option<String>,
    /// What it is doing, with how many others, or what it waits for. Only for a single org, and for an org in flight only on
    /// the Mover that drives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    doing: Option<String>,
    /// The progress of its copy, if it is so large that it is copied in ranges. Only for a single org.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<LargeOrg>,
    /// Its history, the oldest first. Only for a single org.
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

/// The place of the failure, as exact as possible.
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
            doing: None,
            progress: None,
            history: Vec::new(),
        }
    }
}

impl Move {
    pub(in crate::http::api) fn with_progress(self, doing: Option<String>, progress: Option<LargeOrg>) -> Self {
        Self { doing, progress, ..self }
    }

    pub(in crate::http::api) fn with_history(self, happenings: Vec<HistoryEntry>) -> Self {
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

/// An org in all migrations.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Org {
    pub(in crate::http::api) org: String,
    /// Its moves, one per migration that knows it.
    pub(in crate::http::api) moves: Vec<Move>,
    /// Its flags, desired and in Redis; null if Redis is unreachable.
    #[schema(value_type = Option<Object>)]
    pub(in crate::http::api) flags: Option<Value>,
}

/// Where an org lives now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Route {
    pub(in crate::http::api) org: String,
    pub(in crate::http::api) migrations: Vec<RouteOf>,
    /// Its flags in Redis; null if Redis is unreachable.
    pub(in crate::http::api) flags: Option<BTreeMap<String, String>>,
}

/// The location of the rows of one migration.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RouteOf {
    pub(in crate::http::api) migration: String,
    pub(in crate::http::api) state: String,
    pub(in crate::http::api) step: Option<String>,
    /// The store; null during the switch, when only the guards of the stores know.
    pub(in crate::http::api) store: Option<String>,
    /// Whether its move lets writes through; flags can block it, too.
    pub(in crate::http::api) accepts_writes: bool,
}
