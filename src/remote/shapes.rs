//! The parts of API answers that a client reads.

use serde::Deserialize;
use serde_json::Value;

/// The holder of the token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Me {
    /// The name in the audit.
    pub name: String,
    /// The role of the token.
    pub role: String,
    /// Since when this Mover serves.
    pub serving_since: String,
    /// The default `sleep_time` of campaigns, in milliseconds.
    pub sleep_time_ms: u64,
}

/// A command and its result.
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
    /// `{text, json}`: the whole answer.
    pub answer: Option<Value>,
    /// The user who approved or refused it.
    pub approved_by: Option<String>,
    /// When that was, in RFC 3339.
    pub approved_at: Option<String>,
    /// The campaign that it opened.
    pub campaign: Option<i64>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
}

/// A worker of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// The org and the step; empty: it is idle.
    pub doing: String,
}
