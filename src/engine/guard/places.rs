//! The places where triggers belong, and the triggers found there.

use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use crate::engine::guard::body::Guarded;
use crate::engine::guard::trigger::{PREFIX, Trigger};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const FOUND: &str = include_str!("sql/found.sql");

/// A table or partition where triggers belong.
pub(super) struct Place {
    /// Quoted, with its schema.
    pub(super) name: String,
    pub(super) oid: u32,
    /// The table of the definition: this one, or the one that this is a partition of.
    pub(super) root: u32,
    /// Whether our role has the owner's rights.
    pub(super) is_ours: bool,
    pub(super) found: Vec<FoundTrigger>,
}

/// A trigger with its function.
pub(super) struct FoundTrigger {
    pub(super) name: String,
    pub(super) enabled: Enabled,
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
    /// PUBLIC may execute the function.
    pub(super) is_public: bool,
    /// The condition uses an operator or a function outside pg_catalog.
    pub(super) calls_others: bool,
    pub(super) settings: Vec<String>,
}

/// For which sessions a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enabled {
    ForApplications,
    No,
    /// Fires in Mover's own sessions, too, or only there.
    Otherwise,
}

/// The triggers of a table in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// All of them.
    Guarded,
    /// All of them, disabled until a campaign needs them.
    Asleep,
    /// None of that name.
    Bare,
    /// A trigger is missing or not as it should be.
    Lacking,
}

impl Place {
    /// Whether it is the table that the definition names.
    pub(super) fn is_root(&self) -> bool {
        self.oid == self.root
    }

    pub(super) fn standing(&self, table: &Guarded) -> Standing {
        let all = |enabled: Enabled| {
            let good = |found: &FoundTrigger, wanted: &Trigger| found.enabled == enabled && wanted.is_as_found(found);
            table.triggers.iter().all(|wanted| self.found.iter().any(|found| good(found, wanted)))
        };
        let is_bare = || !table.triggers.iter().any(|wanted| self.found.iter().any(|found| found.name == wanted.name));
        match () {
            () if all(Enabled::ForApplications) => Standing::Guarded,
            () if all(Enabled::No) => Standing::Asleep,
            () if is_bare() => Standing::Bare,
            () => Standing::Lacking,
        }
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
            let (oid, root) = (row.try_get("oid").map_err(failed)?, row.try_get("root").map_err(failed)?);
            let is_ours = row.try_get("is_ours").map_err(failed)?;
            places.push(Place { name, oid, root, is_ours, found: Vec::new() });
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
        enabled: match row.try_get::<_, &str>("enabled")? {
            "O" => Enabled::ForApplications,
            "D" => Enabled::No,
            _ => Enabled::Otherwise,
        },
        firing: row.try_get("firing")?,
        old_rows: row.try_get("old_rows")?,
        new_rows: row.try_get("new_rows")?,
        condition: row.try_get("condition")?,
        is_narrowed: row.try_get("is_narrowed")?,
        function: row.try_get("function")?,
        body: row.try_get("body")?,
        runs_as_owner: row.try_get("runs_as_owner")?,
        is_public: row.try_get("is_public")?,
        calls_others: row.try_get("calls_others")?,
        settings: row.try_get("settings")?,
    })
}
