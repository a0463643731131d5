//! Removes the guard without a trace, also from tables that are no part of the migration any more: in one transaction, so that no
//! table is left without triggers while others have them.

use mover_actors::domain::ids::OrgKey;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use crate::engine::guard::brief_lock::{Concurrent, LockRequest, with_brief_lock};
use crate::engine::guard::install::{Guard, GuardedOrgs};
use crate::engine::guard::trigger::{functions_begin, trigger_names};
use crate::engine::schema::name::literal;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// A table or partition with triggers of the migration.
struct Installed {
    place: String,
    triggers: Vec<String>,
    is_ours: bool,
    owner: String,
}

impl Installed {
    fn drops(&self) -> String {
        let each = self.triggers.iter().map(|trigger| format!("DROP TRIGGER {trigger} ON {};\n", self.place));
        each.collect()
    }
}

impl Guard<'_> {
    /// Removes everything of the migration, and the schema `mover` if it is empty then, or nothing; returns the tables and
    /// partitions that had triggers. Refused while an org moves. Orgs that have moved away, but for those of `ended`, must be
    /// brought to an end before; with `force` they are forgotten, so that writes to their rows here are not refused any more.
    pub(in crate::engine) async fn remove(&self, force: bool, ended: &[&OrgKey]) -> Result<Vec<String>, EngineError> {
        let doing = Doing::new(self.store.name(), "removing the guard");
        let failed = |error| doing.failed(error);
        if !crate::engine::guard::has_tables(self.store).await? {
            return Ok(Vec::new());
        }
        let session = self.store.session().await?;
        let all = self.orgs(&session).await?;
        let needed = self.orgs_without(&session, ended).await?;
        self.refuse_if_needed(all.capturing + all.incoming, needed.moved + needed.discarded, force, doing)?;
        let name = self.definition.name.as_str();
        let installed = installed(&session, name, doing).await?;
        refuse_foreign(&installed, doing)?;
        let sql = include_str!("sql/installed_functions.sql");
        let functions = session.query(sql, &[&functions_begin(name)]).await.map_err(failed)?;
        let functions: Vec<String> =
            functions.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
        let mut statements: String = installed.iter().map(Installed::drops).collect();
        if !functions.is_empty() {
            statements.push_str(&format!("DROP FUNCTION IF EXISTS {};\n", functions.join(", ")));
        }
        let forget = include_str!("sql/drop_migration.sql").replace("{migration}", &literal(name));
        statements.push_str(&forget.replace("{unsettled}", &unsettled(all).to_string()));
        statements.push_str(";\n");
        statements.push_str(include_str!("sql/drop_schema.sql").trim_end().trim_end_matches(';'));
        let places: Vec<String> = installed.into_iter().map(|installed| installed.place).collect();
        let asking = LockRequest { concurrent: Concurrent::Nothing, budget: self.lock_budget };
        with_brief_lock(&session, &statements, &places, asking, doing).await?;
        session.release();
        Ok(places)
    }

    fn refuse_if_needed(&self, moving: i64, away: i64, force: bool, doing: Doing<'_>) -> Result<(), EngineError> {
        let name = &self.definition.name;
        if moving > 0 {
            return Err(doing.refused(format!(
                "{moving} orgs of {name} are being captured or copied here; next: let their moves end, or finalize or roll \
                 them back"
            )));
        }
        if away > 0 && !force {
            return Err(doing.refused(format!(
                "{away} orgs of {name} live in the other store, and without the guard a stray write to them here is no longer \
                 refused; next: finalize them or roll them back; --force removes it all the same"
            )));
        }
        Ok(())
    }
}

fn unsettled(orgs: GuardedOrgs) -> i64 {
    orgs.capturing + orgs.moved + orgs.incoming + orgs.discarded
}

async fn installed(session: &Session, migration: &str, doing: Doing<'_>) -> Result<Vec<Installed>, EngineError> {
    let failed = |error| doing.failed(error);
    let names = trigger_names(migration).to_vec();
    let sql = include_str!("sql/installed_triggers.sql");
    let rows = session.query(sql, &[&functions_begin(migration), &names]).await.map_err(failed)?;
    let of_row = |row: &Row| {
        Ok(Installed {
            place: row.try_get("place")?,
            triggers: row.try_get("triggers")?,
            is_ours: row.try_get("is_ours")?,
            owner: row.try_get("owner")?,
        })
    };
    rows.iter().map(of_row).collect::<Result<_, _>>().map_err(failed)
}

/// Refuses with the statements to run if triggers are on tables of another owner: only an owner can drop them.
fn refuse_foreign(installed: &[Installed], doing: Doing<'_>) -> Result<(), EngineError> {
    let foreign: Vec<&Installed> = installed.iter().filter(|installed| !installed.is_ours).collect();
    let Some(first) = foreign.first() else { return Ok(()) };
    let statements: String = foreign.iter().map(|installed| installed.drops()).collect();
    Err(doing.on(&first.place).refused(format!(
        "only the owner of a table can drop its triggers, and {} of {} tables and partitions have another owner than Mover's role; \
         nothing was removed; next: run there as {}, and then mover guard remove again:\nBEGIN;\n{statements}COMMIT;",
        foreign.len(),
        installed.len(),
        first.owner
    )))
}
