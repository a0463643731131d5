//! Installs the triggers of a migration in a store, and reads their state.
//!
//! A trigger can only be created while the table has no writers, and writers that come meanwhile queue behind Mover. So each
//! table has a transaction of its own, which waits for a moment at most and is tried again later.

use std::time::Duration;

use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::ports::EngineError;
use serde::Serialize;

use crate::config::Definition;
use crate::engine::guard::body::{Guarded, triggers};
use crate::engine::guard::brief_lock::{Concurrent, LockRequest, with_brief_lock};
use crate::engine::guard::fitness::{owned_by_others, unfit, untouchable};
use crate::engine::guard::places::{Place, Standing, places};
use crate::engine::guard::trigger::Trigger;
use crate::engine::guard::watch::{is_watching, watch_anew};
use crate::engine::orgs::Walk;
use crate::engine::plan::org_keys::KeyForms;
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::name::literal;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};
use mover_actors::protocol::LiveLimits;

/// The guard of a migration in one store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GuardStatus {
    /// Places (tables and partitions) with all their triggers.
    pub guarded: Vec<String>,
    /// Places with all their triggers, disabled until a campaign needs them: no org moves or has moved.
    pub asleep: Vec<String>,
    /// Places where a trigger is missing, disabled, or from another version.
    pub unguarded: Vec<String>,
    /// Those of the unguarded places that have triggers of the guard, which are not all there or not as this version makes them.
    pub outdated: Vec<String>,
    /// Orgs by mode.
    pub orgs: GuardedOrgs,
}

/// Orgs by mode, and the size of the change log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct GuardedOrgs {
    /// They live here and are not moving.
    pub settled: i64,
    /// Their writes are logged.
    pub capturing: i64,
    /// They live in the other store.
    pub moved: i64,
    /// They are being copied here.
    pub incoming: i64,
    /// Their copies were removed.
    pub discarded: i64,
    /// Logged keys of all orgs.
    pub entries: i64,
}

/// The state in which new triggers are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Readiness {
    /// Ready for orgs to move.
    Awake,
    /// Disabled as long as no org moves: then they cost nothing. A campaign enables them.
    Asleep,
}

/// A migration's triggers in one store.
pub(in crate::engine) struct Guard<'a> {
    pub(super) definition: &'a Definition,
    pub(super) store: &'a Store,
    /// Or the tables that cannot have triggers, and why. Existing triggers can be removed all the same.
    pub(super) tables: Result<Vec<Guarded>, Vec<(String, String)>>,
    keys: KeyForms,
    /// The store that orgs move to or from.
    other: &'a StoreName,
    /// How long to try for a table that is in use.
    pub(super) lock_budget: Duration,
}

impl<'a> Guard<'a> {
    /// Puts the triggers together for a store with this catalog.
    pub(in crate::engine) fn of(definition: &'a Definition, store: &'a Store, catalog: &Catalog) -> Self {
        let other = if *store.name() == definition.from { &definition.to } else { &definition.from };
        let tables = triggers(definition, catalog, other.as_str());
        let keys = KeyForms::of(definition, catalog);
        Self { definition, store, tables, keys, other, lock_budget: LiveLimits::default().lock_budget }
    }

    /// Tries for so long to lock a table that is in use.
    pub(in crate::engine) fn patient_for(self, lock_budget: Duration) -> Self {
        Self { lock_budget, ..self }
    }

