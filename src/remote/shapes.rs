//! The parts of API answers that a client reads.

use serde::Deserialize;
use serde_json::Value;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Me {
    /// The name that the audit has.
    pub name: String,
    /// What its holder may.
    pub role: String,
    /// Since when this Mover serves.
    pub serving_since: String,
    /// The default `sleep_time` of campaigns, in milliseconds.
    pub sleep_time_ms: u64,
}

/// A command, and what came of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// When it was given, in RFC 3339.
    pub at: String,
    /// The command.
    pub command: String,
    /// `open`, `waiting`, `done` or `refused`.
    pub outcome: String,
    /// The first line of the answer.
    pub told: Option<String>,
    /// `{text, json}`: the whole of it.
    pub answer: Option<Value>,
    /// Who agreed, or did not.
    pub approved_by: Option<String>,
    /// When, in RFC 3339.
    pub approved_at: Option<String>,
    /// The campaign that it opened.
    pub campaign: Option<i64>,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
}

/// A worker of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// The org and the step; empty: it has nothing to do.
    pub doing: String,
}
