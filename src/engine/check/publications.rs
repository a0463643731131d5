//! `check`: subscribers of moved tables are sent what Mover writes and deletes.

use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::schema::catalog::Catalog;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Warns of publications that hold moved tables.
pub(in crate::engine) async fn check_publications(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "looking for publications of the moved tables");
    let failed = |error| doing.failed(error);
    let oids: Vec<Oid> = catalog.tables.values().map(|table| table.oid).collect();
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/publications.sql"), &[&oids]).await.map_err(failed)?;
    session.release();
    let deletes = if *store.name() == definition.from { "`finalize`" } else { "a rollback or an abort" };
    for row in &rows {
        let (name, tables): (&str, i64) =
            (row.try_get("name").map_err(failed)?, row.try_get("tables").map_err(failed)?);
        let sql: String = row.try_get("sql").map_err(failed)?;
        let text = format!(
            "it publishes {tables} of the moved tables: its subscribers also get what Mover writes there, and the deletes of {deletes}"
        );
        let remedy = Remedy::run(store.name(), sql)
            .or("let the subscribers expect that; deletes are published again with delete in that list");
        report.warning(format!("publication {name} in {}", store.name()), text, remedy);
    }
    Ok(())
}
