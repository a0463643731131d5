//! `check`: finds everything that would keep a migration from working before anything runs. Changes nothing.

mod alike;
mod between_orgs;
mod contents;
mod held;
mod keys;
mod left_out;
mod online;
mod own_writes;
mod publications;
pub(in crate::engine) mod report;
mod round_trip;
mod routines;
mod sequences;
mod settings;
mod tables;

use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::check::alike::check_alike;
use crate::engine::check::between_orgs::check_between_orgs;
use crate::engine::check::contents::check_contents;
use crate::engine::check::held::check_held;
use crate::engine::check::keys::{check_compared, check_listed};
use crate::engine::check::left_out::check_left_out;
use crate::engine::check::online::{check_online, schema_for};
use crate::engine::check::own_writes::check_own_writes;
use crate::engine::check::publications::check_publications;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::check::round_trip::check_round_trip;
use crate::engine::check::routines::check_routines;
use crate::engine::check::sequences::{check_free_sequences, check_sequences};
use crate::engine::check::settings::check_settings;
use crate::engine::check::tables::{check_references, check_table};
use crate::engine::orgs::select;
use crate::engine::plan::ownership::tables_named;
use crate::engine::schema::catalog::Catalog;
use crate::engine::steps;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// The oldest Postgres that has what the engine uses (`hash_record_extended`).
const VERSION_MIN: i32 = 140_000;

/// `others` are all other definitions.
pub(in crate::engine) async fn check(
    definition: &Definition,
    others: &[&Definition],
    source: Option<&Store>,
    target: Option<&Store>,
) -> Report {
    let mut report = Report::default();
    let (Some(source), Some(target)) = (source, target) else {
        for (name, store) in [(&definition.from, source), (&definition.to, target)] {
            if store.is_none() {
                let remedy =
                    format!("add [stores.{name}] to the configuration, or name another store in the definition");
                report.problem(format!("store {name}"), "is not configured", remedy);
            }
        }
        return report;
    };
    let names = tables_named(&definition.tables);
    let from = reach(&mut report, source, Catalog::read(source, &names).await);
    let to = reach(&mut report, target, Catalog::read(target, &names).await);
    let (Some(from), Some(to)) = (from, to) else { return report };
    if let Err(error) = check_both(&mut report, definition, others, (source, &from), (target, &to)).await {
        report.problem("check", error.reason, "mend this and check again");
    }
    report
}

fn reach(report: &mut Report, store: &Store, read: Result<Catalog, EngineError>) -> Option<Catalog> {
    let subject = format!("store {}", store.name());
    match read {
        Ok(catalog) => {
            let text = format!("connected to {}, PostgreSQL {}", store.address(), catalog.server.version);
            report.ok(&*subject, text);
            if catalog.server.version_number < VERSION_MIN {
                report.problem(subject, "the server is too old", "use PostgreSQL 14 or later");
            }
            Some(catalog)
        }
        Err(error) => {
            let of_the_store = format!("{subject} ");
            let reason = error.reason.strip_prefix(&of_the_store).unwrap_or(&error.reason);
            report.problem(&*subject, reason, "mend this and check again");
            None
        }
    }
}

async fn check_both(
    report: &mut Report,
    definition: &Definition,
    others: &[&Definition],
    (source, from): (&Store, &Catalog),
    (target, to): (&Store, &Catalog),
) -> Result<(), EngineError> {
    if is_same_database(source, target).await? {
        let text = format!("it is the same database as store {}", source.name());
        report.problem(
            format!("store {}", target.name()),
            text,
            "an org cannot move to where it is: change `from` or `to`",
        );
    }
    check_target(report, definition, target, to);
    if check_directory(report, definition, source).await && !definition.tables.is_empty() {
        check_listed(report, definition, source, from).await?;
    }
    for rule in &definition.tables {
        check_table(report, definition, rule, from, to);
    }
    check_references(report, definition, to);
    for (store, catalog) in [(source, from), (target, to)] {
        check_compared(report, definition, store, catalog).await?;
    }
    check_alike(report, definition, (source, from), (target, to)).await?;
    if definition.strategy == Strategy::Online && !definition.tables.is_empty() {
        check_online(report, definition, source, from).await?;
        check_online(report, definition, target, to).await?;
    }
    if !definition.steps.is_empty() {
        return steps::check(report, definition, target).await;
    }
    if definition.tables.is_empty() {
        return Ok(());
    }
    let stores = [(source, from), (target, to)];
    for (store, catalog) in stores {
        if catalog.server.is_sql_ascii() {
            let text = "its encoding is SQL_ASCII: an org with a text that is no UTF-8 is refused, with the row";
            let remedy = "nothing, if all texts are UTF-8; otherwise convert the rows when they are named";
            report.warning(format!("store {}", store.name()), text, remedy);
        }
    }
    check_encodings(report, definition, from, to);
    check_held(report, definition, stores).await?;
    check_left_out(report, definition, others, stores).await?;
    for (store, catalog) in stores {
        check_own_writes(report, definition, store, catalog);
        check_settings(report, definition, store).await?;
        check_publications(report, definition, store, catalog).await?;
    }
    check_between_orgs(report, definition, source, from).await?;
    check_contents(report, definition, source, from).await?;
    check_routines(report, source, target).await?;
    if definition.strategy == Strategy::Online {
        check_round_trip(report, definition, source, target).await?;
    }
    check_free_sequences(report, definition, source, target).await?;
    check_sequences(report, definition, (source, from), (target, to)).await
}

