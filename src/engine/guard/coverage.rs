//! Checks that triggers see all writes in a store, before anything relies on them, and for as long as orgs live elsewhere.

use std::time::Duration;

use mover_actors::domain::ids::MigrationName;
use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::Definition;
use crate::engine::guard::install::{Guard, Readiness};
use crate::engine::guard::trigger::{functions_of, trigger_names};
use crate::engine::guard::watch::is_watching;
use crate::engine::plan::ownership::tables_named;
use crate::engine::schema::catalog::Catalog;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

const LOOKING: &str = "looking whether all that is written would be seen";

/// A place that lacks a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The table or partition.
    pub place: String,
    /// It is a partition that was attached since. Postgres has given it the triggers of the rows: only TRUNCATE is not guarded.
    pub is_new: bool,
}

/// Refuses if a trigger is missing or disabled on one of the tables, which are those of the definition, in its order. A partition
/// that was attached since is guarded.
pub(in crate::engine) async fn must_watch(
    store: &Store,
    definition: &Definition,
    tables: &[Oid],
    lock_budget: Duration,
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), LOOKING);
    let labels: Vec<String> = definition.tables.iter().map(|rule| rule.name.to_string()).collect();
    let mut found = gaps_now(store, definition, tables, &labels, doing).await?;
    if !found.is_empty() && found.iter().all(|gap| gap.is_new) {
        let catalog = Catalog::read(store, &tables_named(&definition.tables)).await?;
        let guard = Guard::of(definition, store, &catalog).patient_for(lock_budget);
        let places = guard.install(Readiness::Awake).await?;
        tracing::info!(store = %store.name(), migration = %definition.name, places = places.join(", "), "guarded new partitions");
        found = gaps_now(store, definition, tables, &labels, doing).await?;
    }
    match found.first() {
        None => Ok(()),
        Some(gap) => Err(doing.on(&gap.place).refused(format!(
            "it is not guarded; next: mover guard install {} {} --awake",
            store.name(),
            definition.name
        ))),
    }
}

async fn gaps_now(
    store: &Store,
    definition: &Definition,
    tables: &[Oid],
    labels: &[String],
    doing: Doing<'_>,
) -> Result<Vec<Gap>, EngineError> {
    // A session that holds a connection and asks for a second one can deadlock the pool.
    let session = store.session().await?;
    let found = gaps(&session, definition, tables, labels, doing).await?;
    session.release();
    Ok(found)
}

async fn gaps(
    session: &Session,
    definition: &Definition,
    tables: &[Oid],
    labels: &[String],
    doing: Doing<'_>,
) -> Result<Vec<Gap>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/uncovered.sql")).await.map_err(failed)?;
    let migration = definition.name.as_str();
    let names: Vec<String> = trigger_names(migration).into();
    let functions: Vec<String> = labels.iter().map(|label| functions_of(migration, label)).collect();
    let rows = session.query(&statement, &[&tables, &functions, &names]).await.map_err(failed)?;
    let gap = |row: &tokio_postgres::Row| Ok(Gap { place: row.try_get("place")?, is_new: row.try_get("is_new")? });
    rows.iter().map(gap).collect::<Result<_, _>>().map_err(failed)
}

/// Whether an org of the migration moves or lives elsewhere, so that writes in the store must be guarded.
pub(in crate::engine) async fn is_needed(store: &Store, migration: &MigrationName) -> Result<bool, EngineError> {
    if !crate::engine::guard::has_tables(store).await? {
        return Ok(false);
    }
    let doing = Doing::new(store.name(), LOOKING);
    let session = store.session().await?;
    let row = session.query_one(include_str!("sql/is_needed.sql"), &[&migration.as_str()]).await;
    let is_needed = row.and_then(|row| row.try_get("is_needed")).map_err(|error| doing.failed(error))?;
    session.release();
    Ok(is_needed)
}

impl Guard<'_> {
    /// Places that lack a trigger.
    pub(in crate::engine) async fn uncovered(&self) -> Result<Vec<Gap>, EngineError> {
        let doing = Doing::new(self.store.name(), LOOKING);
        let session = self.store.session().await?;
        let whole = |place: String| Gap { place, is_new: false };
        let mut found: Vec<Gap> = match &self.tables {
            Ok(tables) => {
                let oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
                let labels: Vec<String> = tables.iter().map(|table| table.label.clone()).collect();
                gaps(&session, self.definition, &oids, &labels, doing).await?
            }
            // A table that is gone, or has lost its key.
            Err(blockers) => blockers.iter().map(|(table, _)| whole(table.clone())).collect(),
        };
        // Without bits the triggers are not called. An org that has moved has had its bit since it was captured.
        let has_moved = self.orgs(&session).await?.moved > 0;
        if found.is_empty() && has_moved && !is_watching(&session, doing).await? {
            found = self.definition.tables.iter().map(|rule| whole(rule.name.to_string())).collect();
        }
        session.release();
        Ok(found)
    }
}
