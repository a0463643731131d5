//! `check --sql`: the remedies that are statements, as one script.

use std::collections::BTreeMap;
use std::fmt;

use mover_actors::domain::ids::StoreName;

use super::check::Checked;
use crate::engine::Finding;

/// The statements of all remedies, store by store, each once.
#[derive(Debug)]
pub struct Script<'a>(BTreeMap<&'a StoreName, Vec<(&'a str, &'a Finding)>>);

impl<'a> Script<'a> {
    /// Those of the findings.
    pub fn of(checked: &'a Checked) -> Self {
        let mut stores: BTreeMap<&StoreName, Vec<(&str, &Finding)>> = BTreeMap::new();
        for finding in checked.findings() {
            for statement in &finding.statements {
                let script = stores.entry(&statement.store).or_default();
                let sql = statement.sql.trim_end().trim_end_matches(';');
                if script.iter().all(|(known, _)| *known != sql) {
                    script.push((sql, finding));
                }
            }
        }
        Self(stores)
    }
}

impl fmt::Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (store, statements) in &self.0 {
            writeln!(f, "-- Store {store}")?;
            for (sql, finding) in statements {
                let why =
                    format!("{}: {}: {}", finding.level, finding.subject, finding.text).replace(['\n', '\r'], " ");
                writeln!(f, "-- {why}\n{sql};")?;
            }
        }
        match self.0.is_empty() {
            true => writeln!(f, "-- nothing to run"),
            false => Ok(()),
        }
    }
}
