//! `check`: whether the directory, the key columns and the columns of `via` mean the same values.

use std::collections::BTreeMap;

use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::{Definition, Tenancy};
use crate::engine::check::report::{Remedy, Report};
use crate::engine::orgs::Walk;
use crate::engine::plan::org_keys::{KeyForms, literal};
use crate::engine::plan::ownership::{Orgs, Ownership};
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::name::TableName;
use crate::engine::store::Store;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Rows of the directory that name no org, or more than one.
pub(in crate::engine) async fn check_listed(
    report: &mut Report,
    definition: &Definition,
    source: &Store,
    from: &Catalog,
) -> Result<(), EngineError> {
    let session = source.session().await?;
    let walk = Walk::begin(&session, definition, KeyForms::of(definition, from)).await?;
    // By remedy: the number of rows and the first of them.
    let mut wrong: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut keys = Vec::new();
    loop {
        let page = walk.page(&session).await?;
        if page.is_empty() {
            break;
        }
        keys.extend(page.iter().flatten().map(|(_, key)| key.to_string()));
        for error in page.into_iter().filter_map(Result::err) {
            let (problem, remedy) =
                error.reason.rsplit_once("; ").unwrap_or((&error.reason, "correct it in the directory"));
            let row = error.place.row.clone().unwrap_or_default();
            let found = wrong.entry(remedy.into()).or_insert_with(|| (0, format!("{row}: {problem}")));
            found.0 += 1;
        }
    }
    check_spelling(report, definition, &session, from, &keys).await?;
    session.release();
    let org = &definition.org;
    for (remedy, (count, first)) in wrong {
        let text = format!("{count} lines stand for no org that could move, and are left out; the first is {first}");
        let remedy = format!(
            "{remedy}, e.g. in {}: UPDATE {} SET {} = '<key>' WHERE {} = '<name>'",
            definition.from,
            org.table.quoted(),
            org.key.quoted(),
            org.name.quoted()
        );
        // Other tables need not wait for these sessions.
        report.warning(format!("org directory {}", org.table), text, remedy);
    }
    Ok(())
}

