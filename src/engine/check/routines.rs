//! `check`: views and functions that only one store has. Applications that use them fail in the other.

use std::collections::BTreeMap;

use mover_actors::domain::ids::StoreName;
use mover_actors::ports::EngineError;

use crate::engine::check::report::Report;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Kind and name of each, with the query that shows its definition.
type Routines = BTreeMap<(String, String), Option<String>>;

/// Compares both stores.
pub(in crate::engine) async fn check_routines(
    report: &mut Report,
    source: &Store,
    target: &Store,
) -> Result<(), EngineError> {
    let (here, there) = (routines(source).await?, routines(target).await?);
    lacking(report, (source.name(), &here), (target.name(), &there));
    lacking(report, (target.name(), &there), (source.name(), &here));
    Ok(())
}

fn lacking(report: &mut Report, (has, here): (&StoreName, &Routines), (lacks, there): (&StoreName, &Routines)) {
    for ((kind, name), shown_by) in here.iter().filter(|(routine, _)| !there.contains_key(*routine)) {
        let remedy = match shown_by {
            Some(query) => format!("create it in {lacks}: {query} in {has} shows it; or drop it in {has}"),
            None => format!("create it in {lacks}; or drop it in {has}"),
        };
        report.warning(format!("{kind} {name}"), format!("{has} has it and {lacks} does not"), remedy);
    }
}

async fn routines(store: &Store) -> Result<Routines, EngineError> {
    let doing = Doing::new(store.name(), "listing views and functions");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/routines.sql"), &[]).await.map_err(failed)?;
    session.release();
    let routine =
        |row: &tokio_postgres::Row| Ok(((row.try_get("kind")?, row.try_get("name")?), row.try_get("shown_by")?));
    rows.iter().map(routine).collect::<Result<_, _>>().map_err(failed)
}
