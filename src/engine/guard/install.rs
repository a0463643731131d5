//! The triggers of a migration in a store: put there, looked at, and taken away without a trace.
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
use super::super::name::quote;
use super::super::store::Store;
use super::trigger::{Guarded, PREFIX, Trigger, triggers};
use crate::config::Definition;

/// Nobody is kept waiting longer by one try.
const LOCK_TIMEOUT_MS: u64 = 200;
const PAUSE: Duration = Duration::from_millis(300);
/// For how long it is tried on one table.
const BUDGET: Duration = Duration::from_secs(30);
const FOUND: &str = include_str!("sql/found.sql");

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
    definition: &'a Definition,
    store: &'a Store,
    tables: Vec<Guarded>,
}

/// A place where triggers should be.
struct Place {
    /// Quoted, with its schema.
    name: String,
    root: u32,
    found: Vec<FoundTrigger>,
}

struct FoundTrigger {
    name: String,
    enabled: bool,
    function: String,
    body: String,
}

impl<'a> Guard<'a> {
    /// Puts the triggers together for a store with this catalog.
    pub(in crate::engine) fn of(
        definition: &'a Definition,
        store: &'a Store,
        catalog: &Catalog,
    ) -> Result<Self, EngineError> {
        let other = if *store.name() == definition.from { &definition.to } else { &definition.from };
        let tables = triggers(definition, catalog, other.as_str())
            .map_err(|(table, problem)| Doing::new(store.name(), "guarding its tables").on(&table).refused(problem))?;
        Ok(Self { definition, store, tables })
    }

    /// Makes what is missing or outdated, and answers where that was.
    pub(in crate::engine) async fn install(&self) -> Result<Vec<String>, EngineError> {
        let doing = Doing::new(self.store.name(), "installing the guard");
        if !super::ensure_tables(self.store).await? {
            return Err(doing.refused(super::MISSING_RIGHT));
        }
        let session = self.store.session().await?;
        let mut changed = Vec::new();
        for place in self.places(&session).await? {
            let Some(table) = self.tables.iter().find(|table| table.oid == place.root) else { continue };
            if place.lacks(table) {
                self.guard_place(&session, &place, table).await?;
                changed.push(place.name);
            }
        }
        if *self.store.name() == self.definition.from {
            self.list_orgs(&session).await?;
        }
        session.release();
        Ok(changed)
    }

    /// What is there.
    pub(in crate::engine) async fn status(&self) -> Result<GuardStatus, EngineError> {
        if !super::has_tables(self.store).await? {
            let unguarded = self.tables.iter().map(|table| table.label.clone()).collect();
            return Ok(GuardStatus { guarded: Vec::new(), unguarded, orgs: GuardedOrgs::default() });
        }
        let session = self.store.session().await?;
        let (guarded, unguarded) = self.sorted_out(self.places(&session).await?);
        let orgs = self.orgs(&session).await?;
        session.release();
        Ok(GuardStatus { guarded, unguarded, orgs })
    }

    /// Takes everything of the migration away, and the schema `mover` if nothing else is in it. Refused while an org moves; with
    /// `force` also orgs that have moved away are forgotten, so that whoever still writes to them here is not refused any more.
    pub(in crate::engine) async fn remove(&self, force: bool) -> Result<Vec<String>, EngineError> {
        let doing = Doing::new(self.store.name(), "removing the guard");
        if !super::has_tables(self.store).await? {
            return Ok(Vec::new());
        }
        let session = self.store.session().await?;
        let orgs = self.orgs(&session).await?;
        let name = &self.definition.name;
        if orgs.capturing + orgs.incoming > 0 {
            return Err(doing.refused(format!(
                "{} orgs of {name} are being captured or copied here; next: let their moves end, or finalize or roll them back",
                orgs.capturing + orgs.incoming
            )));
        }
        let away = orgs.moved + orgs.discarded;
        if away > 0 && !force {
            return Err(doing.refused(format!(
                "{away} orgs of {name} live in the other store, and without the guard a stray write to them here is no longer \
                 refused; --force removes it all the same"
            )));
        }
        let mut removed = Vec::new();
        for place in self.places(&session).await? {
            let ours = self.names();
            let found: Vec<&FoundTrigger> = place.found.iter().filter(|found| ours.contains(&found.name)).collect();
            if found.is_empty() {
                continue;
            }
            let drops: Vec<String> =
                found.iter().map(|found| format!("DROP TRIGGER {} ON {}", quote(&found.name), place.name)).collect();
            self.briefly(&session, &drops.join("; "), &place.name, doing).await?;
            removed.push(place.name);
        }
        let functions: Vec<&str> = self.triggers().map(|trigger| trigger.function.as_str()).collect();
        let failed = |error| doing.failed(error);
        session
            .batch_execute(&format!("DROP FUNCTION IF EXISTS {}", functions.join("(), ") + "()"))
            .await
            .map_err(failed)?;
        session.execute(include_str!("sql/drop_migration.sql"), &[&name.as_str()]).await.map_err(failed)?;
        session.batch_execute(include_str!("sql/drop_schema.sql")).await.map_err(failed)?;
        session.release();
        Ok(removed)
    }

