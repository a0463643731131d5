//! The triggers of a migration in a store: put there and looked at.
//!
//! A trigger can only be made while nobody writes to its table, and whoever comes meanwhile waits behind Mover. So each table
//! is a transaction of its own that waits for no more than a moment, and is tried again later.

use std::time::Duration;

use mover_actors::ports::EngineError;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use super::super::catalog::Catalog;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::store::Store;
use super::body::{Guarded, Pointed, triggers};
use super::places::{Place, places};
use crate::config::Definition;

/// Nobody is kept waiting longer by one try.
const LOCK_TIMEOUT_MS: u64 = 200;
const PAUSE: Duration = Duration::from_millis(300);
/// For how long it is tried on one table.
const BUDGET: Duration = Duration::from_secs(30);

/// What the guard of a migration looks like in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardStatus {
    /// Places (tables and partitions) with all their triggers.
    pub guarded: Vec<String>,
    /// Places that lack a trigger, or have one that is switched off or from another version.
    pub unguarded: Vec<String>,
    /// Orgs by mode.
    pub orgs: GuardedOrgs,
}

/// Orgs by mode, and what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct GuardedOrgs {
    /// They live here and are not moving.
    pub settled: i64,
    /// What is written of them is logged.
    pub capturing: i64,
    /// They live in the other store.
    pub moved: i64,
    /// They are being copied here.
    pub incoming: i64,
    /// Their copies were removed again.
    pub discarded: i64,
    /// Keys that are logged, over all orgs.
    pub entries: i64,
}

/// A migration's triggers in one store.
pub(in crate::engine) struct Guard<'a> {
    pub(super) definition: &'a Definition,
    pub(super) store: &'a Store,
    /// Or which of them cannot have triggers, and why. What is there can be removed all the same.
    tables: Result<Vec<Guarded>, Vec<(String, String)>>,
}

impl<'a> Guard<'a> {
    /// Puts the triggers together for a store with this catalog.
    pub(in crate::engine) fn of(definition: &'a Definition, store: &'a Store, catalog: &Catalog) -> Self {
        let other = if *store.name() == definition.from { &definition.to } else { &definition.from };
        let tables = triggers(definition, catalog, other.as_str());
        Self { definition, store, tables }
    }

    /// Makes what is missing or outdated, and answers where that was.
    pub(in crate::engine) async fn install(&self) -> Result<Vec<String>, EngineError> {
        let doing = Doing::new(self.store.name(), "installing the guard");
        let tables = self.tables()?;
        let session = self.store.session().await?;
        if let Some((table, problem)) = unfit(&session, tables, doing).await?.into_iter().next() {
            return Err(doing.on(&table).refused(problem));
        }
        if !super::ensure_tables(self.store).await? {
            return Err(doing.refused(super::MISSING_RIGHT));
        }
        if !super::admits(&session, doing).await? {
            super::make_admit(&session, doing).await?;
        }
        let mut changed = Vec::new();
        for place in places(&session, tables, doing).await? {
            let Some(table) = tables.iter().find(|table| table.oid == place.root) else { continue };
            if place.lacks(table) {
                guard_place(&session, &place, table, doing.on(&table.label)).await?;
                changed.push(place.name);
            }
        }
        if *self.store.name() == self.definition.from {
            self.list_orgs(&session).await?;
        }
        session.release();
        Ok(changed)
    }

    /// What keeps the tables from being guarded, each with its name and what to do; found without changing anything.
    pub(in crate::engine) async fn blockers(&self) -> Result<Vec<(String, String)>, EngineError> {
        let doing = Doing::new(self.store.name(), "looking for what the guard needs");
        let tables = match &self.tables {
            Ok(tables) => tables,
            Err(blockers) => return Ok(blockers.clone()),
        };
        let session = self.store.session().await?;
        let mut found = unfit(&session, tables, doing).await?;
        found.extend(missing_rights(&session, tables, doing).await?);
        session.release();
        Ok(found)
    }

    /// What is there.
    pub(in crate::engine) async fn status(&self) -> Result<GuardStatus, EngineError> {
        let doing = Doing::new(self.store.name(), "looking for the guard's triggers");
        let tables = self.tables()?;
        if !super::has_tables(self.store).await? {
            let unguarded = tables.iter().map(|table| table.label.clone()).collect();
            return Ok(GuardStatus { guarded: Vec::new(), unguarded, orgs: GuardedOrgs::default() });
        }
        let session = self.store.session().await?;
        let admits = super::admits(&session, doing).await?;
        let lacks = |place: &Place| {
            !admits || tables.iter().find(|table| table.oid == place.root).is_some_and(|table| place.lacks(table))
        };
        let (unguarded, guarded): (Vec<Place>, Vec<Place>) =
            places(&session, tables, doing).await?.into_iter().partition(lacks);
        let orgs = self.orgs(&session).await?;
        session.release();
        let names = |places: Vec<Place>| places.into_iter().map(|place| place.name).collect();
        Ok(GuardStatus { guarded: names(guarded), unguarded: names(unguarded), orgs })
    }

    fn tables(&self) -> Result<&[Guarded], EngineError> {
        let doing = Doing::new(self.store.name(), "guarding its tables");
        self.tables.as_deref().map_err(|blockers| match blockers.first() {
            Some((table, problem)) => doing.on(table).refused(problem),
            None => doing.refused("it has none"),
        })
    }

