//! The triggers of one table: what they run, as SQL that names everything in full, because it runs with Mover's rights in the
//! sessions of others.

use crate::config::{Definition, TableRule, Tenancy, Via};

use super::super::catalog::{Catalog, Column, Table};
use super::super::name::quote;

/// Names of all triggers begin with this.
pub(super) const PREFIX: &str = "mover_guard_";
/// So many characters of a migration's name go into the names of its triggers and functions.
const MIGRATION_CHARACTERS_MAX: usize = 24;
/// Types whose text is the same whatever a session has set.
const PLAIN_TYPES: [&str; 8] =
    ["smallint", "integer", "bigint", "text", "character varying", "uuid", "numeric", "boolean"];

/// One trigger with its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trigger {
    /// Its name, the same on the table and on each of its partitions.
    pub(super) name: String,
    /// The function in schema `mover`, quoted, with its schema.
    pub(super) function: String,
    /// What the function says.
    pub(super) body: String,
    /// Settings that the function runs with.
    settings: &'static str,
    /// When it fires.
    firing: &'static str,
}

/// The triggers of one table of a migration.
#[derive(Debug)]
pub(super) struct Guarded {
    /// As the definition has it.
    pub(super) label: String,
    /// Its number in the database.
    pub(super) oid: u32,
    pub(super) triggers: Vec<Trigger>,
}

impl Trigger {
    pub(super) fn create_function(&self) -> String {
        format!(
            "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {} AS $mover${}$mover$",
            self.function, self.settings, self.body
        )
    }

    /// `table` is quoted.
    pub(super) fn create_on(&self, table: &str) -> String {
        format!(
            "CREATE OR REPLACE TRIGGER {} {} EXECUTE FUNCTION {}()",
            quote(&self.name),
            self.firing.replace("{table}", table),
            self.function
        )
    }
}

/// The triggers of each table of the definition in one store, whose orgs move to or from the store `other`. An error names
/// the table and what is in the way.
pub(super) fn triggers(
    definition: &Definition,
    catalog: &Catalog,
    other: &str,
) -> Result<Vec<Guarded>, (String, String)> {
    let mut guarded = Vec::new();
    for rule in &definition.tables {
        let label = rule.name.to_string();
        let of_table = || {
            let table = catalog.tables.get(&rule.name).ok_or("the table does not exist")?;
            Plan { definition, catalog, rule, table, other, label: &label }.triggers()
        };
        let (oid, triggers) = of_table().map_err(|problem: String| (label.clone(), problem))?;
        guarded.push(Guarded { label, oid, triggers });
    }
    Ok(guarded)
}

/// What the triggers of a migration are called, the same on each of its tables.
pub(super) fn trigger_names(definition: &Definition) -> [String; 4] {
    ["insert", "update", "delete", "truncate"].map(|event| trigger_name(definition, event))
}

fn trigger_name(definition: &Definition, event: &str) -> String {
    format!("{PREFIX}{}_{event}", short_migration(definition))
}

fn short_migration(definition: &Definition) -> String {
    let name = definition.name.as_str();
    match name.chars().count() <= MIGRATION_CHARACTERS_MAX {
        true => name.into(),
        false => format!("{}_{:08x}", &name[..MIGRATION_CHARACTERS_MAX - 9], hash(name) as u32),
    }
}

struct Plan<'a> {
    definition: &'a Definition,
    catalog: &'a Catalog,
    rule: &'a TableRule,
    table: &'a Table,
    other: &'a str,
    label: &'a str,
}