    fn triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.tables.iter().flat_map(|table| &table.triggers)
    }

    fn names(&self) -> Vec<String> {
        self.triggers().map(|trigger| trigger.name.clone()).collect()
    }

    fn sorted_out(&self, places: Vec<Place>) -> (Vec<String>, Vec<String>) {
        let lacks = |place: &Place| {
            self.tables.iter().find(|table| table.oid == place.root).is_some_and(|table| place.lacks(table))
        };
        let (unguarded, guarded): (Vec<Place>, Vec<Place>) = places.into_iter().partition(lacks);
        let names = |places: Vec<Place>| places.into_iter().map(|place| place.name).collect();
        (names(guarded), names(unguarded))
    }

    async fn places(&self, session: &Session) -> Result<Vec<Place>, EngineError> {
        let doing = Doing::new(self.store.name(), "looking for the guard's triggers");
        let failed = |error| doing.failed(error);
        let oids: Vec<u32> = self.tables.iter().map(|table| table.oid).collect();
        let mut places: Vec<Place> = Vec::new();
        for row in session.query(FOUND, &[&oids, &PREFIX]).await.map_err(failed)? {
            let name: String = row.try_get("place").map_err(failed)?;
            if places.last().is_none_or(|last| last.name != name) {
                places.push(Place { name, root: row.try_get("root").map_err(failed)?, found: Vec::new() });
            }
            let trigger: Option<String> = row.try_get("trigger").map_err(failed)?;
            if let (Some(name), Some(place)) = (trigger, places.last_mut()) {
                place.found.push(FoundTrigger {
                    name,
                    enabled: row.try_get("enabled").map_err(failed)?,
                    function: row.try_get("function").map_err(failed)?,
                    body: row.try_get("body").map_err(failed)?,
                });
            }
        }
        Ok(places)
    }

    async fn guard_place(&self, session: &Session, place: &Place, table: &Guarded) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "installing the guard").on(&table.label);
        let create =
            table.triggers.iter().flat_map(|trigger| [trigger.create_function(), trigger.create_on(&place.name)]);
        self.briefly(session, &create.collect::<Vec<_>>().join(";\n"), &place.name, doing).await
    }

    /// Runs statements that need a table for themselves, without making its writers wait long.
    async fn briefly(&self, session: &Session, sql: &str, place: &str, doing: Doing<'_>) -> Result<(), EngineError> {
        let begin = Instant::now();
        loop {
            let tried = session
                .batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms';\n{sql};\nCOMMIT"))
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

    async fn orgs(&self, session: &Session) -> Result<GuardedOrgs, EngineError> {
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

impl Place {
    fn lacks(&self, table: &Guarded) -> bool {
        table.triggers.iter().any(|wanted| {
            !self.found.iter().any(|found| {
                found.name == wanted.name
                    && found.enabled
                    && found.body == wanted.body
                    && same_function(&found.function, &wanted.function)
            })
        })
    }
}

/// Postgres quotes a name only where it must.
fn same_function(found: &str, wanted: &str) -> bool {
    found.replace('"', "") == wanted.replace('"', "")
}