/// Rows whose key is that of an org to a reader, but not to Postgres: a move would leave them behind.
async fn check_spelling(
    report: &mut Report,
    definition: &Definition,
    session: &Session,
    from: &Catalog,
    keys: &[String],
) -> Result<(), EngineError> {
    let doing = Doing::new(&definition.from, "looking how keys are written");
    let failed = |error| doing.failed(error);
    for rule in &definition.tables {
        let (Tenancy::Key(column), Some(table)) = (&rule.tenancy, from.tables.get(&rule.name)) else { continue };
        let Some(found) = table.column(column.as_str()) else { continue };
        let is_text = matches!(from.types.base(found.type_oid), Some((_, "text" | "varchar" | "bpchar", _)));
        // Without an index each key would cost a scan of the table; that is reported already.
        if !(is_text && found.leads_an_index && table.may_select && table.is_table()) {
            continue;
        }
        let template = include_str!("sql/spelled_otherwise.sql");
        let sql = template.replace("{column}", &column.quoted()).replace("{table}", &table.from);
        let row = session.query_one(&sql, &[&keys]).await.map_err(failed)?;
        let count: i64 = row.try_get(0).map_err(failed)?;
        let examples = (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
        let (Some(written), Some(listed)): (Option<String>, Option<String>) = examples else { continue };
        let (written, listed) = (literal(&written), literal(&listed));
        let text = format!(
            "{count} keys in {column} are keys of orgs, but written otherwise, e.g. {written} for {listed}: rows of theirs would stay \
             behind"
        );
        let remedy = format!(
            "run in {} for each: UPDATE {2} SET {1} = {listed} WHERE {1} = {written}; or make the column the type of the \
             directory's",
            definition.from,
            column.quoted(),
            table.quoted
        );
        report.problem(format!("table {} in {}", rule.name, definition.from), text, remedy);
    }
    Ok(())
}

/// Columns of `via` that are compared, and whether Postgres can compare them.
pub(in crate::engine) async fn check_compared(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "looking at the columns that rows are found by");
    let failed = |error| doing.failed(error);
    let mut pairs = Vec::new();
    for rule in &definition.tables {
        let Tenancy::Via(hops) = &rule.tenancy else { continue };
        let mut name = &rule.name;
        for hop in hops {
            let found = (catalog.tables.get(name), catalog.tables.get(&hop.parent));
            if let (Some(child), Some(parent)) = found {
                pairs.push((rule, hop, child, parent));
            }
            name = &hop.parent;
        }
    }
    let children: Vec<Oid> = pairs.iter().map(|(_, _, child, _)| child.oid).collect();
    let child_columns: Vec<&str> = pairs.iter().map(|(_, hop, ..)| hop.column.as_str()).collect();
    let parents: Vec<Oid> = pairs.iter().map(|(.., parent)| parent.oid).collect();
    let parent_columns: Vec<&str> = pairs.iter().map(|(_, hop, ..)| hop.parent_column.as_str()).collect();
    let session = store.session().await?;
    let mut not_found = unfindable(&session, definition, catalog, doing).await?;
    let sql = include_str!("sql/via_pairs.sql");
    let unlike = session.query(sql, &[&children, &child_columns, &parents, &parent_columns]).await.map_err(failed)?;
    for row in unlike {
        let number: i64 = row.try_get("number").map_err(failed)?;
        let collation: Option<String> = row.try_get("collation").map_err(failed)?;
        let Some((rule, hop, child, parent)) = usize::try_from(number - 1).ok().and_then(|index| pairs.get(index))
        else {
            continue;
        };
        let columns = (child.column(hop.column.as_str()), parent.column(hop.parent_column.as_str()));
        let (Some(column), Some(above)) = columns else { continue };
        let (what, to_type) = match collation {
            Some(collation) => ("sorts by another collation than", format!("{} COLLATE {collation}", above.written)),
            None => ("has a type that is not compared as its own with that of", above.written.clone()),
        };
        let text = format!(
            "{} ({}) {what} {}.{} ({})",
            hop.column, column.written, hop.parent, hop.parent_column, above.written
        );
        let statement = format!(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {to_type} USING {}::{}",
            child.quoted,
            hop.column.quoted(),
            hop.column.quoted(),
            above.written
        );
        let remedy = Remedy::run(store.name(), statement);
        let subject = format!("table {} in {}", rule.name, store.name());
        // Offline, all statements compare in the same way, if they can at all.
        match not_found.remove(&rule.name).is_some() || definition.strategy == Strategy::Online {
            true => report.problem(subject, text, remedy),
            false => report.warning(subject, text, remedy),
        }
    }
    session.release();
    for (name, problem) in not_found {
        let remedy = "give the key column, or the columns of its `via`, types that can be compared";
        report.problem(
            format!("table {name} in {}", store.name()),
            format!("its rows cannot be found by org: {problem}"),
            remedy,
        );
    }
    Ok(())
}

/// Tables whose rows Postgres cannot find by org, each with the error.
async fn unfindable<'a>(
    session: &Session,
    definition: &'a Definition,
    catalog: &Catalog,
    doing: Doing<'_>,
) -> Result<BTreeMap<&'a TableName, String>, EngineError> {
    let mut found = BTreeMap::new();
    for rule in &definition.tables {
        let Some(table) = catalog.tables.get(&rule.name) else { continue };
        // An error in the condition itself is reported with the table.
        let Ok(condition) = Ownership::new(catalog, &definition.tables).rows_of(rule, Orgs::Cohort) else { continue };
        if let Err(error) = session.prepare(&format!("SELECT FROM {} AS t WHERE {condition}", table.from)).await {
            let Some(said) = error.as_db_error() else { return Err(doing.failed(error)) };
            found.insert(&rule.name, said.message().into());
        }
    }
    Ok(found)
}
