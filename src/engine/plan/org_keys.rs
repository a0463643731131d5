//! How the tables of a migration write an org's key. The directory may write it differently: a UUID in capitals or braces,
//! `007`, `7.0`, a date in another order. Rows are selected by value, while the guard knows an org by the text in its rows.
//! Both mean the same rows only if Mover knows the org by that text, the canonical key.

use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Oid;

use crate::config::{Definition, Tenancy};
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::shape::Types;
use crate::engine::store::Store;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed, shortened};

/// Types of Postgres whose equal values have the same text.
const EXACT: [&str; 25] = [
    "bool",
    "int2",
    "int4",
    "int8",
    "oid",
    "text",
    "varchar",
    "bpchar",
    "name",
    "char",
    "uuid",
    "bytea",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit",
    "varbit",
    "money",
    "pg_lsn",
];

/// How the tables of a migration write keys: one form for each type of a key column.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct KeyForms {
    forms: Vec<Form>,
    strategy: Option<Strategy>,
}

#[derive(Debug, Clone)]
struct Form {
    type_oid: Oid,
    /// The first column that has the type, as `table.column`.
    column: String,
    /// The type as Postgres displays it.
    written: String,
    /// The name of the base type: a domain is the type that it restricts.
    base: String,
    /// The canonical text of `k.key`.
    sql: String,
    /// Whether the type may refuse values that its base type accepts.
    is_narrow: bool,
}

/// The text that stands for a value and for all values equal to it. `None` if the type has no such text.
pub(in crate::engine) fn canonical_text(types: &Types, oid: Oid, value: &str) -> Option<String> {
    let (schema, name, kind) = types.base(oid)?;
    let text = |value: &str| format!("{value}::pg_catalog.text");
    match (schema, name) {
        // 7 and 7.0 are equal.
        ("pg_catalog", "numeric") => Some(text(&format!("pg_catalog.trim_scale({value}::pg_catalog.numeric)"))),
        // 0 and -0 are equal, and their sum is 0.
        ("pg_catalog", "float4" | "float8") => {
            Some(text(&format!("({value}::pg_catalog.{name} OPERATOR(pg_catalog.+) 0::pg_catalog.{name})")))
        }
        ("pg_catalog", name) if EXACT.contains(&name) => Some(text(value)),
        _ if kind == "e" => Some(text(value)),
        _ => None,
    }
}

impl KeyForms {
    /// The forms of the key columns that a store has.
    pub(in crate::engine) fn of(definition: &Definition, catalog: &Catalog) -> Self {
        let mut forms: Vec<Form> = Vec::new();
        for rule in &definition.tables {
            let Tenancy::Key(column) = &rule.tenancy else { continue };
            let found = catalog.tables.get(&rule.name).and_then(|table| table.column(column.as_str()));
            let Some(found) = found.filter(|found| forms.iter().all(|form| form.type_oid != found.type_oid)) else {
                continue;
            };
            let (Some(cast), Some((_, base, _))) =
                (catalog.types.cast(found.type_oid), catalog.types.base(found.type_oid))
            else {
                continue;
            };
            let value = format!("k.key::{cast}");
            // `check` refuses a type without such a text; the text of its values is the best there is.
            let sql = canonical_text(&catalog.types, found.type_oid, &value)
                .unwrap_or_else(|| format!("{value}::pg_catalog.text"));
            let form = Form {
                type_oid: found.type_oid,
                column: format!("{}.{column}", rule.name),
                written: found.written.clone(),
                base: base.into(),
                sql,
                is_narrow: !catalog.types.is_built_in(found.type_oid),
            };
            forms.push(form);
        }
        Self { forms, strategy: Some(definition.strategy) }
    }

