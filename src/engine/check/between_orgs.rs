//! `check`: foreign keys from rows of one org to rows of another.

use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::{Definition, Tenancy};
use crate::engine::check::report::Report;
use crate::engine::schema::catalog::{Catalog, Reference};
use crate::engine::schema::name::quote;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// So many rows of a table are looked at.
const ROWS_MAX: i64 = 10_000;

/// Warns of rows that reference rows of another org: where only one of the two orgs leaves a store, the other's rows point nowhere.
pub(in crate::engine) async fn check_between_orgs(
    report: &mut Report,
    definition: &Definition,
    store: &Store,
    catalog: &Catalog,
) -> Result<(), EngineError> {
    for reference in &catalog.references {
        let child = with_key(definition, catalog, reference.child_root);
        let parent = with_key(definition, catalog, reference.parent_root);
        let (Some(child), Some(parent)) = (child, parent) else { continue };
        let (label, child_key, parent_key) = (child.label, child.key, parent.key);
        // Values of one type may be equal and written differently.
        let is_another = match child.type_oid == parent.type_oid {
            true => format!(
                "NOT (p.{} {} c.{})",
                quote(&parent_key),
                catalog.types.equality(parent.type_oid, child.type_oid),
                quote(&child_key)
            ),
            false => format!("p.{}::text <> c.{}::text", quote(&parent_key), quote(&child_key)),
        };
        // The org's key is part of the foreign key.
        let holds_key = |(child, parent): (&String, &String)| *child == child_key && *parent == parent_key;
        if reference.child_columns.iter().zip(&reference.parent_columns).any(holds_key) {
            continue;
        }
        let doing = Doing::new(store.name(), "looking for references between orgs").on(&label);
        let failed = |error| doing.failed(error);
        let session = store.session().await?;
        let row = session.query_one(&counting(reference, &is_another), &[]).await.map_err(failed)?;
        session.release();
        let (crossing, seen): (i64, i64) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        if crossing == 0 {
            continue;
        }
        let of_rows = if seen < ROWS_MAX { format!("of {seen} rows") } else { format!("of the first {seen} rows") };
        let text = format!(
            "{crossing} {of_rows} reference rows of another org through {}: where one of the two orgs leaves a store, rolled back or \
             finalized without the other, the other's rows there point to rows that are gone",
            reference.name
        );
        let remedy = "correct these rows, or roll back and finalize such orgs together";
        report.warning(format!("table {label} in {}", store.name()), text, remedy);
    }
    Ok(())
}

/// A moved table that can be read and has the org's key in a column.
struct Keyed {
    label: String,
    key: String,
    type_oid: Oid,
}

fn with_key(definition: &Definition, catalog: &Catalog, oid: Oid) -> Option<Keyed> {
    let found = definition.tables.iter().find_map(|rule| {
        let table = catalog.tables.get(&rule.name)?;
        (table.oid == oid && table.may_select).then_some((rule, table))
    });
    let (rule, table) = found?;
    let Tenancy::Key(key) = &rule.tenancy else { return None };
    let type_oid = table.column(key.as_str())?.type_oid;
    Some(Keyed { label: rule.name.to_string(), key: key.as_str().to_owned(), type_oid })
}

/// How many rows reference another org's, and how many were looked at.
fn counting(reference: &Reference, is_another: &str) -> String {
    let pairs = reference.child_columns.iter().zip(&reference.parent_columns).zip(&reference.equalities);
    let joined: Vec<String> =
        pairs.map(|((child, parent), equals)| format!("p.{} {equals} c.{}", quote(parent), quote(child))).collect();
    format!(
        "SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM {parent} AS p WHERE {joined} AND {is_another})), count(*) \
         FROM (SELECT * FROM {child} LIMIT {ROWS_MAX}) AS c",
        parent = reference.parent_from,
        joined = joined.join(" AND "),
        child = reference.child_from,
    )
}
