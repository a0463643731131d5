//! One trigger: its name, how it is created, and whether a trigger that was found matches it.

use crate::engine::guard::places::FoundTrigger;
use crate::engine::schema::name::{literal, quote};

/// The search_path of all functions. It is a second line of defence: they qualify every name.
const PATH: &str = "search_path=pg_catalog, pg_temp";
/// The prefix of all trigger names.
pub(super) const PREFIX: &str = "mover_guard_";
/// How much of a migration's name goes into the names of its triggers and functions.
const MIGRATION_CHARACTERS_MAX: usize = 24;

/// One trigger with its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trigger {
    /// Its name, the same on the table and on each of its partitions.
    pub(super) name: String,
    /// The function in schema `mover`, quoted, with its schema.
    pub(super) function: String,
    /// The body of the function.
    pub(super) body: String,
    /// Settings that the function runs with.
    pub(super) settings: &'static [(&'static str, &'static str)],
    pub(super) firing: &'static Firing,
    /// The function is called only if this holds.
    pub(super) condition: String,
}

/// When a trigger fires, and which rows its function gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Firing {
    pub(super) event: &'static str,
    /// `pg_trigger.tgtype`.
    number: i16,
    old_rows: Option<&'static str>,
    new_rows: Option<&'static str>,
}

pub(super) const OLD_ROWS: &str = "old_rows";
pub(super) const NEW_ROWS: &str = "new_rows";
/// The bit of `pg_trigger.tgtype` for row-level triggers.
const EACH_ROW: i16 = 1;
pub(super) const INSERT: Firing = Firing { event: "insert", number: 4, old_rows: None, new_rows: Some(NEW_ROWS) };
pub(super) const UPDATE: Firing =
    Firing { event: "update", number: 16, old_rows: Some(OLD_ROWS), new_rows: Some(NEW_ROWS) };
pub(super) const DELETE: Firing = Firing { event: "delete", number: 8, old_rows: Some(OLD_ROWS), new_rows: None };
/// The only one that fires before its statement: afterwards no row is left to look at.
pub(super) const TRUNCATE: Firing = Firing { event: "truncate", number: 34, old_rows: None, new_rows: None };

pub(super) const INSERT_OF_ROW: Firing = Firing { event: "insert", number: 5, old_rows: None, new_rows: None };
pub(super) const UPDATE_OF_ROW: Firing = Firing { event: "update", number: 17, old_rows: None, new_rows: None };
pub(super) const DELETE_OF_ROW: Firing = Firing { event: "delete", number: 9, old_rows: None, new_rows: None };

impl Firing {
    /// A row-level trigger: Postgres creates it on all partitions as well, also on those that are attached later.
    fn is_for_each_row(&self) -> bool {
        self.number & EACH_ROW != 0
    }
}

impl Trigger {
    pub(super) fn create_function(&self) -> String {
        let settings: String =
            self.settings.iter().map(|(name, value)| format!(" SET {name} = {}", literal(value))).collect();
        format!(
            "CREATE OR REPLACE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
             SET search_path = pg_catalog, pg_temp{settings} AS {1};\n\
             REVOKE EXECUTE ON FUNCTION {0}() FROM PUBLIC",
            self.function,
            literal(&self.body)
        )
    }

    /// `table` is quoted.
    pub(super) fn create_on(&self, table: &str) -> String {
        let Firing { event, old_rows, new_rows, .. } = self.firing;
        let each = if self.firing.is_for_each_row() { "ROW" } else { "STATEMENT" };
        let when = if *self.firing == TRUNCATE { "BEFORE" } else { "AFTER" };
        let old = old_rows.map(|name| format!(" OLD TABLE AS {name}")).unwrap_or_default();
        let new = new_rows.map(|name| format!(" NEW TABLE AS {name}")).unwrap_or_default();
        let referencing = if old.is_empty() && new.is_empty() { "" } else { " REFERENCING" };
        format!(
            "CREATE OR REPLACE TRIGGER {} {when} {event} ON {table}{referencing}{old}{new} FOR EACH {each} \
             WHEN ({}) EXECUTE FUNCTION {}()",
            quote(&self.name),
            self.condition,
            self.function
        )
    }

    /// The same, but disabled.
    pub(super) fn create_asleep_on(&self, table: &str) -> String {
        format!("{}; ALTER TABLE {table} DISABLE TRIGGER {}", self.create_on(table), quote(&self.name))
    }

    /// Whether a partition inherits it from its table.
    pub(super) fn is_inherited(&self) -> bool {
        self.firing.is_for_each_row()
    }

    /// Whether it exists and works as it should, once it is enabled.
    pub(super) fn is_as_found(&self, found: &FoundTrigger) -> bool {
        let settings = self.settings.iter().map(|(name, value)| format!("{name}={value}"));
        let settings: Vec<String> = std::iter::once(PATH.to_owned()).chain(settings).collect();
        found.name == self.name
            && !found.is_narrowed
            && found.condition.as_deref().is_some_and(|condition| bare(condition) == bare(&self.condition))
            && found.firing == self.firing.number
            && found.old_rows.as_deref() == self.firing.old_rows
            && found.new_rows.as_deref() == self.firing.new_rows
            && found.body == self.body
            && found.settings == settings
            && found.runs_as_owner
            && !found.is_public
            && !found.calls_others
            // Postgres quotes a name only if it must.
            && found.function.replace('"', "") == self.function.replace('"', "")
    }
}

/// A condition without the parts that Postgres may spell in another way than we do: schemas, quotes, casts and parentheses.
/// Whether its operators are those of Postgres is checked separately.
fn bare(condition: &str) -> String {
    let written_or_not =
        ["OPERATOR", "pg_catalog.", "mover.", "::bigint", "::integer", "::int4", "::text", "\"", "(", ")", " "];
    written_or_not.iter().fold(condition.to_owned(), |condition, what| condition.replace(what, ""))
}

/// The prefix of a migration's functions: the full name is this, a hash of 16 digits, and the event.
pub(super) fn functions_begin(migration: &str) -> String {
    format!("guard_{}_", short(migration))
}

/// The same for the functions of one of its tables, by its name in the definition.
pub(super) fn functions_of(migration: &str, label: &str) -> String {
    format!("{}{:016x}_", functions_begin(migration), hash(label))
}

/// The names of the triggers of a migration, on whichever table.
pub(super) fn trigger_names(migration: &str) -> [String; 4] {
    [INSERT, UPDATE, DELETE, TRUNCATE].map(|firing| trigger_name(migration, &firing))
}

pub(super) fn trigger_name(migration: &str, firing: &Firing) -> String {
    format!("{PREFIX}{}_{}", short(migration), firing.event)
}

fn short(migration: &str) -> String {
    match migration.len() <= MIGRATION_CHARACTERS_MAX {
        true => migration.into(),
        false => format!("{}_{:08x}", &migration[..MIGRATION_CHARACTERS_MAX - 9], hash(migration) as u32),
    }
}

/// FNV-1a: names stay the same from one version of Mover to the next.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
