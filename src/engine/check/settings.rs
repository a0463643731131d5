//! `check`: settings of roles and databases with which rows cannot be written, or are written unseen.

use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// Looks for them in one store.
pub(in crate::engine) async fn check_settings(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "looking at the settings of roles and databases");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/settings.sql"), &[]).await.map_err(failed)?;
    session.release();
    let (is_online, is_target) = (definition.strategy == Strategy::Online, *store.name() == definition.to);
    for row in &rows {
        let (name, value): (&str, &str) = (row.try_get("name").map_err(failed)?, row.try_get("value").map_err(failed)?);
        let place: &str = row.try_get("place").map_err(failed)?;
        let sql: Option<&str> = row.try_get("sql").map_err(failed)?;
        let subject = format!("store {}", store.name());
        let remedy = match sql {
            Some(sql) => Remedy::run(store.name(), sql),
            None => format!("remove {name} from the options in url of [stores.{}]", store.name()).into(),
        };
        let set = format!("{name} = {value} is set for {place}");
        match name {
            "session_replication_role" if is_online => {
                let text =
                    format!("{set}: what such sessions write fires no trigger, so it is neither logged nor refused");
                report.problem(subject, text, remedy);
            }
            "default_transaction_read_only" if is_online || is_target => {
                report.problem(subject, format!("{set}: nothing can be written there"), remedy);
            }
            _ => {}
        }
    }
    Ok(())
}
