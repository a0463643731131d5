//! `check`: values that do not mean the same in another database, or that cannot be read back from their binary form.

use mover_actors::ports::EngineError;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::schema::catalog::{Catalog, Column, Table};
use crate::engine::schema::name::{TableName, quote};
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// So many rows of a table are looked at.
const ROWS_MAX: i64 = 10_000;

/// What a value can be.
#[derive(Clone, Copy)]
enum Kind {
    /// It may be the number of a large object.
    LargeObject,
    /// Postgres sends an empty one in a form that it does not accept.
    Query,
    /// It is converted from the encoding that its declaration names.
    Xml,
}

impl Kind {
    fn of(catalog: &Catalog, column: &Column) -> Option<Self> {
        match catalog.types.base(column.type_oid)? {
            ("pg_catalog", "oid", _) => Some(Self::LargeObject),
            ("pg_catalog", "tsquery", _) => Some(Self::Query),
            ("pg_catalog", "xml", _) => Some(Self::Xml),
            _ => None,
        }
    }

    /// Whether a value would not arrive.
    fn is_bad(self) -> &'static str {
        match self {
            Self::LargeObject => "EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = s.value::oid)",
            Self::Query => "numnode(s.value) = 0",
            Self::Xml => {
                r#"s.value::text ~* '^\s*<\?xml[^>]*\sencoding\s*=\s*["''](?!utf-?8["''])' AND s.value::text ~ '[^\x01-\x7f]'"#
            }
        }
    }
}

/// Looks at columns of such types in the source.
pub(in crate::engine) async fn check_contents(
    report: &mut Report,
    definition: &Definition,
    source: &Store,
    from: &Catalog,
) -> Result<(), EngineError> {
    for rule in &definition.tables {
        let Some(table) = from.tables.get(&rule.name).filter(|table| table.may_select && table.is_table()) else {
            continue;
        };
        for column in table.columns.iter().filter(|column| !column.generated) {
            let Some(kind) = Kind::of(from, column) else { continue };
            let found = look(source, &rule.name, table, column, kind).await?;
            tell(report, definition, (&rule.name, table, column), kind, found);
        }
    }
    Ok(())
}

/// How many of the first rows have such a value, and how many were looked at.
async fn look(
    source: &Store,
    name: &TableName,
    table: &Table,
    column: &Column,
    kind: Kind,
) -> Result<(i64, i64), EngineError> {
    let label = name.to_string();
    let doing = Doing::new(source.name(), "looking at the values of a column").on(&label);
    let failed = |error| doing.failed(error);
    let session = source.session().await?;
    let sql = format!(
        "SELECT count(*) FILTER (WHERE s.value IS NOT NULL AND {}), count(*) FROM (SELECT t.{} AS value FROM {} AS t LIMIT {ROWS_MAX}) AS s",
        kind.is_bad(),
        quote(&column.name),
        table.from
    );
    let row = session.query_one(&sql, &[]).await.map_err(failed)?;
    session.release();
    Ok((row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?))
}

fn tell(
    report: &mut Report,
    definition: &Definition,
    (name, table, column): (&TableName, &Table, &Column),
    kind: Kind,
    (bad, seen): (i64, i64),
) {
    let subject = format!("table {name}, column {}", column.name);
    let of_rows =
        if seen < ROWS_MAX { format!("{bad} of {seen} rows") } else { format!("{bad} of the first {seen} rows") };
    let quoted = quote(&column.name);
    let run = |sql: String| Remedy::run(&definition.from, sql);
    match kind {
        Kind::LargeObject if bad > 0 => {
            // lo_get fails for a number without an object, such as 0.
            let clear = format!(
                "UPDATE {} AS t SET {quoted} = NULL WHERE NOT EXISTS (SELECT FROM pg_largeobject_metadata o WHERE o.oid = t.{quoted})",
                table.quoted
            );
            let alter = format!("ALTER TABLE {} ALTER COLUMN {quoted} TYPE bytea USING lo_get({quoted})", table.quoted);
            let text = format!("{of_rows} point to a large object: the number moves, and the object does not");
            let (from, to) = (&definition.from, &definition.to);
            let remedy = run(clear.clone()).and_run(from, alter.clone()).and_run(to, clear).and_run(to, alter);
            report.problem(subject, text, remedy);
        }
        Kind::LargeObject => {
            let text = "its values are numbers of objects of the database, which are others in the other store";
            let remedy = "nothing, if they are no such numbers: give the column the type bigint in both stores then";
            report.warning(subject, text, remedy);
        }
        Kind::Query if bad > 0 => {
            let text = format!("{of_rows} have an empty tsquery, which Postgres does not accept in binary form");
            let sql = format!("UPDATE {} SET {quoted} = NULL WHERE pg_catalog.numnode({quoted}) = 0", table.quoted);
            report.problem(subject, text, run(sql));
        }
        Kind::Xml if bad > 0 => {
            let text = format!(
                "{of_rows} declare another encoding than UTF-8, from which Postgres would convert them once more"
            );
            let sql = format!(
                r#"UPDATE {} SET {quoted} = pg_catalog.regexp_replace({quoted}::text, '(^\s*<\?xml[^>]*?)\s+encoding\s*=\s*["''][^"'']*["'']', '\1')::xml WHERE {quoted}::text ~ '^\s*<\?xml[^>]*\sencoding'"#,
                table.quoted
            );
            report.problem(subject, text, run(sql));
        }
        Kind::Query | Kind::Xml => {}
    }
}
