//! `check`: every table of both stores is moved, or the definition says why not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mover_actors::domain::ids::StoreName;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::config::{Definition, TableRule, Tenancy};
use crate::engine::check::report::Report;
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::name::{ColumnName, TableName};
use crate::engine::schema::resolve::resolve;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// A table that the definition does not move, in one store or both.
struct LeftOut<'a> {
    stores: Vec<&'a StoreName>,
    rows_estimated: Option<i64>,
    known: Option<Known<'a>>,
    evidence: Option<Evidence>,
}

/// Why it is left out.
#[derive(Clone, Copy)]
enum Known<'a> {
    /// The definition names it: as shared or ignored, or as the directory of orgs.
    Named,
    /// Another migration between the same stores moves it.
    MovedBy(&'a Definition),
}

/// Why its rows may belong to orgs.
enum Evidence {
    Points { parent: TableName, column: Option<String>, parent_column: Option<String> },
    Inherits { parent: TableName },
    HasKey { column: String },
}

/// The tables that are left out, by name.
type Found<'a> = BTreeMap<TableName, LeftOut<'a>>;

/// Tables of both stores that the definition neither moves nor names. `others` are all other definitions.
pub(in crate::engine) async fn check_left_out(
    report: &mut Report,
    definition: &Definition,
    others: &[&Definition],
    stores: [(&Store, &Catalog); 2],
) -> Result<(), EngineError> {
    let mut found = Found::new();
    let mut nowhere: BTreeSet<&TableName> = definition.shared_tables.iter().chain(&definition.ignored_tables).collect();
    for (store, catalog) in stores {
        look(&mut found, &mut nowhere, definition, others, store, catalog).await?;
    }
    for name in nowhere {
        let text = "the definition names it as a table that stays, and no store has it";
        report.warning(format!("table {name}"), text, "correct its name in the definition, or remove it there");
    }
    let mut unknown = Vec::new();
    let mut stays: BTreeMap<&TableName, Vec<String>> = BTreeMap::new();
    for (name, table) in &found {
        match (&table.known, &table.evidence) {
            (None, Some(evidence)) => tell(report, definition, name, table, evidence),
            (None, None) => unknown.push((name, table)),
            (Some(known), Some(Evidence::Points { parent, .. } | Evidence::Inherits { parent })) => {
                stays.entry(parent).or_default().push(match known {
                    Known::Named => name.to_string(),
                    Known::MovedBy(other) => format!("{name} (moved by {})", other.name),
                });
            }
            (Some(Known::MovedBy(other)), Some(Evidence::HasKey { column })) => {
                let text = format!(
                    "it has a column {column}, and only migration {} moves it: rows of orgs that do not go through that \
                     migration stay behind",
                    other.name
                );
                report.warning(
                    format!("table {name}"),
                    text,
                    list("ignored_tables", &definition.ignored_tables, [name]),
                );
            }
            (Some(_), _) => {}
        }
    }
    tell_unknown(report, definition, &unknown);
    // Only an online move removes rows of the source.
    for (parent, children) in stays.into_iter().filter(|_| definition.strategy == Strategy::Online) {
        let text = format!(
            "rows of tables that are not moved with it point to its rows: {}. Once its rows are removed by `finalize` in {} or \
             by a rollback in {}, these foreign keys are broken",
            children.join(", "),
            definition.from,
            definition.to
        );
        report.warning(format!("table {parent}"), text, "move those tables too, or remove such rows before `finalize`");
    }
    Ok(())
}

async fn look<'a>(
    found: &mut Found<'a>,
    nowhere: &mut BTreeSet<&TableName>,
    definition: &'a Definition,
    others: &[&'a Definition],
    store: &'a Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    let doing = Doing::new(store.name(), "looking for tables that the definition leaves out");
    let failed = |error| doing.failed(error);
    let session = store.session().await?;
    let mut known: HashMap<Oid, Known<'a>> = HashMap::new();
    let is_twin = |other: &&&Definition| other.from == definition.from && other.to == definition.to;
    for other in others.iter().filter(is_twin) {
        let names: Vec<TableName> = other.tables.iter().map(|rule| rule.name.clone()).collect();
        let tables = resolve(&session, &names, doing).await?;
        known.extend(tables.into_iter().flatten().map(|table| (table.oid, Known::MovedBy(other))));
    }
    let named: Vec<TableName> = [&definition.org.table]
        .into_iter()
        .chain(&definition.shared_tables)
        .chain(&definition.ignored_tables)
        .cloned()
        .collect();
    for (name, table) in named.iter().zip(resolve(&session, &named, doing).await?) {
        if let Some(table) = table {
            nowhere.remove(name);
            known.insert(table.oid, Known::Named);
        }
    }
    let roots: HashMap<Oid, &TableName> = catalog.tables.iter().map(|(name, table)| (table.oid, name)).collect();
    let oids: Vec<Oid> = roots.keys().copied().collect();
    let keys: Vec<&str> = definition.tables.iter().filter_map(|rule| key_column(rule, catalog)).collect();
    let rows = session.query(include_str!("sql/left_out.sql"), &[&oids, &keys]).await.map_err(failed)?;
    session.release();
    for row in &rows {
        let name = TableName::exact(
            Some(row.try_get("schema").map_err(failed)?),
            row.try_get::<_, String>("name").map_err(failed)?,
        );
        let evidence = evidence_of(row, &roots).map_err(failed)?;
        let rows_estimated: Option<i64> = row.try_get("rows_estimated").map_err(failed)?;
        let oid: Oid = row.try_get("oid").map_err(failed)?;
        let table = found.entry(name).or_insert(LeftOut {
            stores: Vec::new(),
            rows_estimated: None,
            known: None,
            evidence: None,
        });
        table.stores.push(store.name());
        table.rows_estimated = table.rows_estimated.or(rows_estimated);
        table.known = table.known.or(known.get(&oid).copied());
        table.evidence = table.evidence.take().or(evidence);
    }
    Ok(())
}

