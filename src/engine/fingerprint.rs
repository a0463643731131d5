//! What a plan rests on: the schema of a migration's tables in one store, and since when the server lives.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mover_actors::domain::ids::StoreName;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::connection::Session;
use super::error::Doing;

const PARTS: &str = include_str!("sql/fingerprint.sql");
const SUM: &str =
    concat!(include_str!("sql/fingerprint_sum.sql"), "(", include_str!("sql/fingerprint.sql"), ") AS part");
/// So many differences are named.
const NAMED_MAX: usize = 5;

/// Two that are equal were taken of the same schema, from a server that did not crash or change in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glance {
    schema: String,
    life: String,
}

impl Glance {
    pub(super) fn has_schema_of(&self, other: &Self) -> bool {
        self.schema == other.schema
    }

    /// Takes one, inside the session's transaction if it has one.
    pub(super) async fn take(session: &Session, tables: &Tables, doing: Doing<'_>) -> Result<Self, EngineError> {
        let failed = |error| doing.failed(error);
        let statement = session.prepared(SUM).await.map_err(failed)?;
        let row = session.query_one(&statement, &[&tables.as_ref()]).await.map_err(failed)?;
        Self::of(&row).map_err(failed)
    }

    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { schema: row.try_get("schema")?, life: row.try_get("life")? })
    }
}

/// The tables whose schema counts, in quotes, with the schemas that they were found in.
pub(super) type Tables = Arc<[String]>;

/// A glance with the parts of the schema, so that a difference can be named.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint {
    pub(super) glance: Glance,
    pub(super) tables: Tables,
    parts: Arc<BTreeMap<PartName, String>>,
}

/// Which part of a schema, as people call it.
type PartName = (String, &'static str, String);

impl Fingerprint {
    /// Reads both. What is read of the catalog after this, in the same snapshot, belongs to it.
    pub(super) async fn read(session: &Session, tables: Vec<String>, doing: Doing<'_>) -> Result<Self, EngineError> {
        let failed = |error| doing.failed(error);
        let tables: Tables = tables.into();
        let glance = Glance::take(session, &tables, doing).await?;
        let statement = session.prepared(PARTS).await.map_err(failed)?;
        let rows = session.query(&statement, &[&tables.as_ref()]).await.map_err(failed)?;
        Ok(Self { glance, tables, parts: Arc::new(parts_of(&rows).map_err(failed)?) })
    }

    /// What became of this store, in words; empty if it is the same.
    pub(super) fn changes(&self, now: &Self, store: &StoreName) -> Vec<String> {
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

fn parts_of(rows: &[Row]) -> Result<BTreeMap<PartName, String>, tokio_postgres::Error> {
    let mut tables: HashMap<Oid, String> = HashMap::new();
    for row in rows {
        if row.try_get::<_, &str>("kind")? == "table" {
            tables.insert(row.try_get("relation")?, row.try_get("name")?);
        }
    }
    let mut parts = BTreeMap::new();
    for row in rows {
        let relation: Oid = row.try_get("relation")?;
        let table = tables.get(&relation).cloned().unwrap_or_else(|| relation.to_string());
        let kind = in_words(row.try_get("kind")?);
        let made_of: String = row.try_get("made_of")?;
        let (name, made_of) = match kind {
            // Another table of the same name is another table.
            "table" => (String::new(), format!("{relation} {made_of}")),
            _ => (row.try_get("name")?, made_of),
        };
        parts.insert((table, kind, name), made_of);
    }
    Ok(parts)
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "table" => "table",
        "column" => "column",
        "default" => "the default of column",
        "constraint" => "constraint",
        "index" => "index",
        "trigger" => "trigger",
        "rule" => "rule",
        "heir" => "an heir of",
        _ => "the partition key of",
    }
}

/// Differences as one text; `None` if there are none.
pub(super) fn sentence(changes: &[String]) -> Option<String> {
    let named = changes.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match changes.len() {
        0 => None,
        count if count > NAMED_MAX => Some(format!("{named}, and {} more", count - NAMED_MAX)),
        _ => Some(named),
    }
}
