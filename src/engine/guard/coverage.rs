//! Checks that triggers see all writes in a store, before anything relies on them.

use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::Definition;
use crate::engine::guard::trigger::trigger_names;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Refuses if a trigger is missing on one of the tables, or on a partition that was attached since.
pub(in crate::engine) async fn must_watch(
    store: &Store,
    definition: &Definition,
    tables: &[Oid],
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "looking whether all that is written would be seen");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let statement = session.prepared(include_str!("sql/uncovered.sql")).await.map_err(failed)?;
    let names: Vec<String> = trigger_names(definition.name.as_str()).into();
    let found = session.query_opt(&statement, &[&tables, &names]).await.map_err(failed)?;
    if let Some(found) = found {
        let place: String = found.try_get(0).map_err(failed)?;
        return Err(doing
            .on(&place)
            .refused("it is not guarded; next: begin the campaign again, which installs and wakes the guard"));
    }
    session.release();
    Ok(())
}
