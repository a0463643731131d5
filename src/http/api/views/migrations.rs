//! Migrations, and the progress of their orgs.

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Definition;
use crate::operations::{CampaignStatus, MigrationStatus, rounded_if_any};
use crate::state::read::StateName;

/// The status of everything.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Status {
    /// Every migration that is defined or has orgs.
    pub(in crate::http::api) migrations: Vec<Migration>,
    /// The live campaign, or the last one.
    pub(in crate::http::api) campaign: Option<CampaignStatus>,
}

/// A migration and its orgs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Migration {
    #[serde(flatten)]
    status: MigrationStatus,
    #[serde(flatten)]
    definition: Defined,
}

/// From its definition; null if its file is gone.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct Defined {
    /// `online`, `offline` or `window`.
    strategy: Option<String>,
    /// The store that orgs come from.
    source: Option<String>,
    /// The store that orgs go to.
    target: Option<String>,
    /// Its aliases.
    aliases: Vec<String>,
    /// The names and aliases of its preps.
    preps: Vec<String>,
}

impl Migration {
    pub(in crate::http::api) fn new(
        status: MigrationStatus,
        definition: Option<&Definition>,
        preps: Vec<String>,
    ) -> Self {
        let definition = definition.map(|definition| Defined {
            strategy: serde_json::to_value(definition.strategy).ok().and_then(|name| name.as_str().map(str::to_owned)),
            source: Some(definition.from.to_string()),
            target: Some(definition.to.to_string()),
            aliases: definition.aliases.clone(),
            preps,
        });
        Self { status, definition: definition.unwrap_or_default() }
    }
}

/// Every org of a migration.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Map {
    pub(in crate::http::api) ids: Vec<i64>,
    /// One letter for each of `ids`.
    pub(in crate::http::api) states: String,
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

/// The moves of the last minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Pace {
    pub(in crate::http::api) bucket_seconds: u32,
    /// The buckets with moves.
    pub(in crate::http::api) buckets: Vec<PaceBucket>,
}

/// The moves of one span.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PaceBucket {
    pub(in crate::http::api) at: String,
    pub(in crate::http::api) moved: u64,
    pub(in crate::http::api) failed: u64,
    #[serde(serialize_with = "rounded_if_any")]
    pub(in crate::http::api) p50_ms: Option<f64>,
    #[serde(serialize_with = "rounded_if_any")]
    pub(in crate::http::api) p99_ms: Option<f64>,
    #[serde(serialize_with = "rounded_if_any")]
    pub(in crate::http::api) max_ms: Option<f64>,
}
