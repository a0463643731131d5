//! What a store would do by itself with the rows that Mover writes. Mover's sessions write as a replica does
//! (`session_replication_role`), so most triggers do not fire for them; some do.

use mover_actors::domain::ids::StoreName;
use mover_actors::domain::state::Strategy;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::config::Definition;

/// One such thing, on a moved table or one of its partitions.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Hazard {
    /// The table of the definition.
    pub(in crate::engine) table_oid: Oid,
    /// What it is, in a sentence.
    pub(in crate::engine) text: String,
    /// The statement that ends it.
    pub(in crate::engine) sql: String,
    harms: Harms,
}

/// Which stores it harms.
#[derive(Debug, Clone, Copy)]
enum Harms {
    /// Those that Mover writes to.
    WrittenTo,
    /// The one that orgs move to.
    Target,
    /// Both.
    Both,
}

impl Hazard {
    pub(in crate::engine) fn of_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let (kind, place): (&str, &str) = (row.try_get("kind")?, row.try_get("place")?);
        let name: Option<&str> = row.try_get("name")?;
        let detail: Option<&str> = row.try_get("detail")?;
        let (text, harms) = describe(kind, place, name.unwrap_or_default(), detail.unwrap_or_default());
        Ok(Self { table_oid: row.try_get("table_oid")?, text, sql: row.try_get("sql")?, harms })
    }

    /// Whether no org can move because of it, if this store of the definition has it.
    pub(in crate::engine) fn is_problem(&self, definition: &Definition, store: &StoreName) -> bool {
        let is_target = *store == definition.to;
        match self.harms {
            Harms::Both => true,
            Harms::Target => is_target,
            // Only an online move can come back, and is finalized.
            Harms::WrittenTo => is_target || definition.strategy == Strategy::Online,
        }
    }
}

fn describe(kind: &str, place: &str, name: &str, detail: &str) -> (String, Harms) {
    match kind {
        "trigger" | "rule" => {
            let text = format!(
                "{kind} {name} on {place} is ENABLE {detail}: it also fires for what Mover writes, which then is not what the other store \
                 has, or cannot all be removed again"
            );
            (text, Harms::WrittenTo)
        }
        "subscription" => {
            let text = format!(
                "subscription {name} writes to {place}: what it writes is neither seen by Mover nor refused while an org moves"
            );
            (text, Harms::Both)
        }
        "exclusion" => {
            let text = format!(
                "exclusion constraint {name} on {place} is DEFERRABLE: Postgres enforces it by a trigger, which does not fire for the \
                 rows that Mover writes"
            );
            (text, Harms::WrittenTo)
        }
        "identity" => {
            let text = format!(
                "{place} is in a publication, and its replica identity ({detail}) identifies no row: its rows cannot be deleted"
            );
            (text, Harms::WrittenTo)
        }
        // In the source that has been the risk of the application before.
        _ => {
            let text = format!(
                "{place} is UNLOGGED: if the server crashes, all its rows are lost, also those of orgs that have moved"
            );
            (text, Harms::Target)
        }
    }
}
