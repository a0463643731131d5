//! Flags, and orgs that are blocked.

use std::collections::BTreeMap;

use mover_actors::domain::flags::FlagKey;
use serde::Serialize;
use utoipa::ToSchema;

use crate::operations::{MisroutedOrg, rfc3339};
use crate::state::read::ClosedOrg;

/// An org that is blocked now.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Closed {
    /// The org; null: all orgs.
    org: Option<String>,
    /// When it was blocked, if that is known.
    since: Option<String>,
    /// `move` or `operator`.
    by: &'static str,
    /// The migration and its step, or the flag.
    what: String,
}

impl Closed {
    pub(in crate::http::api) fn by_move(closed: ClosedOrg) -> Self {
        let ClosedOrg { org, migration, step, since, .. } = closed;
        Self {
            org: Some(org.to_string()),
            since: Some(rfc3339(since)),
            by: "move",
            what: format!("{migration}: {step}"),
        }
    }

    pub(in crate::http::api) fn by_operator((key, field): (String, String)) -> Self {
        let is_of_all = key == FlagKey::no_org().as_str();
        let org = key.strip_prefix("dl_org_").filter(|_| !is_of_all).map(str::to_owned);
        Self { org, since: None, by: "operator", what: format!("{key} {field}") }
    }
}

/// Flags that differ from the desired ones.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Drifts {
    /// Hashes that were compared.
    pub(in crate::http::api) checked: u64,
    pub(in crate::http::api) drifts: Vec<DriftOf>,
    /// Orgs that were compared with where they live.
    pub(in crate::http::api) routes_checked: u64,
    /// How many of them are routed to where they do not live.
    pub(in crate::http::api) misrouted_total: u64,
    /// The first of these.
    pub(in crate::http::api) misrouted: Vec<MisroutedOf>,
}

/// An org whose flags do not lead to where it lives.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MisroutedOf {
    pub(in crate::http::api) migration: String,
    pub(in crate::http::api) org: String,
    /// The store in which it lives.
    pub(in crate::http::api) lives_in: String,
    /// Whether writes can be lost or refused.
    pub(in crate::http::api) grave: bool,
    /// What is wrong, as a sentence.
    pub(in crate::http::api) text: String,
}

impl From<&MisroutedOrg> for MisroutedOf {
    fn from(org: &MisroutedOrg) -> Self {
        Self {
            migration: org.migration.to_string(),
            org: org.org.to_string(),
            lives_in: org.lives_in.to_string(),
            grave: org.grave,
            text: org.to_string(),
        }
    }
}

/// One hash.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DriftOf {
    pub(in crate::http::api) key: String,
    /// Null: the field must not exist.
    pub(in crate::http::api) wanted: BTreeMap<String, Option<String>>,
    pub(in crate::http::api) found: BTreeMap<String, Option<String>>,
}

/// The fields of a flag hash.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FlagFields {
    pub(in crate::http::api) key: String,
    pub(in crate::http::api) fields: BTreeMap<String, String>,
}
