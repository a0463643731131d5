//! Rows of the org directory that a capture skipped: reported, without stopping the capture.

use std::sync::{Mutex, PoisonError};

use mover_actors::ports::EngineError;
use serde_json::{Value, json};

use crate::engine::{Listed, names_no_org};
use crate::state::{Captured, KnownOtherwise};

use super::answer::short;

/// The report names this many rows.
const NAMED_MAX: usize = 20;

/// Rows of a directory that name no org, or more than one.
#[derive(Debug, Default)]
pub(super) struct SkippedOrgs(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    count: u64,
    named: Vec<String>,
}

impl SkippedOrgs {
    /// Takes such a row out of the listing.
    pub(super) fn sift(&self, listed: Result<Listed, EngineError>) -> Option<Result<Listed, EngineError>> {
        match listed {
            Err(error) if names_no_org(&error) => {
                let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                lines.count += 1;
                if lines.named.len() < NAMED_MAX {
                    let row = error.place.row.unwrap_or_default();
                    lines.named.push(short(&format!("{}: {row}", error.reason), 400));
                }
                None
            }
            listed => Some(listed),
        }
    }

    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.count == 0 {
            return String::new();
        }
        let heading =
            format!("{} lines of the directory were left out; correct them there and capture again:", lines.count);
        listing(&heading, &lines.named, lines.count)
    }

    pub(super) fn json(&self) -> Value {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        json!({ "count": lines.count, "lines": lines.named })
    }
}

/// The report of orgs that the move log knows by another name or key.
pub(super) fn known_otherwise(captured: &Captured) -> String {
    if captured.otherwise == 0 {
        return String::new();
    }
    let heading = format!(
        "{} orgs are known by another name or key and were left as they are; their flags stay under the name that is known:",
        captured.otherwise
    );
    let lines: Vec<String> = captured.named.iter().map(describe_known).collect();
    listing(&heading, &lines, captured.otherwise)
}

fn describe_known(org: &KnownOtherwise) -> String {
    let KnownOtherwise { name, key, known_name, known_key, state } = org;
    let shown = |name: &str| format!("{:?}", short(name, 60));
    let (name, known_name) = (shown(name.as_str()), shown(known_name.as_str()));
    match org.is_renamed() {
        true => format!(
            "{known_name} ({state}) was renamed to {name} (key {key}): rename it back, or read its flags by the old name until it \
             is finalized"
        ),
        false => format!(
            "{name} ({state}) is known with key {known_key} and listed with key {key}: an org of the same name took its place, or \
             its key is written differently (docs/operating.md, \"Keys of orgs\"); see org {name}"
        ),
    }
}

pub(super) fn otherwise_json(captured: &Captured) -> Value {
    let orgs = captured.named.iter().map(|org| {
        json!({
            "org": org.name,
            "key": org.key,
            "known_org": org.known_name,
            "known_key": org.known_key,
            "state": org.state,
            "renamed": org.is_renamed(),
        })
    });
    json!({ "count": captured.otherwise, "orgs": orgs.collect::<Vec<_>>() })
}

fn listing(heading: &str, lines: &[String], count: u64) -> String {
    let mut text = format!("\n{heading}");
    for line in lines {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if count > lines.len() as u64 {
        text.push_str(&format!("\n  and {} more", count - lines.len() as u64));
    }
    text
}
