//! `check`: constraints and other properties that tables have in one store and lack in the other. They matter in both
//! directions: the other store may refuse rows, or rows written after the switch may break a rule that the first store
//! enforced.

use mover_actors::domain::ids::StoreName;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::{Definition, TableRule};
use crate::engine::check::report::{Remedy, Report};
use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::quote;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// One property that a table enforces.
struct Feature {
    table: Oid,
    kind: String,
    column: Option<String>,
    name: String,
    what: String,
    sql: String,
}

/// Compares the tables of both stores.
pub(in crate::engine) async fn check_alike(
    report: &mut Report,
    definition: &Definition,
    (source, from): (&Store, &Catalog),
    (target, to): (&Store, &Catalog),
) -> Result<(), EngineError> {
    let (here, there) = (features(source, from).await?, features(target, to).await?);
    for rule in &definition.tables {
        let (Some(left), Some(right)) = (from.tables.get(&rule.name), to.tables.get(&rule.name)) else { continue };
        check_primary_keys(report, definition, rule, (left, &here), (right, &there));
        if definition.strategy == Strategy::Online {
            check_columns_of_target(report, definition, rule, left, (right, &there));
            check_types_on_the_way_back(report, rule, (from, left), (to, right));
        }
        let left = Side { store: &definition.from, table: left, features: &here };
        let right = Side { store: &definition.to, table: right, features: &there };
        lacking(report, rule, &left, &right);
        lacking(report, rule, &right, &left);
    }
    Ok(())
}

/// A value that only the target's type has, such as a label of an enum, has no place in the source.
fn check_types_on_the_way_back(
    report: &mut Report,
    rule: &TableRule,
    (from, here): (&Catalog, &Table),
    (to, there): (&Catalog, &Table),
) {
    for column in &here.columns {
        let Some(twin) = there.column(&column.name) else { continue };
        // Other checks find types that do not fit on the way forward.
        let fits_forward = from.types.carries_to(column.type_oid, &to.types, twin.type_oid).is_ok();
        if let (true, Err(why)) = (fits_forward, to.types.carries_to(twin.type_oid, &from.types, column.type_oid)) {
            let text = format!("a rollback is refused for an org with a row that has such a value: {why}");
            report.warning(format!("table {}, column {}", rule.name, column.name), text, "make the types alike");
        }
    }
}

struct Side<'a> {
    store: &'a StoreName,
    table: &'a Table,
    features: &'a [Feature],
}

impl Side<'_> {
    fn own(&self) -> impl Iterator<Item = &Feature> {
        self.features.iter().filter(|feature| feature.table == self.table.oid)
    }
}

async fn features(store: &Store, catalog: &Catalog) -> Result<Vec<Feature>, EngineError> {
    let doing = Doing::new(store.name(), "reading what the tables are held to");
    let failed = |error| doing.failed(error);
    let oids: Vec<Oid> = catalog.tables.values().map(|table| table.oid).collect();
    let session = store.session().await?;
    let rows = session.query(include_str!("sql/alike.sql"), &[&oids]).await.map_err(failed)?;
    session.release();
    let feature = |row: &tokio_postgres::Row| {
        Ok(Feature {
            table: row.try_get("table_oid")?,
            kind: row.try_get("kind")?,
            column: row.try_get("column_name")?,
            name: row.try_get("name")?,
            what: row.try_get("what")?,
            sql: row.try_get("sql")?,
        })
    };
    rows.iter().map(feature).collect::<Result<_, _>>().map_err(failed)
}

