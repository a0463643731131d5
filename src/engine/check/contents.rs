//! `check`: values that do not mean the same in another database, or that cannot be read back from their binary form.

use mover_actors::ports::EngineError;
use tokio_postgres::types::Oid;

use crate::config::Definition;
use crate::engine::check::report::{Remedy, Report};
use crate::engine::schema::catalog::{Catalog, Column, Table};
use crate::engine::schema::name::{TableName, quote};
use crate::engine::schema::shape::Types;
use crate::engine::store::Store;
use crate::engine::store::error::{Doing, Failed};

/// So many rows of a table are looked at.
const ROWS_MAX: i64 = 10_000;

/// What a value can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It may be the number of a large object.
    LargeObject,
    /// Postgres sends an empty one in a form that it does not accept.
    Query,
    /// It is converted from the encoding that its declaration names.
    Xml,
}

impl Kind {
    fn of(types: &Types, oid: Oid) -> Option<Self> {
        match types.base(oid)? {
            ("pg_catalog", "oid", _) => Some(Self::LargeObject),
            ("pg_catalog", "tsquery", _) => Some(Self::Query),
            ("pg_catalog", "xml", _) => Some(Self::Xml),
            _ => None,
        }
    }

    /// Whether a value would not arrive.
    fn is_bad(self, value: &str) -> String {
        match self {
            Self::LargeObject => format!("EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = {value}::oid)"),
            Self::Query => format!("numnode({value}) = 0"),
            Self::Xml => format!(
                r#"{value}::text ~* '^\s*<\?xml[^>]*\sencoding\s*=\s*["''](?!utf-?8["''])' AND {value}::text ~ '[^\x01-\x7f]'"#
            ),
        }
    }
}

/// Values of such a kind in a column.
struct Suspect {
    kind: Kind,
    /// SQL: whether the column holds a bad one.
    is_bad: String,
    /// It is an element of an array or a field of a composite.
    is_part: bool,
}

/// The suspects in values of a type; `value` is SQL.
fn suspects(types: &Types, oid: Oid, value: &str, depth: usize) -> Vec<Suspect> {
    if let Some(kind) = Kind::of(types, oid) {
        return vec![Suspect { kind, is_bad: kind.is_bad(value), is_part: depth > 0 }];
    }
    let mut found = Vec::new();
    if let Some(element) = types.element(oid) {
        for suspect in suspects(types, element, &format!("e{depth}.value"), depth + 1) {
            let elements = format!("(SELECT unnest({value}) AS value) AS e{depth}");
            let is_bad = format!("EXISTS (SELECT FROM {elements} WHERE {})", suspect.is_bad);
            found.push(Suspect { is_bad, ..suspect });
        }
    }
    for (name, part) in types.fields(oid) {
        found.extend(suspects(types, *part, &format!("({value}).{}", quote(name)), depth + 1));
    }
    found
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
            for suspect in suspects(&from.types, column.type_oid, "s.value", 0) {
                let found = look(source, &rule.name, table, column, &suspect).await?;
                tell(report, definition, (&rule.name, table, column), &suspect, found);
            }
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
    suspect: &Suspect,
) -> Result<(i64, i64), EngineError> {
    let label = name.to_string();
    let doing = Doing::new(source.name(), "looking at the values of a column").on(&label);
    let failed = |error| doing.failed(error);
    let session = source.session().await?;
    let sql = format!(
        "SELECT count(*) FILTER (WHERE NOT (s.value IS NULL) AND {}), count(*) FROM (SELECT t.{} AS value FROM {} AS t LIMIT {ROWS_MAX}) AS s",
        suspect.is_bad,
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
    suspect: &Suspect,
    (bad, seen): (i64, i64),
) {
    let subject = format!("table {name}, column {}", column.name);
    let of_rows =
        if seen < ROWS_MAX { format!("{bad} of {seen} rows") } else { format!("{bad} of the first {seen} rows") };
    let quoted = quote(&column.name);
    let run = |sql: String| Remedy::run(&definition.from, sql);
    match suspect.kind {
        Kind::LargeObject if suspect.is_part && bad > 0 => {
            let text = format!("{of_rows} hold numbers of large objects: the numbers move, and the objects do not");
            report.problem(subject, text, "store the objects themselves, as bytea, or remove the numbers");
        }
        Kind::Query if suspect.is_part && bad > 0 => {
            let text = format!("{of_rows} hold an empty tsquery, which Postgres does not accept in binary form");
            report.problem(subject, text, "replace the empty ones by NULL");
        }
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