/// Takes a lock in one and looks for it in the other: two addresses can lead to the same database, and copies of a server have
/// the same system identifier.
async fn is_same_database(source: &Store, target: &Store) -> Result<bool, EngineError> {
    let (here, there) = (source.session().await?, target.session().await?);
    let probe: i32 = rand::random();
    let failed = |store: &Store, error| Doing::new(store.name(), "comparing the databases").failed(error);
    here.execute("SELECT pg_advisory_lock(1297045074, $1)", &[&probe]).await.map_err(|error| failed(source, error))?;
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1297045074 \
               AND objid = ($1::int8 & 4294967295)::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    let row = there.query_one(sql, &[&i64::from(probe)]).await.map_err(|error| failed(target, error))?;
    here.execute("SELECT pg_advisory_unlock(1297045074, $1)", &[&probe])
        .await
        .map_err(|error| failed(source, error))?;
    here.release();
    there.release();
    row.try_get(0).map_err(|error| failed(target, error))
}

/// A text with a character that the source cannot store can be written in the target, and not be brought back.
fn check_encodings(report: &mut Report, definition: &Definition, from: &Catalog, to: &Catalog) {
    let (here, there) = (&from.server.encoding, &to.server.encoding);
    if definition.strategy != Strategy::Online || here == there || here == "UTF8" || from.server.is_sql_ascii() {
        return;
    }
    let text = format!(
        "its encoding is {here}, and that of {} {there}: an org that was given a text there with a character that {here} lacks is not \
         rolled back",
        definition.to
    );
    let remedy =
        "nothing, if such texts are not written before all orgs are finalized; otherwise move from a database in UTF8";
    report.warning(format!("store {}", definition.from), text, remedy);
}

fn check_target(report: &mut Report, definition: &Definition, target: &Store, to: &Catalog) {
    let subject = format!("store {}", target.name());
    let is_online = definition.strategy == Strategy::Online;
    if to.server.is_standby {
        report.problem(&*subject, "it is a read-only standby", "name its primary in the store's url");
    }
    let server = &to.server;
    let may_guard =
        if server.has_schema { server.has_guard || server.may_use_schema } else { server.may_create_schema };
    if !may_guard && !is_online {
        let remedy = Remedy::run(target.name(), schema_for(server))
            .or("if another role owns mover.org_guard, run `mover guard install` as that role");
        report.problem(
            &*subject,
            "the guard table mover.org_guard is missing, and there is no right to create it",
            remedy,
        );
    }
    if server.skips_triggers {
        report.ok(subject, "rows are written without triggers; foreign keys are proven afterwards");
    } else if !is_online {
        let text = "foreign keys are checked row by row and the target's own triggers run while copying: about half as fast, \
                    and a trigger that changes rows fails the move";
        let grant = format!("GRANT SET ON PARAMETER session_replication_role TO {}", server.role);
        let remedy = Remedy::run(target.name(), grant).or("make that role superuser before PostgreSQL 15");
        report.warning(subject, text, remedy);
    }
}

/// Whether the directory can be read.
async fn check_directory(report: &mut Report, definition: &Definition, source: &Store) -> bool {
    let org = &definition.org;
    let subject = format!("org directory {}", org.table);
    let doing = Doing::new(source.name(), "reading the org directory");
    let read = async {
        let session = source.session().await?;
        let sql = format!("{} LIMIT 1", select(org, &session, doing).await?);
        let rows = session.query(&sql, &[]).await.map_err(|error| doing.failed(error))?;
        session.release();
        Ok::<_, EngineError>(rows.len())
    };
    let read = read.await;
    let may_read = read.is_ok();
    match read {
        Ok(0) => report.warning(subject, "it lists no org", "nothing can be captured until it does"),
        Ok(_) => report.ok(subject, "can be read"),
        Err(error) => {
            report.problem(subject, error.reason, "correct [org] in the definition, or grant SELECT on the table")
        }
    }
    may_read
}
