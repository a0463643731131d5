//! `check`: what a store would do by itself with the rows that Mover writes. Mover's sessions write as a replica does
//! (`session_replication_role`), so most triggers do not fire for them; some do.

use std::collections::HashMap;

use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::name::TableName;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Looks for that in one store.
pub(in crate::engine) async fn check_own_writes(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "looking what happens to Mover's own writes");
    let failed = |error| doing.failed(error);
    let labels: HashMap<Oid, &TableName> = catalog.tables.iter().map(|(name, table)| (table.oid, name)).collect();
    let oids: Vec<Oid> = labels.keys().copied().collect();
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/own_writes.sql"), &[&oids]).await.map_err(failed)?;
    session.release();
    // Offline, the source is only read, until its rows are removed.
    let is_written = definition.strategy == Strategy::Online || *store.name() == definition.to;
    for row in &rows {
        let (root, place): (Oid, String) =
            (row.try_get("root").map_err(failed)?, row.try_get("place").map_err(failed)?);
        let (kind, name): (&str, Option<&str>) =
            (row.try_get("kind").map_err(failed)?, row.try_get("name").map_err(failed)?);
        let detail: Option<&str> = row.try_get("detail").map_err(failed)?;
        let sql: String = row.try_get("sql").map_err(failed)?;
        let label = labels.get(&root).map_or_else(|| place.clone(), ToString::to_string);
        let (name, detail) = (name.unwrap_or_default(), detail.unwrap_or_default());
        let (text, is_problem) = match kind {
            "trigger" | "rule" => {
                let text = format!(
                    "{kind} {name} on {place} is ENABLE {detail}: it also fires for what Mover writes, which then is not what the other \
                     store has, or not all of it can be removed again"
                );
                (text, is_written)
            }
            "subscription" => {
                let text = format!(
                    "subscription {name} writes to {place}: what it writes is neither seen by Mover nor refused while an org moves"
                );
                (text, true)
            }
            "exclusion" => {
                let text = format!(
                    "exclusion constraint {name} on {place} is DEFERRABLE: Postgres enforces it by a trigger, which does not fire for \
                     the rows that Mover writes"
                );
                (text, is_written)
            }
            "identity" => {
                let text = format!(
                    "{place} is in a publication and its replica identity is {detail}, which it lacks: its rows cannot be deleted"
                );
                (text, is_written)
            }
            _ => {
                let text = format!(
                    "{place} is UNLOGGED: if the server crashes all its rows are lost, of orgs that have moved, too"
                );
                // In the source that has been the risk of the application before.
                (text, *store.name() == definition.to)
            }
        };
        let (subject, remedy) = (format!("table {label} in {}", store.name()), Remedy::run(store.name(), sql));
        match is_problem {
            true => report.problem(subject, text, remedy),
            false => report.warning(subject, text, remedy),
        }
    }
    Ok(())
}
