//! Reads what a plan depends on from one store: the schema of a migration's tables, and when the server started.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mover_actors::ports::EngineError;
use mover_actors::protocol::{Fingerprint, Glance, PartName};
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const PARTS: &str = include_str!("sql/fingerprint.sql");
const SUM: &str =
    concat!(include_str!("sql/fingerprint_sum.sql"), "(", include_str!("sql/fingerprint.sql"), ") AS part");
/// The tables whose schema counts, quoted, with the schemas that they were found in.
pub(in crate::engine) type Tables = Arc<[String]>;

/// A fingerprint and the tables that it covers.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Taken {
    pub(in crate::engine) fingerprint: Fingerprint,
    pub(in crate::engine) tables: Tables,
}

/// Takes a glance, inside the session's transaction if it has one.
pub(in crate::engine) async fn glance(
    session: &Session,
    tables: &Tables,
    doing: Doing<'_>,
) -> Result<Glance, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(SUM).await.map_err(failed)?;
    let row = session.query_one(&statement, &[&tables.as_ref()]).await.map_err(failed)?;
    Ok(Glance { schema: row.try_get("schema").map_err(failed)?, life: row.try_get("life").map_err(failed)? })
}

impl Taken {
    /// Reads both. What is read of the catalog after this, in the same snapshot, belongs to it.
    pub(in crate::engine) async fn read(
        session: &Session,
        tables: Vec<String>,
        doing: Doing<'_>,
    ) -> Result<Self, EngineError> {
        let failed = |error| doing.failed(error);
        let tables: Tables = tables.into();
        let glance = glance(session, &tables, doing).await?;
        let statement = session.prepared(PARTS).await.map_err(failed)?;
        let rows = session.query(&statement, &[&tables.as_ref()]).await.map_err(failed)?;
        let parts = Arc::new(parts_of(&rows).map_err(failed)?);
        Ok(Self { fingerprint: Fingerprint { glance, parts }, tables })
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
            // A new table of the same name is a different table.
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
        "type" => "the type of column",
        "default" => "the default of column",
        "constraint" => "constraint",
        "index" => "index",
        "trigger" => "trigger",
        "guard" => "trigger",
        "rule" => "rule",
        "heir" => "an heir of",
        _ => "the partition key of",
    }
}