fn check_primary_keys(
    report: &mut Report,
    definition: &Definition,
    rule: &TableRule,
    (here, _): (&Table, &[Feature]),
    (there, theirs): (&Table, &[Feature]),
) {
    let names = |table: &Table| -> Vec<String> { table.primary_key().iter().map(|c| c.name.clone()).collect() };
    let (key, twin) = (names(here), names(there));
    let sorted = |names: &[String]| {
        let mut sorted = names.to_vec();
        sorted.sort();
        sorted
    };
    // A missing primary key is reported elsewhere.
    if key.is_empty() || twin.is_empty() || sorted(&key) == sorted(&twin) {
        return;
    }
    let columns = key.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let is_key = |feature: &&Feature| feature.table == there.oid && feature.kind == "primary key";
    let drop = theirs.iter().find(is_key).map(|found| format!("DROP CONSTRAINT {}, ", found.sql)).unwrap_or_default();
    let statement = format!("ALTER TABLE {} {drop}ADD PRIMARY KEY ({columns})", there.quoted);
    let remedy = Remedy::run(&definition.to, statement);
    let text = format!(
        "its primary key is ({}) in {} and ({}) in {}: a changed row could not be found again",
        key.join(", "),
        definition.from,
        twin.join(", "),
        definition.to
    );
    let subject = format!("table {}", rule.name);
    match definition.strategy {
        Strategy::Online => report.problem(subject, text, remedy),
        Strategy::Offline | Strategy::Window => report.warning(subject, text, remedy),
    }
}

/// The way back has no place for the values of such a column.
fn check_columns_of_target(
    report: &mut Report,
    definition: &Definition,
    rule: &TableRule,
    here: &Table,
    (there, theirs): (&Table, &[Feature]),
) {
    for column in there.columns.iter().filter(|column| here.column(&column.name).is_none() && !column.generated) {
        let of_column = |kind: &str| {
            let is_it =
                |f: &&Feature| f.table == there.oid && f.kind == kind && f.column.as_ref() == Some(&column.name);
            theirs.iter().find(is_it)
        };
        let expression = of_column("default")
            .and_then(|default| default.sql.split_once(" SET DEFAULT "))
            .map(|(_, expression)| format!(" DEFAULT {expression}"))
            .unwrap_or_default();
        let not_null = if column.not_null && !expression.is_empty() { " NOT NULL" } else { "" };
        let statement = format!(
            "ALTER TABLE {} ADD COLUMN {} {}{not_null}{expression}",
            here.quoted,
            quote(&column.name),
            column.written
        );
        let remedy = Remedy::run(&definition.from, statement).or("do not roll back once it is written");
        let text = format!("only {} has it: a rollback drops what was written there after the switch", definition.to);
        report.warning(format!("table {}, column {}", rule.name, column.name), text, remedy);
    }
}

/// Reports what `has` has and `lacks` lacks.
fn lacking(report: &mut Report, rule: &TableRule, has: &Side<'_>, lacks: &Side<'_>) {
    for feature in has.own().filter(|feature| feature.kind != "primary key") {
        let is_twin = |twin: &Feature| twin.kind == feature.kind && twin.what == feature.what;
        // A column that one store lacks is reported as a column.
        let is_columns = feature.column.as_ref().is_some_and(|column| lacks.table.column(column).is_none());
        if lacks.own().any(is_twin) || is_columns {
            continue;
        }
        let keyed = |table: &Table| table.primary_key().iter().any(|key| Some(&key.name) == feature.column.as_ref());
        if feature.kind == "NOT NULL" && (keyed(has.table) || keyed(lacks.table) || is_reported(report, rule, feature))
        {
            continue;
        }
        let what = match feature.kind.as_str() {
            "NOT NULL" => feature.name.clone(),
            _ => format!("{} ({})", feature.name, feature.what),
        };
        let text = format!("{} {what} is in {} and not like that in {}", feature.kind, has.store, lacks.store);
        let remedy = Remedy::run(lacks.store, &*feature.sql).or(format_args!("drop it in {}", has.store));
        report.warning(format!("table {} in {}", rule.name, lacks.store), text, remedy);
    }
}

/// Whether the comparison of columns has reported it.
fn is_reported(report: &Report, rule: &TableRule, feature: &Feature) -> bool {
    let subject = format!("table {}, column {}", rule.name, feature.name);
    report.findings.iter().any(|known| known.subject == subject && known.text.starts_with("NOT NULL only"))
}
