//! Where triggers should be, and what is there.

use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use super::super::connection::Session;
use super::super::error::Doing;
use super::body::Guarded;
use super::trigger::PREFIX;

const FOUND: &str = include_str!("sql/found.sql");

/// A table or partition where triggers should be.
pub(super) struct Place {
    /// Quoted, with its schema.
    pub(super) name: String,
    pub(super) root: u32,
    pub(super) found: Vec<FoundTrigger>,
}

/// A trigger with its function.
pub(super) struct FoundTrigger {
    pub(super) name: String,
    pub(super) fires_for_applications: bool,
    /// `pg_trigger.tgtype`.
    pub(super) firing: i16,
    pub(super) old_rows: Option<String>,
    pub(super) new_rows: Option<String>,
    pub(super) condition: Option<String>,
    /// Fires for some columns only, or has arguments.
    pub(super) is_narrowed: bool,
    pub(super) function: String,
    pub(super) body: String,
    pub(super) runs_as_owner: bool,
    pub(super) settings: Vec<String>,
}

impl Place {
    /// Whether a trigger of the table is missing here, or not as it should be.
    pub(super) fn lacks(&self, table: &Guarded) -> bool {
        table.triggers.iter().any(|wanted| !self.found.iter().any(|found| wanted.is_as_found(found)))
    }
}

/// All places of these tables, in order of their names.
pub(super) async fn places(session: &Session, tables: &[Guarded], doing: Doing<'_>) -> Result<Vec<Place>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut places: Vec<Place> = Vec::new();
    for row in session.query(FOUND, &[&oids, &PREFIX]).await.map_err(failed)? {
        let name: String = row.try_get("place").map_err(failed)?;
        if places.last().is_none_or(|last| last.name != name) {
            places.push(Place { name, root: row.try_get("root").map_err(failed)?, found: Vec::new() });
        }
        let trigger: Option<String> = row.try_get("trigger").map_err(failed)?;
        if let (Some(name), Some(place)) = (trigger, places.last_mut()) {
            place.found.push(found_of(name, &row).map_err(failed)?);
        }
    }
    Ok(places)
}

fn found_of(name: String, row: &Row) -> Result<FoundTrigger, tokio_postgres::Error> {
    Ok(FoundTrigger {
        name,
        fires_for_applications: row.try_get("fires_for_applications")?,
        firing: row.try_get("firing")?,
        old_rows: row.try_get("old_rows")?,
        new_rows: row.try_get("new_rows")?,
        condition: row.try_get("condition")?,
        is_narrowed: row.try_get("is_narrowed")?,
        function: row.try_get("function")?,
        body: row.try_get("body")?,
        runs_as_owner: row.try_get("runs_as_owner")?,
        settings: row.try_get("settings")?,
    })
}
