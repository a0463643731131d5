//! Other migrations that guard some of the same tables: their triggers judge the same writes.

use std::collections::BTreeSet;
use std::str::FromStr;

use mover_actors::domain::ids::OrgKey;
use mover_actors::ports::EngineError;
use mover_actors::protocol::{Holder, Mode};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, Oid};

use crate::engine::guard::has_fence;
use crate::engine::guard::trigger::functions_begin;
use crate::engine::store::Store;
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const OTHERS: &str = include_str!("sql/others.sql");
const LOOKING: &str = "asking what other migrations say of the orgs";

/// What other migrations with triggers on one of these tables have decided about orgs, unless they are settled.
pub(in crate::engine) async fn held_by_others(
    store: &Store,
    migration: &str,
    keys: &[String],
    tables: &[Oid],
) -> Result<Vec<Holder>, EngineError> {
    if !has_fence(store).await? {
        return Ok(Vec::new());
    }
    let doing = Doing::new(store.name(), LOOKING);
    let session = store.session().await?;
    let mut found = others(&session, migration, keys, false, doing).await?;
    if !found.is_empty() {
        let names = found.iter().map(|holder| holder.migration.clone()).collect();
        let sharing = sharing(&session, names, tables, doing).await?;
        found.retain(|holder| sharing.contains(&holder.migration));
    }
    session.release();
    Ok(found)
}

/// Other migrations with triggers on one of these tables that have decided something about whichever orgs.
pub(in crate::engine) async fn holding(
    store: &Store,
    migration: &str,
    tables: &[Oid],
) -> Result<BTreeSet<String>, EngineError> {
    if !has_fence(store).await? {
        return Ok(BTreeSet::new());
    }
    let doing = Doing::new(store.name(), LOOKING);
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/holding.sql"), &[&migration]).await;
    let names = firsts(rows, doing)?;
    let sharing = sharing(&session, names, tables, doing).await?;
    session.release();
    Ok(sharing)
}

/// Those of the orgs that have moved away from a store by this migration.
pub(in crate::engine) async fn gone(
    store: &Store,
    migration: &str,
    keys: &[String],
) -> Result<BTreeSet<String>, EngineError> {
    if !has_fence(store).await? {
        return Ok(BTreeSet::new());
    }
    let doing = Doing::new(store.name(), LOOKING);
    let session = store.session().await?;
    let gone = firsts(session.query(include_str!("sql/gone.sql"), &[&migration, &keys]).await, doing)?;
    session.release();
    Ok(gone)
}

/// The first column of all rows.
fn firsts<T: FromSqlOwned, C: FromIterator<T>>(
    rows: Result<Vec<Row>, tokio_postgres::Error>,
    doing: Doing<'_>,
) -> Result<C, EngineError> {
    rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect()).map_err(|error| doing.failed(error))
}

/// In a transaction that has put orgs into `discarded`: leaves no such row where nothing was copied and another migration with triggers
/// on the same tables knows the org. It may live here by that migration, and the row would refuse its writes.
pub(in crate::engine) async fn drop_fences(
    session: &Session,
    cohort: &Cohort,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let [migration, _] = cohort.names();
    let name = cohort.migration();
    let found = others(session, name, cohort.keys(), true, doing).await?;
    if found.is_empty() {
        return Ok(());
    }
    let rows = session.query(include_str!("sql/guarded_tables.sql"), &[&functions_begin(name)]).await;
    let tables: Vec<Oid> = firsts(rows, doing)?;
    let names = found.iter().map(|holder| holder.migration.clone()).collect();
    let sharing = sharing(session, names, &tables, doing).await?;
    let known = found.iter().filter(|holder| sharing.contains(&holder.migration));
    let keys: Vec<&str> = known.map(|holder| holder.key.as_str()).collect();
    session.execute(include_str!("sql/drop_fences.sql"), &[migration, &keys]).await.map(drop).map_err(failed)
}

async fn others(
    session: &Session,
    migration: &str,
    keys: &[String],
    also_settled: bool,
    doing: Doing<'_>,
) -> Result<Vec<Holder>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(OTHERS).await.map_err(failed)?;
    let rows = session.query(&statement, &[&migration, &keys, &also_settled]).await.map_err(failed)?;
    let holder = |row: &Row| {
        let (key, mode): (String, &str) = (row.try_get(0).map_err(failed)?, row.try_get(2).map_err(failed)?);
        Ok(Holder {
            key: OrgKey::new(key).map_err(|error| doing.refused(error.to_string()))?,
            migration: row.try_get(1).map_err(failed)?,
            mode: Mode::from_str(mode).map_err(|problem| doing.refused(problem))?,
        })
    };
    rows.iter().map(holder).collect()
}

/// Those of some migrations that have triggers on one of the tables.
async fn sharing(
    session: &Session,
    migrations: BTreeSet<String>,
    tables: &[Oid],
    doing: Doing<'_>,
) -> Result<BTreeSet<String>, EngineError> {
    let names: Vec<&str> = migrations.iter().map(String::as_str).collect();
    let functions: Vec<String> = names.iter().map(|name| functions_begin(name)).collect();
    firsts(session.query(include_str!("sql/sharing.sql"), &[&names, &functions, &tables]).await, doing)
}