    /// Creates triggers that are missing, outdated, or disabled although `readiness` wants them enabled; returns their places.
    pub(in crate::engine) async fn install(&self, readiness: Readiness) -> Result<Vec<String>, EngineError> {
        let doing = Doing::new(self.store.name(), "installing the guard");
        let tables = self.tables()?;
        let session = self.store.session().await?;
        if let Some((table, problem)) = unfit(&session, tables, doing).await?.into_iter().next() {
            return Err(doing.on(&table).refused(problem));
        }
        // A session that holds a connection and asks for a second one can deadlock the pool.
        session.release();
        if !crate::engine::guard::ensure_tables(self.store).await? {
            return Err(doing.refused(crate::engine::guard::MISSING_RIGHT));
        }
        let session = self.store.session().await?;
        if !crate::engine::guard::admits(&session, doing).await? {
            crate::engine::guard::make_admit(&session, doing).await?;
        }
        let (migration, other) = (self.definition.name.as_str(), self.other.as_str());
        let side = include_str!("sql/guard_side.sql");
        session.execute(side, &[&migration, &other]).await.map_err(|error| doing.failed(error))?;
        let is_quiet = !is_watching(&session, doing).await?;
        let readiness = if is_quiet { readiness } else { Readiness::Awake };
        let places = places(&session, tables, doing).await?;
        let mut changed = Vec::new();
        for table in tables {
            let of_table: Vec<&Place> = places.iter().filter(|place| place.root == table.oid).collect();
            changed.extend(self.guard_table(&session, table, &of_table, readiness).await?);
        }
        changed.sort();
        if *self.store.name() == self.definition.from {
            self.list_orgs(&session).await?;
        }
        watch_anew(&session, doing).await?;
        session.release();
        Ok(changed)
    }

    /// Creates missing triggers in the places of a table; returns those places.
    async fn guard_table(
        &self,
        session: &Session,
        table: &Guarded,
        places: &[&Place],
        readiness: Readiness,
    ) -> Result<Vec<String>, EngineError> {
        let is_good = |place: &Place| match place.standing(table) {
            Standing::Guarded => true,
            Standing::Asleep => readiness == Readiness::Asleep,
            Standing::Bare | Standing::Lacking => false,
        };
        let lacking: Vec<&Place> = places.iter().copied().filter(|place| !is_good(place)).collect();
        if lacking.is_empty() {
            return Ok(Vec::new());
        }
        // Another Mover may have enabled the existing triggers and rely on them, so only new ones are left disabled. Only an
        // owner can disable them.
        let may_sleep = places.iter().all(|place| place.is_ours && place.standing(table) == Standing::Bare);
        let readiness = if may_sleep { readiness } else { Readiness::Awake };
        // A partition inherits some triggers from the table, so the table comes first.
        let root = places.iter().copied().filter(|place| place.is_root());
        for place in root.chain(lacking.iter().copied().filter(|place| !place.is_root())) {
            self.guard_place(session, place, table, readiness).await?;
        }
        Ok(lacking.into_iter().map(|place| place.name.clone()).collect())
    }