    /// The keys as the tables write them, in order; or why they cannot.
    pub(in crate::engine) async fn canonical(
        &self,
        session: &Session,
        keys: &[String],
        doing: Doing<'_>,
    ) -> Result<Vec<Result<String, String>>, EngineError> {
        if keys.iter().all(|key| self.is_canonical(key)) {
            return Ok(keys.iter().cloned().map(Ok).collect());
        }
        let columns: Vec<&str> = self.forms.iter().map(|form| form.sql.as_str()).collect();
        let sql = format!(
            "SELECT {} FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS k (key, n) ORDER BY k.n",
            columns.join(", ")
        );
        let statement = session.prepared(&sql).await.map_err(|error| doing.failed(error))?;
        let mut found = Vec::with_capacity(keys.len());
        // One key that a type refuses fails the whole statement: bisection finds it.
        let mut parts = vec![keys];
        while let Some(part) = parts.pop() {
            match session.query(&statement, &[&part]).await {
                Ok(rows) => {
                    for (key, row) in part.iter().zip(&rows) {
                        found.push(self.agreed(key, row).map_err(|error| doing.failed(error))?);
                    }
                }
                Err(error) if !is_about_a_value(&error) => return Err(doing.failed(error)),
                Err(_) => match part {
                    [key] => found.push(Err(self.not_taken(key))),
                    part => {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                },
            }
        }
        Ok(found)
    }

    /// Refuses orgs that the move log knows by another text than their rows have.
    pub(in crate::engine) async fn must_be_canonical(&self, store: &Store, cohort: &Cohort) -> Result<(), EngineError> {
        let Some(asked) = cohort.only(|lease| !self.is_canonical(lease.key.as_str())) else { return Ok(()) };
        let doing = Doing::new(store.name(), "reading the org's key");
        let session = store.session().await?;
        let found = self.canonical(&session, asked.keys(), doing).await?;
        session.release();
        for (lease, canonical) in asked.leases().iter().zip(found) {
            let canonical = canonical.map_err(|problem| doing.refused(problem))?;
            if canonical != lease.key.as_str() && self.strategy == Some(Strategy::Online) {
                return Err(doing.refused(known_otherwise(lease, &canonical)));
            }
        }
        Ok(())
    }

    /// Whether all tables keep the text of values of this type.
    pub(in crate::engine) fn are_of(&self, type_oid: Oid) -> bool {
        self.forms.iter().all(|form| form.type_oid == type_oid && form.base != "numeric")
    }

    /// Whether a key is already as all tables write it, decided without asking a store; false also if unknown.
    fn is_canonical(&self, key: &str) -> bool {
        self.forms.iter().all(|form| !form.is_narrow && is_plain(&form.base, key))
    }

    /// The text that all forms agree on for one key.
    fn agreed(&self, key: &str, row: &Row) -> Result<Result<String, String>, tokio_postgres::Error> {
        let texts: Vec<String> = (0..self.forms.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>()?;
        let Some(first) = texts.first() else { return Ok(Ok(key.into())) };
        Ok(match texts.iter().zip(&self.forms).find(|(text, _)| *text != first) {
            None if first.is_empty() => Err(self.not_taken(key)),
            None => Ok(first.clone()),
            Some((other, form)) => Err(format!(
                "its key is {} in {} and {} in {}; make the key columns of all tables one type, or correct the key in the \
                 directory",
                quoted(first),
                self.forms[0].column,
                quoted(other),
                form.column
            )),
        })
    }

    fn not_taken(&self, key: &str) -> String {
        let types: Vec<String> = self.forms.iter().map(|form| format!("{} ({})", form.column, form.written)).collect();
        format!(
            "its key {} cannot be a value of {}; correct the key in the directory",
            quoted(key),
            types.join(" and ")
        )
    }
}

/// The remedy for an org that the move log knows by another text: its name, its key and where to write the right one.
fn known_otherwise(lease: &Lease, canonical: &str) -> String {
    let (migration, org, key) =
        (literal(lease.migration.as_str()), literal(lease.org.as_str()), literal(lease.key.as_str()));
    let right = literal(canonical);
    format!(
        "the move log knows the org by the key {key}, and its rows have {right}: what is written of it would not be seen. \
         Unless it has moved, run in the move log: UPDATE mover.org_migration_state SET org_key = {right} WHERE migration = \
         {migration} AND org_name = {org}; and retry. If it has moved, writes since then were not logged: docs/operating.md, \
         \"Keys of orgs\""
    )
}

/// Text as an SQL literal, for users to paste.
pub(in crate::engine) fn literal(text: &str) -> String {
    format!("'{}'", shortened(text).replace('\'', "''"))
}

fn quoted(text: &str) -> String {
    shortened(&format!("{text:?}"))
}

/// Whether the type writes this key as it is.
fn is_plain(base: &str, key: &str) -> bool {
    let is_number = |min: i64, max: i64| {
        key.parse::<i64>().is_ok_and(|number| number.to_string() == key && (min..=max).contains(&number))
    };
    match base {
        "text" | "varchar" => true,
        "int2" => is_number(i16::MIN.into(), i16::MAX.into()),
        "int4" => is_number(i32::MIN.into(), i32::MAX.into()),
        "int8" => is_number(i64::MIN, i64::MAX),
        "uuid" => is_plain_uuid(key),
        _ => false,
    }
}

fn is_plain_uuid(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    key.len() == 36
        && key.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_digit(byte),
        })
}

/// Data exceptions, and values that a domain refuses.
fn is_about_a_value(error: &tokio_postgres::Error) -> bool {
    error.code().map(SqlState::code).is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_no_store_need_be_asked_about() {
        for (base, key) in
            [("int4", "7"), ("int8", "-12"), ("uuid", "0a0b0c0d-0000-4000-8000-00000000abcd"), ("text", " x")]
        {
            assert!(is_plain(base, key), "{base} {key}");
        }
        let others = [
            ("int4", "007"),
            ("int4", "+7"),
            ("int4", "-0"),
            ("int2", "70000"),
            ("uuid", "0A0B0C0D-0000-4000-8000-00000000ABCD"),
            ("uuid", "{0a0b0c0d-0000-4000-8000-00000000abcd}"),
            ("uuid", "0a0b0c0d00004000800000000000abcd"),
            ("date", "2026-01-01"),
        ];
        for (base, key) in others {
            assert!(!is_plain(base, key), "{base} {key}");
        }
    }
}
