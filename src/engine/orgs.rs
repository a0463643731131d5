//! The orgs that a source lists.

use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use mover_actors::domain::ids::{OrgKey, OrgName};
use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::{Row, RowStream};

use super::connection::Session;
use super::error::{Doing, shortened};
use super::resolve::qualified;
use super::store::Store;
use crate::config::{Definition, OrgDirectory};

/// An org as the directory lists it.
pub type Listed = (OrgName, OrgKey);

/// All orgs of the directory, in the order in which they are best moved. A line that names no org is an error of its own; after it the
/// stream goes on. It ends after an error of the store.
pub(super) async fn orgs<'a>(
    definition: &'a Definition,
    source: &Store,
) -> Result<impl Stream<Item = Result<Listed, EngineError>> + Send + use<'a>, EngineError> {
    let session = source.session().await?;
    let doing = directory(definition);
    let OrgDirectory { name, key, .. } = &definition.org;
    // Orgs whose writes the guard looks at together move together: so those of few others are looked at in vain.
    let together = match definition.strategy {
        Strategy::Online => include_str!("sql/watched_together.sql").trim_end().replace("{key}", &key.quoted()) + ", ",
        Strategy::Offline | Strategy::Window => String::new(),
    };
    let select = select(&definition.org, &session, doing).await?;
    let sql = format!("{select} ORDER BY {together}{}::text COLLATE \"C\"", name.quoted());
    let no_parameters: [&str; 0] = [];
    let rows = session.query_raw(&sql, no_parameters).await.map_err(|error| doing.failed(error))?;
    let walk = Walk { session: Some(session), rows: Box::pin(rows) };
    Ok(stream::unfold(walk, move |mut walk| async move {
        walk.session.as_ref()?;
        match walk.rows.next().await {
            Some(Ok(row)) => Some((listed(&row, doing), walk)),
            Some(Err(error)) => Some((Err(doing.failed(error)), Walk { session: None, ..walk })),
            None => {
                if let Some(session) = walk.session.take() {
                    session.release();
                }
                None
            }
        }
    }))
}

/// The org with this name, if the directory lists it.
pub(super) async fn find(
    definition: &Definition,
    source: &Store,
    name: &OrgName,
) -> Result<Option<OrgKey>, EngineError> {
    let session = source.session().await?;
    let doing = directory(definition);
    let failed = |error| doing.failed(error);
    let select = select(&definition.org, &session, doing).await?;
    let sql = format!("{select} WHERE {}::text = $1 LIMIT 2", definition.org.name.quoted());
    let rows = session.query(&sql, &[&name.as_str()]).await.map_err(failed)?;
    session.release();
    match rows.as_slice() {
        [] => Ok(None),
        [row] => listed(row, doing).map(|(_, key)| Some(key)),
        _ => Err(doing.refused(format!("the directory lists org {} more than once", shortened(name.as_str())))),
    }
}

/// A listing under way; without its session it is over.
struct Walk {
    session: Option<Session>,
    rows: Pin<Box<RowStream>>,
}

fn directory(definition: &Definition) -> Doing<'_> {
    Doing::new(&definition.from, "reading the org directory")
}

/// `SELECT …` of the names and keys that the directory lists.
pub(super) async fn select(org: &OrgDirectory, session: &Session, doing: Doing<'_>) -> Result<String, EngineError> {
    let table = qualified(session, &org.table, doing).await?;
    Ok(format!("SELECT {}::text, {}::text FROM {table}", org.name.quoted(), org.key.quoted()))
}

fn listed(row: &Row, doing: Doing<'_>) -> Result<Listed, EngineError> {
    let failed = |error| doing.failed(error);
    let (name, key): (Option<String>, Option<String>) =
        (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let shown = |column: &Option<String>| column.as_ref().map_or("NULL".into(), |text| format!("{text:?}"));
    let row = shortened(&format!("(name, key)=({}, {})", shown(&name), shown(&key)));
    let refused = |problem: String| {
        let mut error = doing.refused(problem);
        error.place.row = Some(row.clone());
        error
    };
    let (Some(name), Some(key)) = (name, key) else { return Err(refused("an org without a name or key".into())) };
    let name = OrgName::new(name).map_err(|error| refused(error.to_string()))?;
    let key = OrgKey::new(key).map_err(|error| refused(error.to_string()))?;
    Ok((name, key))
}
