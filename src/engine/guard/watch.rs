//! Which orgs the triggers watch. A trigger with a false condition costs next to nothing, a call costs a query. So conditions
//! test 64 bits: does an org with such a key move, or has it moved? Only then the function looks which org. The bits are those
//! of `guard_watch.sql`.

use mover_actors::ports::EngineError;

use crate::engine::schema::shape::EQUALS;
use crate::engine::store::Store;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Whether any org moves or has moved here: for triggers that cannot know which org their rows belong to.
pub(super) const ANY: &str =
    "pg_catalog.pg_sequence_last_value('mover.watched_text'::pg_catalog.regclass) OPERATOR(pg_catalog.<>) 0";

const AND: &str = "OPERATOR(pg_catalog.&)";

/// The kind of key that a column holds, by its type as Postgres writes it. Each kind has bits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Kind {
    Text,
    Integer,
    Uuid,
}

impl Kind {
    /// `None` for types whose text depends on session settings, or that have several texts for one value.
    pub(in crate::engine) fn of(written: &str) -> Option<Self> {
        let name = match written.split_once('(') {
            // An array of a type with a modifier ends with brackets.
            Some((name, modifier)) if modifier.ends_with(')') => name,
            Some(_) => return None,
            None => written,
        };
        match name {
            "text" | "character varying" => Some(Self::Text),
            "smallint" | "integer" | "bigint" => Some(Self::Integer),
            "uuid" => Some(Self::Uuid),
            _ => None,
        }
    }

    /// Whether the org of a row may not be settled. `column` is quoted.
    pub(super) fn is_watched(self, row: &str, column: &str) -> String {
        let (sequence, bucket) = match self {
            Self::Text => ("watched_text", format!("pg_catalog.hashtext({row}.{column}::pg_catalog.text) {AND} 63")),
            Self::Integer => ("watched_integer", format!("({row}.{column} {AND} 63)::pg_catalog.int4")),
            Self::Uuid => ("watched_uuid", format!("pg_catalog.uuid_hash({row}.{column}) {AND} 63")),
        };
        format!(
            "((pg_catalog.pg_sequence_last_value('mover.{sequence}'::pg_catalog.regclass) OPERATOR(pg_catalog.>>) ({bucket})) \
             {AND} 1) {EQUALS} 1"
        )
    }
}

/// Makes the triggers of the store watch the orgs, whose guard rows already have their new mode. A writer that saw the old bits
/// holds a lock on the table until its transaction ends.
pub(in crate::engine) async fn watch(store: &Store, cohort: &Cohort) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "letting the triggers look at the orgs");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let statement = session.prepared("SELECT mover.watch($1)").await.map_err(failed)?;
    session.query_one(&statement, &[&cohort.keys()]).await.map_err(failed)?;
    session.release();
    Ok(())
}

/// Whether any org of any migration moves or has moved here.
pub(super) async fn is_watching(session: &Session, doing: Doing<'_>) -> Result<bool, EngineError> {
    let failed = |error| doing.failed(error);
    let row = session.query_one(&format!("SELECT coalesce({ANY}, false)"), &[]).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}

/// Makes the triggers stop watching orgs that have settled.
pub(super) async fn watch_anew(session: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    session.batch_execute("SELECT mover.watch_anew()").await.map_err(|error| doing.failed(error))
}
