//! `check`, table by table: rights, columns, keys and indexes in both stores.

use mover_actors::domain::state::Strategy;

use crate::config::{Definition, TableRule, Tenancy};
use crate::engine::check::report::{Remedy, Report};
use crate::engine::plan::circles;
use crate::engine::plan::ownership::{Orgs, Ownership};
use crate::engine::schema::catalog::{Catalog, Table};
use crate::engine::schema::name::{TableName, quote};

/// Compares one table in both stores.
pub(in crate::engine) fn check_table(
    report: &mut Report,
    definition: &Definition,
    rule: &TableRule,
    from: &Catalog,
    to: &Catalog,
) {
    let subject = format!("table {}", rule.name);
    let problems_before = report.findings.len();
    let (Some(here), Some(there)) = (from.tables.get(&rule.name), to.tables.get(&rule.name)) else {
        for (store, catalog) in [(&definition.from, from), (&definition.to, to)] {
            if !catalog.tables.contains_key(&rule.name) {
                let remedy = "create it there, or correct its name in the definition (a name that is not all lower case \
                              goes in double quotes)";
                report.problem(&*subject, format!("store {store} does not have it"), remedy);
            }
        }
        return;
    };
    for (store, table) in [(&definition.from, here), (&definition.to, there)] {
        check_kind(report, &format!("{subject} in {store}"), table);
    }
    check_rights(report, &subject, definition, (from, here), (to, there));
    check_columns(report, &subject, definition, (from, here), (to, there));
    for (store, catalog) in [(&definition.from, from), (&definition.to, to)] {
        if let Err(problem) = Ownership::new(catalog, &definition.tables).rows_of(rule, Orgs::Cohort) {
            report.problem(format!("{subject} in {store}"), problem, "correct `key` or `via` in the definition");
        }
    }
    let column = match &rule.tenancy {
        Tenancy::Key(column) => Some(column),
        Tenancy::Via(hops) => hops.first().map(|hop| &hop.column),
    };
    for (store, table) in [(&definition.from, here), (&definition.to, there)] {
        let found = column.and_then(|column| table.column(column.as_str()));
        if let Some(found) = found.filter(|found| !found.leads_an_index) {
            let text = format!("no index begins with {}: every org reads the whole table", found.name);
            let statement = format!("CREATE INDEX CONCURRENTLY ON {} ({})", table.quoted, quote(&found.name));
            let remedy = Remedy::run(store, statement);
            report.warning(format!("{subject} in {store}"), text, remedy);
        }
    }
    let is_online = definition.strategy == Strategy::Online;
    if !is_online && (here.primary_key().is_empty() || there.primary_key().is_empty()) {
        let text = "it has no primary key: a row that differs can only be named by all its contents";
        report.warning(&*subject, text, "add a primary key");
    }
    if report.findings.len() == problems_before {
        report.ok(subject, format!("{} columns alike", here.columns.len()));
    }
}

fn check_kind(report: &mut Report, subject: &str, table: &Table) {
    if !table.is_table() {
        report.problem(subject, "it is no table", "name the table itself, not a view or foreign table");
    }
    if table.has_heirs {
        report.warning(
            subject,
            "other tables inherit from it: their rows are not moved with it",
            "list them as tables of their own",
        );
    }
    if table.row_security {
        let remedy = "let Mover log in as the table's owner or as a role with BYPASSRLS";
        report.problem(subject, "row-level security hides rows from this role", remedy);
    }
}

fn check_rights(
    report: &mut Report,
    subject: &str,
    definition: &Definition,
    (from, here): (&Catalog, &Table),
    (to, there): (&Catalog, &Table),
) {
    if !here.may_select {
        let grant = format!("GRANT SELECT ON {} TO {}", here.quoted, from.server.role);
        let remedy = Remedy::run(&definition.from, grant);
        report.problem(format!("{subject} in {}", definition.from), "it may not be read", remedy);
    }
    if !(there.may_select && there.may_insert && there.may_delete) {
        let grant = format!("GRANT SELECT, INSERT, DELETE ON {} TO {}", there.quoted, to.server.role);
        let remedy = Remedy::run(&definition.to, grant);
        report.problem(format!("{subject} in {}", definition.to), "it may not be read and written", remedy);
    }
}

fn check_columns(
    report: &mut Report,
    subject: &str,
    definition: &Definition,
    (from, here): (&Catalog, &Table),
    (to, there): (&Catalog, &Table),
) {
    for column in &here.columns {
        let subject = format!("{subject}, column {}", column.name);
        let Some(twin) = there.column(&column.name) else {
            let statement =
                format!("ALTER TABLE {} ADD COLUMN {} {}", there.quoted, quote(&column.name), column.written);
            let remedy = Remedy::run(&definition.to, statement);
            report.problem(subject, "the target lacks it", remedy);
            continue;
        };
        if let Err(why) = from.types.carries_to(column.type_oid, &to.types, twin.type_oid) {
            let text = format!("{} in the source, {} in the target: {why}", column.written, twin.written);
            report.problem(subject, text, "make the types alike");
        } else if column.modifier != twin.modifier {
            let text = format!("{} in the source, {} in the target: values may not fit", column.written, twin.written);
            report.warning(subject, text, "make the types alike");
        } else if twin.generated && !column.generated {
            let text = "the target generates it, the source stores it: rows whose values differ fail verification";
            report.warning(subject, text, "make both generated or both plain");
        } else if twin.not_null && !column.not_null {
            let text = "NOT NULL only in the target: rows without a value are refused";
            report.warning(subject, text, "fill the column in the source, or drop NOT NULL in the target");
        }
    }
    for column in there.columns.iter().filter(|column| here.column(&column.name).is_none()) {
        if column.not_null && !column.has_default {
            let remedy = "give it a default, drop NOT NULL, or add it to the source";
            let text = "the source lacks it, and the target wants a value";
            report.problem(format!("{subject}, column {}", column.name), text, remedy);
        }
    }
}

/// Foreign keys that could not be verified, or not be satisfied row by row.
pub(in crate::engine) fn check_references(report: &mut Report, definition: &Definition, to: &Catalog) {
    for reference in &to.references {
        let moved = to.tables.iter().find(|(_, table)| table.oid == reference.child_root);
        let is_rule = |name: &TableName| definition.tables.iter().any(|rule| rule.name == *name);
        let Some((name, _)) = moved.filter(|(name, _)| is_rule(name)) else { continue };
        if to.server.skips_triggers && !reference.may_select_parent {
            let parent = reference.parent_from.trim_start_matches("ONLY ");
            let text = format!("foreign key {} points to {parent}, which may not be read", reference.name);
            let remedy = Remedy::run(&definition.to, format!("GRANT SELECT ON {parent} TO {}", to.server.role));
            report.problem(format!("table {name} in {}", definition.to), text, remedy);
        }
    }
    let circles = circles(definition, to);
    if circles.is_empty() || to.server.skips_triggers {
        return;
    }
    for rule in circles.iter().filter_map(|&index| definition.tables.get(index)) {
        let text = "foreign keys lead around in a circle, so no order of filling satisfies them row by row";
        let remedy = "grant session_replication_role (see above), or make one of them DEFERRABLE";
        report.problem(format!("table {}", rule.name), text, remedy);
    }
}