    /// A row for each org, so that a snapshot from before a move has one to fail on.
    async fn list_orgs(&self, session: &Session) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "listing the orgs for the guard");
        let org = &self.definition.org;
        let sql = format!(
            "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) \
             SELECT DISTINCT $1::text, {key}::text, 'settled', 0 FROM {table} AS o WHERE {key} IS NOT NULL \
             ON CONFLICT DO NOTHING",
            key = org.key.quoted(),
            table = org.table.quoted(),
        );
        session.execute(&sql, &[&self.definition.name.as_str()]).await.map(drop).map_err(|error| doing.failed(error))
    }

    pub(super) async fn orgs(&self, session: &Session) -> Result<GuardedOrgs, EngineError> {
        let doing = Doing::new(self.store.name(), "counting guarded orgs");
        let failed = |error| doing.failed(error);
        let row = session
            .query_one(include_str!("sql/modes.sql"), &[&self.definition.name.as_str()])
            .await
            .map_err(failed)?;
        Ok(GuardedOrgs {
            settled: row.try_get("settled").map_err(failed)?,
            capturing: row.try_get("capturing").map_err(failed)?,
            moved: row.try_get("moved").map_err(failed)?,
            incoming: row.try_get("incoming").map_err(failed)?,
            discarded: row.try_get("discarded").map_err(failed)?,
            entries: row.try_get("entries").map_err(failed)?,
        })
    }
}

async fn guard_place(session: &Session, place: &Place, table: &Guarded, doing: Doing<'_>) -> Result<(), EngineError> {
    let create = table.triggers.iter().flat_map(|trigger| [trigger.create_function(), trigger.create_on(&place.name)]);
    briefly(session, &create.collect::<Vec<_>>().join(";\n"), &place.name, doing).await
}

/// Runs statements that need a table for themselves, without making its writers wait long. One process at a time: others do
/// the same to the same functions.
pub(super) async fn briefly(session: &Session, sql: &str, place: &str, doing: Doing<'_>) -> Result<(), EngineError> {
    let begin = Instant::now();
    loop {
        let tried = session
            .batch_execute(&format!(
                "BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'; SELECT pg_advisory_xact_lock(hashtext('mover.guard'));\n\
                 {sql};\nCOMMIT"
            ))
            .await;
        let Err(error) = tried else { return Ok(()) };
        session.batch_execute("ROLLBACK").await.map_err(|error| doing.failed(error))?;
        if error.code() != Some(&SqlState::LOCK_NOT_AVAILABLE) {
            return Err(doing.failed(error));
        }
        if begin.elapsed() >= BUDGET {
            let holders = super::super::drain::writers_of(session, place, doing).await?;
            return Err(doing.refused(format!("{place} was busy for {BUDGET:?}: {holders}")));
        }
        sleep(PAUSE).await;
    }
}

/// Tables that triggers could be put on, but would not be right for, each with what to do.
async fn unfit(session: &Session, tables: &[Guarded], doing: Doing<'_>) -> Result<Vec<(String, String)>, EngineError> {
    let parents = tables.iter().flat_map(|table| table.parents.iter().map(move |parent| (table, parent))).collect();
    let ambiguous = chosen(session, include_str!("sql/ambiguous.sql"), parents, doing).await?;
    let keys = tables.iter().flat_map(|table| table.key.iter().map(move |key| (table, key))).collect();
    let inexact = chosen(session, include_str!("sql/inexact.sql"), keys, doing).await?;
    let ambiguous = ambiguous.into_iter().map(|(table, Pointed { table: parent, column, .. })| {
        let problem = format!(
            "its `via` leads through {parent}.{column}, which is not unique: a row could belong to two orgs; make a unique \
             index on it, or move its orgs with strategy = \"offline\""
        );
        (table.label.clone(), problem)
    });
    let inexact = inexact.into_iter().map(|(table, Pointed { column, .. })| {
        let problem = format!(
            "the collation of its key column {column} takes keys for equal that are written differently, and the guard knows \
             orgs by the text of their keys; change it, or move its orgs with strategy = \"offline\""
        );
        (table.label.clone(), problem)
    });
    Ok(ambiguous.chain(inexact).collect())
}

/// Tables and partitions on which our role may not make triggers.
async fn missing_rights(
    session: &Session,
    tables: &[Guarded],
    doing: Doing<'_>,
) -> Result<Vec<(String, String)>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut missing = Vec::new();
    for row in session.query(include_str!("sql/untouchable.sql"), &[&oids]).await.map_err(failed)? {
        let root: u32 = row.try_get("root").map_err(failed)?;
        let place: String = row.try_get("place").map_err(failed)?;
        let label = tables.iter().find(|table| table.oid == root).map_or(&place, |table| &table.label);
        let problem = format!(
            "triggers may not be made on {place}; run as its owner: GRANT TRIGGER ON {place} TO the role that Mover logs in as \
             (or let it own the table: only an owner can remove them again)"
        );
        missing.push((label.clone(), problem));
    }
    Ok(missing)
}

/// Those columns whose numbers the query answers with.
async fn chosen<'a>(
    session: &Session,
    sql: &str,
    columns: Vec<(&'a Guarded, &'a Pointed)>,
    doing: Doing<'_>,
) -> Result<Vec<(&'a Guarded, &'a Pointed)>, EngineError> {
    let failed = |error| doing.failed(error);
    let oids: Vec<u32> = columns.iter().map(|(_, column)| column.oid).collect();
    let names: Vec<&str> = columns.iter().map(|(_, column)| column.column.as_str()).collect();
    let mut found = Vec::new();
    for row in session.query(sql, &[&oids, &names]).await.map_err(failed)? {
        let number: i64 = row.try_get(0).map_err(failed)?;
        let column = usize::try_from(number - 1).ok().and_then(|index| columns.get(index));
        found.extend(column.copied());
    }
    Ok(found)
}
