//! The triggers of a migration in a store: put there and looked at.
//!
//! A trigger can only be made while nobody writes to its table, and whoever comes meanwhile waits behind Mover. So each table
//! is a transaction of its own that waits for no more than a moment, and is tried again later.

use std::time::Duration;

use mover_actors::ports::EngineError;
use serde::Serialize;

use super::super::catalog::Catalog;
use super::super::connection::Session;
use super::super::error::Doing;
use super::super::live::LiveLimits;
use super::super::store::Store;
use super::body::{Guarded, triggers};
use super::briefly::{Asking, Beside, briefly};
use super::fitness::{missing_rights, unfit};
use super::places::{Place, places};
use crate::config::Definition;

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
    /// For how long a table that is in use is asked for.
    pub(super) lock_budget: Duration,
}

impl<'a> Guard<'a> {
    /// Puts the triggers together for a store with this catalog.
    pub(in crate::engine) fn of(definition: &'a Definition, store: &'a Store, catalog: &Catalog) -> Self {
        let other = if *store.name() == definition.from { &definition.to } else { &definition.from };
        let tables = triggers(definition, catalog, other.as_str());
        Self { definition, store, tables, lock_budget: LiveLimits::default().lock_budget }
    }

    /// Asks for tables that are in use for so long.
    pub(in crate::engine) fn patient_for(self, lock_budget: Duration) -> Self {
        Self { lock_budget, ..self }
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
                let asking = Asking { beside: Beside::Readers, budget: self.lock_budget };
                guard_place(&session, &place, table, asking, doing.on(&table.label)).await?;
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

async fn guard_place(
    session: &Session,
    place: &Place,
    table: &Guarded,
    asking: Asking,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let create = table.triggers.iter().flat_map(|trigger| [trigger.create_function(), trigger.create_on(&place.name)]);
    briefly(session, &create.collect::<Vec<_>>().join(";\n"), &place.name, asking, doing).await
}
