//! Removes the guard without a trace, also from tables that are no part of the migration any more.

use std::time::Duration;

use mover_actors::ports::EngineError;

use crate::engine::guard::brief_lock::{Concurrent, LockRequest, with_brief_lock};
use crate::engine::guard::install::{Guard, GuardedOrgs};
use crate::engine::guard::trigger::{functions_begin, trigger_names};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

impl Guard<'_> {
    /// Removes everything of the migration, and the schema `mover` if it is empty then; returns the tables and partitions that
    /// had triggers. Refused while an org moves. With `force` it also forgets orgs that have moved away, so that writes to
    /// their rows here are not refused any more.
    pub(in crate::engine) async fn remove(&self, force: bool) -> Result<Vec<String>, EngineError> {
        let doing = Doing::new(self.store.name(), "removing the guard");
        let failed = |error| doing.failed(error);
        if !crate::engine::guard::has_tables(self.store).await? {
            return Ok(Vec::new());
        }
        let session = self.store.session().await?;
        self.refuse_if_needed(self.orgs(&session).await?, force, doing)?;
        let name = self.definition.name.as_str();
        let removed = drop_triggers(&session, name, self.lock_budget, doing).await?;
        let sql = include_str!("sql/installed_functions.sql");
        let functions = session.query(sql, &[&functions_begin(name)]).await.map_err(failed)?;
        let functions: Vec<String> =
            functions.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
        if !functions.is_empty() {
            session
                .batch_execute(&format!("DROP FUNCTION IF EXISTS {}", functions.join(", ")))
                .await
                .map_err(failed)?;
        }
        session.execute(include_str!("sql/drop_migration.sql"), &[&name]).await.map_err(failed)?;
        // A guard of an earlier version does not have it.
        let has_side =
            session.query_one("SELECT to_regclass('mover.guard_side') IS NOT NULL", &[]).await.map_err(failed)?;
        if has_side.try_get(0).map_err(failed)? {
            session.execute("DELETE FROM mover.guard_side WHERE migration = $1", &[&name]).await.map_err(failed)?;
        }
        session.batch_execute(include_str!("sql/drop_schema.sql")).await.map_err(failed)?;
        session.release();
        Ok(removed)
    }

    fn refuse_if_needed(&self, orgs: GuardedOrgs, force: bool, doing: Doing<'_>) -> Result<(), EngineError> {
        let name = &self.definition.name;
        let moving = orgs.capturing + orgs.incoming;
        if moving > 0 {
            return Err(doing.refused(format!(
                "{moving} orgs of {name} are being captured or copied here; next: let their moves end, or finalize or roll \
                 them back"
            )));
        }
        let away = orgs.moved + orgs.discarded;
        if away > 0 && !force {
            return Err(doing.refused(format!(
                "{away} orgs of {name} live in the other store, and without the guard a stray write to them here is no longer \
                 refused; --force removes it all the same"
            )));
        }
        Ok(())
    }
}

async fn drop_triggers(
    session: &Session,
    migration: &str,
    lock_budget: Duration,
    doing: Doing<'_>,
) -> Result<Vec<String>, EngineError> {
    let failed = |error| doing.failed(error);
    let sql = include_str!("sql/installed_triggers.sql");
    let asking = LockRequest { concurrent: Concurrent::Nothing, budget: lock_budget };
    let mut removed = Vec::new();
    let names = trigger_names(migration).to_vec();
    for row in session.query(sql, &[&functions_begin(migration), &names]).await.map_err(failed)? {
        let place: String = row.try_get("place").map_err(failed)?;
        let triggers: Vec<String> = row.try_get("triggers").map_err(failed)?;
        let drops: Vec<String> = triggers.iter().map(|trigger| format!("DROP TRIGGER {trigger} ON {place}")).collect();
        with_brief_lock(session, &drops.join("; "), &place, asking, doing).await?;
        removed.push(place);
    }
    Ok(removed)
}
