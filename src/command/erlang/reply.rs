//! The reply of a call, from the result of its command: the terms of the original system.

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
    /// `ok` if the number of this field is not 0; otherwise the org was not in this state, and is named in the error.
    InState(&'static str, &'static str),
    /// `[ok,ok,…]`, as many as the number of this field.
    Each(&'static str),
    /// `{ok,[{state,ready},…]}`
    Status,
    /// The proplist of `Status`, once the state is `ready`.
    Waits,
    /// `{ok,halting}`, or `{error,not_now_dear}` if there is nothing to halt.
    Halting,
    /// `{ok,modified,N}` with the number before, `{ok,no_change}`, or `{error,bad_state}` if no campaign runs.
    Concurrency(u32),
    /// The moves of an org: a proplist for each migration.
    Moves,
    /// The names of migrated orgs, or `no_orgs_in_state`.
    Migrated,
    /// The names of orgs in holding and of ready ones, or `no_orgs_in_state`.
    Unmigrated,
    /// The text of the answer.
    Text,
}

impl Reply {
    /// The reply as a term; `None` if the text should be printed.
    pub fn term(self, json: &Value) -> Option<Term> {
        Some(match self {
            Reply::Ok | Reply::OkAlsoIdle => Term::atom("ok"),
            Reply::BurningCouches => Term::tagged("ok", Term::atom("burning_couches")),
            Reply::Count(field) => Term::tagged("ok", Term::from_json(&json[field])),
            Reply::InState(field, state) => match json[field].as_u64() {
                Some(0) => Term::Tuple(vec![
                    Term::atom("error"),
                    Term::atom("not_in_expected_state"),
                    Term::Text(state.to_owned()),
                ]),
                _ => Term::atom("ok"),
            },
            Reply::Each(field) => Term::List(vec![Term::atom("ok"); as_usize(&json[field])]),
            Reply::Status => Term::tagged("ok", status(&json["campaign"])),
            Reply::Waits => status(&json["campaign"]),
            Reply::Halting if json["was"]["phase"] == "halting" => not_now(),
            Reply::Halting => Term::tagged("ok", Term::atom("halting")),
            Reply::Concurrency(now) => match json["was"]["concurrency"].as_i64() {
                Some(before) if before != i64::from(now) => {
                    Term::Tuple(vec![Term::atom("ok"), Term::atom("modified"), Term::Integer(before)])
                }
                _ => Term::tagged("ok", Term::atom("no_change")),
            },
            Reply::Moves => Term::tagged("ok", Term::from_json(&json["moves"])),
            Reply::Migrated => names(json, &["migrated", "finalized"]),
            Reply::Unmigrated => names(json, &["holding", "ready"]),
            Reply::Text => return None,
        })
    }

    /// What it means to this call that there is nothing to do; `None`: it is an error.
    pub fn idle(self) -> Option<Term> {
        match self {
            Reply::OkAlsoIdle => Some(Term::atom("ok")),
            Reply::Halting => Some(not_now()),
            Reply::Concurrency(_) => Some(Term::tagged("error", Term::atom("bad_state"))),
            _ => None,
        }
    }

    /// `{error,busy_now}`: another campaign runs, and continues.
    pub fn busy() -> Term {
        Term::tagged("error", Term::atom("busy_now"))
    }
}

fn not_now() -> Term {
    Term::tagged("error", Term::atom("not_now_dear"))
}

fn as_usize(number: &Value) -> usize {
    number.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

/// The states of the original manager: it was `halting` from the last claimed org on, and `ready` without a campaign.
fn status(campaign: &Value) -> Term {
    let state = match campaign["phase"].as_str() {
        Some("running" | "paused") => "working",
        Some("halting") => "halting",
        _ => "ready",
    };
    let number = |field: &str| campaign[field].as_i64().unwrap_or_default();
    let (requested, remaining) = match campaign["requested"].as_i64() {
        Some(requested) => (Term::Integer(requested), Term::Integer((requested - number("claimed")).max(0))),
        None if campaign.is_null() => (Term::Integer(0), Term::Integer(0)),
        None if state == "working" => (Term::atom("all"), Term::atom("all")),
        None => (Term::atom("all"), Term::Integer(0)),
    };
    let fatal_stop = campaign["halted_by_failures"].as_bool().unwrap_or_default();
    Term::List(vec![
        Term::tagged("state", Term::atom(state)),
        Term::tagged("orgs_completed", Term::Integer(number("migrated") + number("failed"))),
        Term::tagged("objects_remaining", remaining),
        Term::tagged("objects_requested", requested),
        Term::tagged("objects_in_progress", Term::Integer(number("in_flight"))),
        Term::tagged("objects_failed", Term::Integer(number("failed"))),
        Term::tagged("fatal_stop", Term::atom(if fatal_stop { "true" } else { "false" })),
    ])
}

fn names(json: &Value, states: &[&str]) -> Term {
    let orgs = json["orgs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_meant = |org: &&Value| org["state"].as_str().is_some_and(|state| states.contains(&state));
    let names: Vec<_> = orgs.iter().filter(is_meant).map(|org| Term::from_json(&org["org"])).collect();
    if names.is_empty() { Term::atom("no_orgs_in_state") } else { Term::List(names) }
}