impl Plan<'_> {
    fn triggers(&self) -> Result<(u32, Vec<Trigger>), String> {
        let key = self.table.primary_key();
        if key.is_empty() {
            return Err(
                "it has no primary key, by which a changed row could be found again; add one, or move its orgs \
                with strategy = \"offline\""
                    .into(),
            );
        }
        let org = self.org(self.rule, "r", 0)?;
        let triggers = [
            ("insert", INSERT, self.logged(&["new_rows"], &org, &key)),
            ("update", UPDATE, self.logged(&["old_rows", "new_rows"], &org, &key)),
            ("delete", DELETE, self.logged(&["old_rows"], &org, &key)),
            ("truncate", TRUNCATE, self.truncate()),
        ];
        let plain = |column: &&Column| PLAIN_TYPES.contains(&column.written.split('(').next().unwrap_or_default());
        let settings = if key.iter().all(plain) { "" } else { KEY_SETTINGS };
        let named = |(event, firing, body): (&str, &'static str, String)| {
            let function = format!("{}_{event}", self.function_name());
            let name = trigger_name(self.definition, event);
            Trigger { name, function: format!("mover.{}", quote(&function)), body, settings, firing }
        };
        Ok((self.table.oid, triggers.map(named).into()))
    }

    fn function_name(&self) -> String {
        format!("guard_{}_{:016x}", short_migration(self.definition), hash(self.label))
    }

    /// The key of the org that a row under `alias` belongs to, as text; NULL where its parent cannot be found any more.
    fn org(&self, rule: &TableRule, alias: &str, depth: usize) -> Result<String, String> {
        match &rule.tenancy {
            Tenancy::Key(column) => Ok(format!("{alias}.{}::pg_catalog.text", column.quoted())),
            Tenancy::Via(hops) => self.through(hops, alias, depth),
        }
    }

    fn through(&self, hops: &[Via], alias: &str, depth: usize) -> Result<String, String> {
        let Some((hop, more)) = hops.split_first() else { return Err("its `via` has no hop".into()) };
        let parent = self.definition.tables.iter().find(|rule| rule.name == hop.parent).ok_or_else(|| {
            format!(
                "its `via` leads through {0}, which the migration does not move: rows that change hands there would go \
                 unnoticed; add {0} to the migration",
                hop.parent
            )
        })?;
        let table =
            self.catalog.tables.get(&hop.parent).ok_or_else(|| format!("table {} does not exist", hop.parent))?;
        let inner = format!("p{depth}");
        let org = match more {
            [] => self.org(parent, &inner, depth + 1)?,
            more => self.through(more, &inner, depth + 1)?,
        };
        Ok(format!(
            "(SELECT {org} FROM {} AS {inner} WHERE {inner}.{} OPERATOR(pg_catalog.=) {alias}.{})",
            table.from,
            hop.parent_column.quoted(),
            hop.column.quoted()
        ))
    }

    /// Columns by which rows of other tables are found through this one.
    fn pointed_at(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for rule in &self.definition.tables {
            if let Tenancy::Via(hops) = &rule.tenancy {
                let here = hops.iter().filter(|hop| hop.parent == self.rule.name);
                columns.extend(here.map(|hop| hop.parent_column.quoted()));
            }
        }
        columns.sort();
        columns.dedup();
        columns
    }

    fn logged(&self, sources: &[&str], org: &str, key: &[&Column]) -> String {
        let key: Vec<String> = key.iter().map(|column| format!("r.{}::pg_catalog.text", quote(&column.name))).collect();
        let key = format!("ARRAY[{}]", key.join(", "));
        let orgs: Vec<String> =
            sources.iter().map(|source| format!("SELECT {org} AS org FROM {source} AS r")).collect();
        let pointed_at = self.pointed_at();
        let points: Vec<String> = pointed_at.iter().map(|column| format!("r.{column}::pg_catalog.text")).collect();
        // A row that is only changed keeps what hangs on it; one that comes, goes, or changes hands takes it along.
        let rows: Vec<String> = sources
            .iter()
            .enumerate()
            .map(|(side, source)| {
                format!(
                    "SELECT {org} AS org, {key} AS row_key, ARRAY[{}]::pg_catalog.text[] AS points, {side} AS side FROM {source} AS r",
                    points.join(", ")
                )
            })
            .collect();
        let subtree = match (pointed_at.is_empty(), sources.len()) {
            (true, _) => "false".to_owned(),
            (false, 1) => "true".to_owned(),
            (false, _) => "pg_catalog.count(DISTINCT k.side) OPERATOR(pg_catalog.=) 1".to_owned(),
        };
        LOGGED
            .replace("{migration}", &literal(self.definition.name.as_str()))
            .replace("{other}", &literal(self.other))
            .replace("{table}", &literal(self.label))
            .replace("{orgs}", &orgs.join(" UNION ALL "))
            .replace("{rows}", &rows.join(" UNION ALL "))
            .replace("{subtree}", &subtree)
    }

    fn truncate(&self) -> String {
        REFUSE_TRUNCATE
            .replace("{migration}", &literal(self.definition.name.as_str()))
            .replace("{name}", self.definition.name.as_str())
    }
}

const INSERT: &str = "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT";
const UPDATE: &str =
    "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT";
const DELETE: &str = "AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT";
const TRUNCATE: &str = "BEFORE TRUNCATE ON {table} FOR EACH STATEMENT";
const KEY_SETTINGS: &str = "SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres' SET TimeZone = 'UTC' \
    SET extra_float_digits = '1' SET bytea_output = 'hex'";
const LOGGED: &str = include_str!("sql/logged.plpgsql");
const REFUSE_TRUNCATE: &str = include_str!("sql/refuse_truncate.plpgsql");

/// Text as SQL; definitions and stores have tame names, tables have any.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// FNV-1a: names that stay the same from one version of Mover to the next.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
