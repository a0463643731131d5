//! What a plan and a proof depend on: the schema of a migration's tables in one store, and when the server started.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::StoreName;
use crate::domain::state::Way;

/// A message names this many differences.
const NAMED_MAX: usize = 5;

/// If two are equal, they are of the same schema, and the server did not crash or change in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Represents all of the schema that counts.
    pub schema: String,
    /// Changes when the server was restarted, recovered from a crash, or was replaced by another.
    pub life: String,
}

impl Glance {
    /// Whether the schema is the same.
    pub fn has_schema_of(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

/// A part of a schema: table, kind of part (`table`, `column`, …), name.
pub type PartName = (String, &'static str, String);

/// A glance with the parts of the schema, so that a difference can be named.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    /// The part that is compared.
    pub glance: Glance,
    /// The definition of each part.
    pub parts: Arc<BTreeMap<PartName, String>>,
}

impl Fingerprint {
    /// What has changed in this store, as text; empty if nothing has.
    pub fn changes(&self, now: &Self, store: &StoreName) -> Vec<String> {
        let named = |(table, kind, name): &PartName| match *kind {
            "table" => format!("table {table}"),
            _ => format!("{kind} {table}.{name}"),
        };
        let before = self.parts.iter().filter_map(|(part, made_of)| match now.parts.get(part) {
            None => Some(format!("{} was removed in {store}", named(part))),
            Some(other) if other != made_of => Some(format!("{} was changed in {store}", named(part))),
            Some(_) => None,
        });
        let added = now.parts.keys().filter(|part| !self.parts.contains_key(*part));
        let mut changes: Vec<String> =
            before.chain(added.map(|part| format!("{} was added in {store}", named(part)))).collect();
        if self.glance.life != now.glance.life {
            changes.push(format!("store {store} was started again"));
        }
        changes
    }
}

/// The state of both stores of a migration.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The store that orgs come from, and its state.
    pub source: (StoreName, Fingerprint),
    /// The store that they go to, and its state.
    pub target: (StoreName, Fingerprint),
}

impl Basis {
    /// Whether neither store has changed.
    pub fn is_same(&self, other: &Self) -> bool {
        self.source.1.glance == other.source.1.glance && self.target.1.glance == other.target.1.glance
    }

    /// Whether both stores have these schemas.
    pub fn has_schemas(&self, source: &Glance, target: &Glance) -> bool {
        self.source.1.glance.has_schema_of(source) && self.target.1.glance.has_schema_of(target)
    }

    /// What has changed since, as text; `None` if nothing has.
    pub fn changes(&self, now: &Self) -> Option<String> {
        let mut changes = self.source.1.changes(&now.source.1, &self.source.0);
        changes.extend(self.target.1.changes(&now.target.1, &self.target.0));
        sentence(&changes)
    }

    /// The glances at the leaving and the receiving store.
    pub fn glances(&self, way: Way) -> (&Glance, &Glance) {
        let (source, target) = (&self.source.1.glance, &self.target.1.glance);
        match way {
            Way::Forward => (source, target),
            Way::Back => (target, source),
        }
    }
}

/// Differences as one text; `None` if there are none.
pub fn sentence(changes: &[String]) -> Option<String> {
    let named = changes.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match changes.len() {
        0 => None,
        count if count > NAMED_MAX => Some(format!("{named}, and {} more", count - NAMED_MAX)),
        _ => Some(named),
    }
}