    async fn guard_place(
        &self,
        session: &Session,
        place: &Place,
        table: &Guarded,
        readiness: Readiness,
    ) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "installing the guard").on(&table.label);
        let asking = LockRequest { concurrent: Concurrent::Readers, budget: self.lock_budget };
        let is_wanted = |trigger: &&Trigger| place.is_root() || !trigger.is_inherited();
        let wanted: Vec<&Trigger> = table.triggers.iter().filter(is_wanted).collect();
        let create = match readiness {
            Readiness::Awake => {
                let each =
                    wanted.iter().flat_map(|trigger| [trigger.create_function(), trigger.create_on(&place.name)]);
                each.collect::<Vec<_>>().join(";\n")
            }
            Readiness::Asleep => asleep_unless_there(&wanted, place),
        };
        with_brief_lock(session, &create, std::slice::from_ref(&place.name), asking, doing).await
    }

    /// Finds what keeps tables from being guarded, each with its name and the remedy; changes nothing.
    pub(in crate::engine) async fn blockers(&self) -> Result<Vec<(String, String)>, EngineError> {
        let doing = Doing::new(self.store.name(), "looking for what the guard needs");
        let tables = match &self.tables {
            Ok(tables) => tables,
            Err(blockers) => return Ok(blockers.clone()),
        };
        let session = self.store.session().await?;
        let found = unfit(&session, tables, doing).await?;
        session.release();
        Ok(found)
    }

    /// Tables and partitions on which our role may not create triggers: the name in the definition, and the place.
    pub(in crate::engine) async fn untouchable(&self) -> Result<Vec<(String, String)>, EngineError> {
        let Ok(tables) = &self.tables else { return Ok(Vec::new()) };
        let doing = Doing::new(self.store.name(), "looking for rights that the guard needs");
        let session = self.store.session().await?;
        let found = untouchable(&session, tables, doing).await?;
        session.release();
        Ok(found)
    }

    /// Tables and partitions from which Mover could not remove the guard again, with the statement that gives it the right to.
    pub(in crate::engine) async fn unremovable(&self) -> Result<Vec<(String, String)>, EngineError> {
        let doing = Doing::new(self.store.name(), "looking for what removing the guard needs");
        let tables = self.tables()?;
        let session = self.store.session().await?;
        let found = owned_by_others(&session, tables, doing).await?;
        session.release();
        Ok(found)
    }

    /// The present state.
    pub(in crate::engine) async fn status(&self) -> Result<GuardStatus, EngineError> {
        let doing = Doing::new(self.store.name(), "looking for the guard's triggers");
        let tables = self.tables()?;
        if !crate::engine::guard::has_tables(self.store).await? {
            let unguarded = tables.iter().map(|table| table.label.clone()).collect();
            return Ok(GuardStatus { unguarded, ..GuardStatus::default() });
        }
        let session = self.store.session().await?;
        let admits = crate::engine::guard::admits(&session, doing).await?;
        let is_quiet = !is_watching(&session, doing).await?;
        let orgs = self.orgs(&session).await?;
        let mut status = GuardStatus { orgs, ..GuardStatus::default() };
        for place in places(&session, tables, doing).await? {
            let table = tables.iter().find(|table| table.oid == place.root);
            match table.map(|table| place.standing(table)) {
                Some(Standing::Guarded) if admits => status.guarded.push(place.name),
                Some(Standing::Asleep) if admits && is_quiet => status.asleep.push(place.name),
                Some(standing) if standing != Standing::Bare => {
                    status.outdated.push(place.name.clone());
                    status.unguarded.push(place.name);
                }
                _ => status.unguarded.push(place.name),
            }
        }
        session.release();
        Ok(status)
    }

    fn tables(&self) -> Result<&[Guarded], EngineError> {
        let doing = Doing::new(self.store.name(), "guarding its tables");
        self.tables.as_deref().map_err(|blockers| match blockers.first() {
            Some((table, problem)) => doing.on(table).refused(problem),
            None => doing.refused("it has none"),
        })
    }

    /// Inserts a row for each org, so that a snapshot from before a move has one to fail on.
    async fn list_orgs(&self, session: &Session) -> Result<(), EngineError> {
        let doing = Doing::new(self.store.name(), "listing the orgs for the guard");
        let walk = Walk::begin(session, self.definition, self.keys.clone()).await?;
        loop {
            let page = walk.page(session).await?;
            if page.is_empty() {
                return Ok(());
            }
            // Capturing the orgs reports rows of the directory that name no org.
            let keys: Vec<String> = page.into_iter().flatten().map(|(_, key)| key.to_string()).collect();
            let sql = include_str!("sql/list_orgs.sql");
            let migration = self.definition.name.as_str();
            session.execute(sql, &[&migration, &keys]).await.map_err(|error| doing.failed(error))?;
        }
    }

    pub(super) async fn orgs(&self, session: &Session) -> Result<GuardedOrgs, EngineError> {
        self.orgs_without(session, &[]).await
    }

    /// The orgs without some of them.
    pub(super) async fn orgs_without(
        &self,
        session: &Session,
        left_out: &[&OrgKey],
    ) -> Result<GuardedOrgs, EngineError> {
        let left_out: Vec<&str> = left_out.iter().map(|key| key.as_str()).collect();
        let doing = Doing::new(self.store.name(), "counting guarded orgs");
        let failed = |error| doing.failed(error);
        let row = session
            .query_one(include_str!("sql/modes.sql"), &[&self.definition.name.as_str(), &left_out])
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

/// Creates triggers in a place that has none. It checks again under the lock, because another process may have created them.
fn asleep_unless_there(triggers: &[&Trigger], place: &Place) -> String {
    let names: Vec<String> = triggers.iter().map(|trigger| literal(&trigger.name)).collect();
    let each = triggers.iter().flat_map(|trigger| [trigger.create_function(), trigger.create_asleep_on(&place.name)]);
    let block = format!(
        "BEGIN IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = {}::regclass AND tgname::text IN ({})) THEN {} END IF; END",
        literal(&place.name),
        names.join(", "),
        each.map(|statement| format!("EXECUTE {};", literal(&statement))).collect::<String>()
    );
    format!("DO {}", literal(&block))
}
