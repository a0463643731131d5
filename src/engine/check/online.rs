//! `check`, for online migrations: what the guard needs in both stores, because orgs can come back.

use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::check::report::{Level, Remedy, Report};
use crate::engine::guard::Guard;
use crate::engine::schema::catalog::{Catalog, Server};
use crate::engine::store::Store;

/// Whether orgs can be written while they move, in one of the stores.
pub(in crate::engine) async fn check_online(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    let subject = format!("store {}", store.name());
    let server = &catalog.server;
    if server.is_standby && *store.name() == definition.from {
        let text = "it is a read-only standby, on which no writer can be seen or stopped";
        report.problem(&*subject, text, "name its primary in the store's url");
    }
    if !server.skips_triggers {
        let text = "Mover may not write without triggers here, which an online move needs: the guard would refuse and log Mover's \
                    own writes";
        let grant = format!("GRANT SET ON PARAMETER session_replication_role TO {}", server.role);
        let otherwise = "make that role superuser before PostgreSQL 15; or move the orgs with strategy = \"offline\"";
        let remedy = Remedy::run(store.name(), grant).or(otherwise);
        report.problem(&*subject, text, remedy);
    }
    let may_create = if server.has_schema { server.may_use_schema } else { server.may_create_schema };
    if !may_create {
        let text = "the guard's tables and functions cannot be made in schema mover";
        let remedy = Remedy::run(store.name(), schema_for(server));
        report.problem(&*subject, text, remedy);
    }
    if *store.name() == definition.from && !server.may_make_temporary {
        let text = "Mover may make no temporary tables, in which finalize looks up what is in a backup";
        let grant = format!("GRANT TEMPORARY ON DATABASE {} TO {}", server.database, server.role);
        report.problem(&*subject, text, Remedy::run(store.name(), grant));
    }
    check_writing(report, definition, store, catalog);
    let is_complete = definition.tables.iter().all(|rule| catalog.tables.contains_key(&rule.name));
    if is_complete {
        check_guard(report, definition, store, catalog).await?;
    }
    Ok(())
}

/// Makes the schema of the guard usable for our role.
pub(super) fn schema_for(server: &Server) -> String {
    let create = if server.has_schema { "" } else { "CREATE SCHEMA mover; " };
    format!("{create}GRANT CREATE, USAGE ON SCHEMA mover TO {}", server.role)
}

/// Rows are written in both stores: in the source when orgs come back, and removed there in the end.
fn check_writing(report: &mut Report, definition: &Definition, store: &Store, catalog: &Catalog) {
    if *store.name() != definition.from {
        // Other checks do this for every strategy.
        return;
    }
    for rule in &definition.tables {
        let Some(table) = catalog.tables.get(&rule.name) else { continue };
        if table.may_insert && table.may_delete {
            continue;
        }
        let grant = format!("GRANT SELECT, INSERT, DELETE ON {} TO {}", table.quoted, catalog.server.role);
        let remedy = Remedy::run(store.name(), grant);
        let text = "it may not be written, which a rollback needs, and finalizing too";
        report.problem(format!("table {} in {}", rule.name, store.name()), text, remedy);
    }
}

async fn check_guard(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    let guard = Guard::of(definition, store, catalog);
    let blockers = guard.blockers().await?;
    for (table, problem) in &blockers {
        let subject = format!("table {table} in {}", store.name());
        // Other checks also find a column that does not exist.
        let is_known = report.of_level(Level::Problem).any(|known| known.subject == subject && known.text == *problem);
        if !is_known {
            let (text, remedy) = problem.rsplit_once("; ").unwrap_or((problem, "correct it in the definition"));
            report.problem(subject, text, remedy);
        }
    }
    let untouchable = guard.untouchable().await?;
    for (table, place) in &untouchable {
        let grant = format!("GRANT TRIGGER ON {place} TO {}", catalog.server.role);
        let otherwise = "let that role own the table: only an owner can remove triggers again";
        let remedy = Remedy::run(store.name(), grant).or(otherwise);
        let subject = format!("table {table} in {}", store.name());
        report.problem(subject, format!("triggers may not be made on {place}"), remedy);
    }
    if !(blockers.is_empty() && untouchable.is_empty()) {
        return Ok(());
    }
    let subject = format!("guard in {}", store.name());
    for (places, remedy) in guard.unremovable().await? {
        let text = format!(
            "could be installed on {places}, but not removed again: only the owner of a table can drop its triggers"
        );
        report.warning(&*subject, text, format!("run in {} as superuser: {remedy}", store.name()));
    }
    let status = guard.status().await?;
    let there = status.guarded.len() + status.asleep.len();
    match (there, status.unguarded.is_empty()) {
        (1.., true) if status.guarded.is_empty() => {
            report.ok(
                subject,
                format!("on {there} tables and partitions, asleep; a campaign wakes it up when it starts"),
            );
        }
        (1.., true) => report.ok(subject, format!("on {there} tables and partitions")),
        (0, _) if !status.outdated.is_empty() => {
            let text = format!(
                "is not as this version of Mover makes it, or not complete, on {} of its tables and partitions",
                status.outdated.len()
            );
            let remedy =
                format!("mover guard install {} {}; a campaign does it when it starts", store.name(), definition.name);
            report.warning(subject, text, remedy);
        }
        (0, _) => report.ok(subject, "can be installed; a campaign does it when it starts"),
        (1.., false) => {
            let text = format!("is not complete: {} lack triggers", status.unguarded.join(", "));
            let remedy =
                format!("mover guard install {} {}; a campaign does it when it starts", store.name(), definition.name);
            report.warning(subject, text, remedy);
        }
    }
    Ok(())
}
