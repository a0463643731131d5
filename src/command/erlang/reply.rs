//! The reply of a call, from the result of its command.

use serde_json::Value;

use super::term::Term;

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// `ok`
    Ok,
    /// `ok`, even if no campaign runs, or no org has to be rolled back.
    OkAlsoIdle,
    /// `{ok,burning_couches}`
    BurningCouches,
    /// `{ok,N}`, the number of this field.
    Count(&'static str),
    /// The whole answer, as a proplist.
    Json,
    /// The moves of an org: a proplist for each migration.
    Moves,
    /// The names of migrated orgs.
    Migrated,
    /// The names of the other orgs.
    Unmigrated,
    /// The text of the answer.
    Text,
}

impl Reply {
    /// The reply as a term; `None` if the text should be printed.
    pub fn term(self, json: &Value) -> Option<Term> {
        match self {
            Reply::Ok | Reply::OkAlsoIdle => Some(Term::atom("ok")),
            Reply::BurningCouches => Some(Term::tagged("ok", Term::atom("burning_couches"))),
            Reply::Count(field) => Some(Term::tagged("ok", Term::from_json(&json[field]))),
            Reply::Json => Some(Term::from_json(json)),
            Reply::Moves => Some(Term::tagged("ok", Term::from_json(&json["moves"]))),
            Reply::Migrated => Some(names(json, true)),
            Reply::Unmigrated => Some(names(json, false)),
            Reply::Text => None,
        }
    }

    /// `{error,busy_now}`: another campaign runs, and continues.
    pub fn busy() -> Term {
        Term::tagged("error", Term::atom("busy_now"))
    }
}

fn names(json: &Value, migrated: bool) -> Term {
    let orgs = json["orgs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_meant = |org: &&Value| matches!(org["state"].as_str(), Some("migrated" | "finalized")) == migrated;
    Term::List(orgs.iter().filter(is_meant).map(|org| Term::from_json(&org["org"])).collect())
}