fn evidence_of(row: &Row, roots: &HashMap<Oid, &TableName>) -> Result<Option<Evidence>, tokio_postgres::Error> {
    let root = |column| {
        Ok::<_, tokio_postgres::Error>(row.try_get::<_, Option<Oid>>(column)?.and_then(|oid| roots.get(&oid).copied()))
    };
    if let Some(parent) = root("points_to")? {
        let (column, parent_column) = (row.try_get("points_with")?, row.try_get("parent_column")?);
        return Ok(Some(Evidence::Points { parent: parent.clone(), column, parent_column }));
    }
    if let Some(parent) = root("inherits_from")? {
        return Ok(Some(Evidence::Inherits { parent: parent.clone() }));
    }
    let key: Option<String> = row.try_get("key_column")?;
    Ok(key.map(|column| Evidence::HasKey { column }))
}

/// A table that no one names, although its rows seem to belong to orgs.
fn tell(report: &mut Report, definition: &Definition, name: &TableName, table: &LeftOut<'_>, evidence: &Evidence) {
    let (why, found_by) = match evidence {
        Evidence::Points { parent, column, parent_column } => {
            let column = column.as_deref().map_or("<column>".to_owned(), as_column);
            let parent_column = parent_column.as_deref().map_or("<column>".to_owned(), as_column);
            let broken = match definition.strategy {
                Strategy::Online => {
                    format!(
                        ", with foreign keys that are broken once the rows of {parent} are removed by `finalize` or a rollback"
                    )
                }
                Strategy::Offline | Strategy::Window => String::new(),
            };
            (
                format!("it points to {parent}: its rows stay behind{broken}"),
                format!("via = {}", toml(&format!("{column} -> {parent}.{parent_column}"))),
            )
        }
        Evidence::Inherits { parent } => (
            format!("it inherits from {parent}: its rows are rows of {parent} that stay behind"),
            "key = \"<column>\"".into(),
        ),
        Evidence::HasKey { column } => (
            format!("it has a column {column}: rows of orgs stay behind"),
            format!("key = {}", toml(&as_column(column))),
        ),
    };
    let text = format!("no part of this migration (in {}{}), but {why}", stores(table), rows(table));
    let remedy = format!(
        "add to the definition:\n[[table]]\nname = {}\n{found_by}\nor, if its rows shall stay, begin the definition with:\n{}",
        toml(&name.to_string()),
        list("ignored_tables", &definition.ignored_tables, [name])
    );
    // Rows that stay behind may be meant to; foreign keys that `finalize` breaks, and half of a table's rows, are not.
    let breaks = match evidence {
        Evidence::Points { .. } => definition.strategy == Strategy::Online,
        Evidence::Inherits { .. } => true,
        Evidence::HasKey { .. } => false,
    };
    match breaks {
        true => report.problem(format!("table {name}"), text, remedy),
        false => report.warning(format!("table {name}"), text, remedy),
    }
}

/// Tables that no one names and nothing is known of: one line names all of them.
fn tell_unknown(report: &mut Report, definition: &Definition, unknown: &[(&TableName, &LeftOut<'_>)]) {
    if unknown.is_empty() {
        return;
    }
    let each = unknown.iter().map(|(name, table)| format!("{name} (in {}{})", stores(table), rows(table)));
    let text = format!("the definition neither moves nor names: {}", each.collect::<Vec<_>>().join(", "));
    let names = || unknown.iter().map(|(name, _)| *name);
    let remedy = format!(
        "if both stores have their rows, begin the definition with:\n{}\nand with this, if they stay where they are:\n{}",
        list("shared_tables", &definition.shared_tables, names()),
        list("ignored_tables", &definition.ignored_tables, names())
    );
    let subject = if let [(name, _)] = unknown { format!("table {name}") } else { format!("{} tables", unknown.len()) };
    report.warning(subject, text, remedy);
}

fn stores(table: &LeftOut<'_>) -> String {
    table.stores.iter().map(|store| store.as_str()).collect::<Vec<_>>().join(" and ")
}

fn rows(table: &LeftOut<'_>) -> String {
    table.rows_estimated.map(|rows| format!(", about {rows} rows")).unwrap_or_default()
}

/// The line of the definition that names these tables, too.
fn list<'a>(key: &str, there: &'a [TableName], more: impl IntoIterator<Item = &'a TableName>) -> String {
    let names: Vec<String> = there.iter().chain(more).map(|name| toml(&name.to_string())).collect();
    format!("{key} = [{}]", names.join(", "))
}

/// A text of TOML.
fn toml(text: &str) -> String {
    if text.contains(['"', '\\']) && !text.contains('\'') { format!("'{text}'") } else { format!("{text:?}") }
}

/// A column as a definition writes it.
fn as_column(name: &str) -> String {
    let plain: Result<ColumnName, _> = name.parse();
    if plain.is_ok_and(|plain| plain.as_str() == name) { name.into() } else { ColumnName::exact(name).quoted() }
}

/// The name of the key column, unless it says nothing: every table has an `id` that is its whole primary key.
fn key_column<'a>(rule: &'a TableRule, catalog: &Catalog) -> Option<&'a str> {
    let Tenancy::Key(column) = &rule.tenancy else { return None };
    let table = catalog.tables.get(&rule.name)?;
    let is_own_id = matches!(table.primary_key().as_slice(), [only] if only.name == column.as_str());
    (!is_own_id).then_some(column.as_str())
}
