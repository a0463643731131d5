//! The front matter: a title, and variables with their defaults.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Mistake, Values};

/// A variable of a runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its description.
    pub about: Option<String>,
    /// Its default.
    pub default: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Front {
    pub(super) title: Option<String>,
    pub(super) variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: Option<String>,
    #[serde(default)]
    vars: BTreeMap<String, WrittenVariable>,
}

/// `org = "acme"`, `limit = 10`, or `org = { about = "which org", default = "acme" }`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a variable is a text, a number, or a table with `about` and `default`")]
enum WrittenVariable {
    Text(String),
    Number(i64),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    about: Option<String>,
    default: Option<String>,
}

pub(super) fn read(text: &str, first_line: usize, mistakes: &mut Vec<Mistake>) -> Front {
    let written: Written = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
            let (line, column) = (first_line + before.matches('\n').count(), before[line_begin..].chars().count() + 1);
            mistakes.push(Mistake { line, column, problem: error.message().to_owned() });
            return Front::default();
        }
    };
    let variable = |written| match written {
        WrittenVariable::Text(text) => Variable { about: None, default: Some(text) },
        WrittenVariable::Number(number) => Variable { about: None, default: Some(number.to_string()) },
        WrittenVariable::Table(Table { about, default }) => Variable { about, default },
    };
    Front {
        title: written.title,
        variables: written.vars.into_iter().map(|(name, written)| (name, variable(written))).collect(),
    }
}

impl Front {
    /// A value for each variable.
    pub(super) fn values(&self, given: &Values, mistakes: &mut Vec<Mistake>) -> Values {
        let mut wrong = |problem| mistakes.push(Mistake { line: 1, column: 1, problem });
        for name in given.keys().filter(|name| !self.variables.contains_key(*name)) {
            let known: Vec<&str> = self.variables.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            wrong(format!("it has no variable {name:?}; its variables: {known}"));
        }
        let mut values = Values::new();
        for (name, Variable { about, default }) in &self.variables {
            match given.get(name).or(default.as_ref()) {
                Some(value) => {
                    values.insert(name.clone(), value.clone());
                }
                None => {
                    let about = about.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
                    wrong(format!("variable {name:?}{about} has no value; next: --var {name}=…"));
                    // One mistake is enough: its uses are right.
                    values.insert(name.clone(), String::new());
                }
            }
        }
        values
    }
}
