//! The bodies of the triggers of one table. They qualify every name, because they run with Mover's rights in the sessions of
//! others. The functions have a search_path of their own as well, for what they call indirectly, such as functions of
//! user-defined types.

use crate::config::{Definition, TableRule, Tenancy, Via};

use crate::engine::guard::trigger::{
    DELETE, DELETE_OF_ROW, Firing, INSERT, INSERT_OF_ROW, NEW_ROWS, OLD_ROWS, TRUNCATE, Trigger, UPDATE, UPDATE_OF_ROW,
    functions_of, trigger_name,
};
use crate::engine::guard::watch::{ANY, Kind};
use crate::engine::plan::org_keys::canonical_text;
use crate::engine::schema::catalog::{Catalog, Column, Table};
use crate::engine::schema::name::{literal, quote};
use crate::engine::schema::shape::EQUALS;

/// Types whose text does not depend on session settings.
const PLAIN_TYPES: [&str; 8] =
    ["smallint", "integer", "bigint", "text", "character varying", "uuid", "numeric", "boolean"];
/// Settings for the functions of the other tables, so that they see the same text as Mover's own sessions (session.sql).
const KEY_SETTINGS: [(&str, &str); 6] = [
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
];
/// More hops than any schema has. It ends the search if a definition leads around in a circle.
const HOPS_MAX: usize = 32;

/// The triggers of one table of a migration.
#[derive(Debug)]
pub(super) struct Guarded {
    /// As the definition writes it.
    pub(super) label: String,
    /// Its oid.
    pub(super) oid: u32,
    pub(super) triggers: Vec<Trigger>,
    /// Columns that must be unique: rows of this table are found through these parents.
    pub(super) parents: Vec<Pointed>,
    /// The column with the org's key, if it has one.
    pub(super) key: Option<Pointed>,
}

/// A column of some table.
#[derive(Debug, Clone)]
pub(super) struct Pointed {
    pub(super) table: String,
    pub(super) oid: u32,
    pub(super) column: String,
}

/// The triggers of each table of the definition in one store, sorted by name; `other` is the store that orgs move to or from.
/// An error has all tables that cannot have triggers, each with the reason.
pub(super) fn triggers(
    definition: &Definition,
    catalog: &Catalog,
    other: &str,
) -> Result<Vec<Guarded>, Vec<(String, String)>> {
    let (mut guarded, mut blockers) = (Vec::new(), Vec::new());
    for rule in &definition.tables {
        let label = rule.name.to_string();
        let of_table = || {
            let table = catalog.tables.get(&rule.name).ok_or("the table does not exist")?;
            Plan { definition, catalog, rule, table, other, label: &label }.triggers()
        };
        match of_table() {
            Ok(table) => guarded.push(table),
            Err(problem) => blockers.push((label, problem)),
        }
    }
    guarded.sort_by(|a: &Guarded, b| a.label.cmp(&b.label));
    if blockers.is_empty() { Ok(guarded) } else { Err(blockers) }
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
    fn triggers(&self) -> Result<Guarded, String> {
        let key = self.table.primary_key();
        if key.is_empty() {
            return Err(
                "it has no primary key, by which a changed row could be found again; add one, or move its orgs \
                with strategy = \"offline\""
                    .into(),
            );
        }
        let mut way = Way::default();
        self.org(self.rule, self.table, "r", &mut way)?;
        let plain = |column: &&Column| PLAIN_TYPES.contains(&column.written.split('(').next().unwrap_or_default());
        let settings: &[_] = if way.org_key.iter().chain(&key).all(plain) { &[] } else { &KEY_SETTINGS };
        let written = match &self.rule.tenancy {
            Tenancy::Key(column) => way.org_key.and_then(|found| Some((Kind::of(&found.written)?, column.quoted()))),
            Tenancy::Via(_) => None,
        };
        let logged = |sides: &[Side]| self.logged(sides, &key);
        let any = || ANY.to_owned();
        let [insert, update, delete] = match written {
            Some((kind, column)) => {
                let (old, new) = (kind.is_watched("old", &column), kind.is_watched("new", &column));
                // Not IS DISTINCT FROM: it looks its operator up in search_path.
                let either = format!("(old.{column} {EQUALS} new.{column}) IS NOT TRUE OR {old}");
                [
                    (&INSERT_OF_ROW, new, logged(&[Side::row("NEW")])?),
                    (&UPDATE_OF_ROW, either, logged(&[Side::row("OLD"), Side::row("NEW")])?),
                    (&DELETE_OF_ROW, old, logged(&[Side::row("OLD")])?),
                ]
            }
            None => [
                (&INSERT, any(), logged(&[Side::rows(NEW_ROWS)])?),
                (&UPDATE, any(), logged(&[Side::rows(OLD_ROWS), Side::rows(NEW_ROWS)])?),
                (&DELETE, any(), logged(&[Side::rows(OLD_ROWS)])?),
            ],
        };
        let triggers = [insert, update, delete, (&TRUNCATE, any(), self.truncate())];
        let migration = self.definition.name.as_str();
        let named = |(firing, condition, body): (&'static Firing, String, String)| {
            let function = format!("{}{}", functions_of(migration, self.label), firing.event);
            let function = format!("mover.{}", quote(&function));
            Trigger { name: trigger_name(migration, firing), function, body, settings, firing, condition }
        };
        let key = match &self.rule.tenancy {
            Tenancy::Key(column) => Some(self.pointed(self.label, self.table, column.as_str())),
            Tenancy::Via(_) => None,
        };
        let triggers = triggers.map(named).into();
        Ok(Guarded { label: self.label.into(), oid: self.table.oid, triggers, parents: way.parents, key })
    }

    fn pointed(&self, label: &str, table: &Table, column: &str) -> Pointed {
        Pointed { table: label.into(), oid: table.oid, column: column.into() }
    }

    /// The key of the org that a row under `alias` belongs to, as text; NULL if its parent cannot be found any more. The text
    /// has one collation, whatever the column has, because keys of different columns are compared here.
    fn org<'b>(&'b self, rule: &TableRule, table: &'b Table, alias: &str, way: &mut Way<'b>) -> Result<String, String> {
        match &rule.tenancy {
            Tenancy::Key(column) => {
                let found = existing(rule, table, column.as_str())?;
                let value = format!("{alias}.{}", column.quoted());
                let Some(text) = canonical_text(&self.catalog.types, found.type_oid, &value) else {
                    return Err(format!(
                        "its key column {column} has type {}, which takes keys for equal that are written differently, and \
                         the guard knows orgs by the text of their keys; change its type, or move its orgs with \
                         strategy = \"offline\"",
                        found.written
                    ));
                };
                way.org_key = Some(found);
                Ok(format!("{text} COLLATE pg_catalog.\"default\""))
            }
            Tenancy::Via(hops) => self.through(rule, table, hops, alias, way),
        }
    }

    fn through<'b>(
        &'b self,
        rule: &TableRule,
        table: &'b Table,
        hops: &[Via],
        alias: &str,
        way: &mut Way<'b>,
    ) -> Result<String, String> {
        let Some((hop, more)) = hops.split_first() else { return Err("its `via` has no hop".into()) };
        if way.parents.len() > HOPS_MAX {
            return Err(format!("its `via` leads around in a circle through {}", hop.parent));
        }
        let parent = self.definition.tables.iter().find(|rule| rule.name == hop.parent).ok_or_else(|| {
            format!(
                "its `via` leads through {0}, which the migration does not move: rows that change hands there would go \
                 unnoticed; add {0} to the migration",
                hop.parent
            )
        })?;
        let above =
            self.catalog.tables.get(&hop.parent).ok_or_else(|| format!("table {} does not exist", hop.parent))?;
        let column = existing(rule, table, hop.column.as_str())?;
        let parent_column = existing(parent, above, hop.parent_column.as_str())?;
        let equals = self.catalog.types.equality(parent_column.type_oid, column.type_oid);
        let inner = format!("p{}", way.parents.len());
        way.parents.push(self.pointed(&hop.parent.to_string(), above, hop.parent_column.as_str()));
        let org = match more {
            [] => self.org(parent, above, &inner, way)?,
            more => self.through(parent, above, more, &inner, way)?,
        };
        Ok(format!(
            "(SELECT {org} FROM {} AS {inner} WHERE {inner}.{} {equals} {alias}.{})",
            above.from,
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

    /// The function for old rows, new rows, or both.
    fn logged(&self, sides: &[Side], key: &[&Column]) -> Result<String, String> {
        let pointed_at = self.pointed_at();
        // A changed row keeps its subtree; a row that is inserted or deleted, or gets another org, takes its subtree along. So
        // does a row that gets another parent: if that parent is deleted, the cascade to this row is not logged, and the copy
        // has the row elsewhere.
        let parent = match &self.rule.tenancy {
            Tenancy::Via(hops) => hops.first().map(|hop| hop.column.quoted()),
            Tenancy::Key(_) => None,
        };
        let pointers: Vec<String> = pointed_at.iter().cloned().chain(parent).collect();
        let key: Vec<String> = key.iter().map(|column| quote(&column.name)).collect();
        let mut rows = Vec::new();
        for Side { row, .. } in sides {
            let org = self.org(self.rule, self.table, row, &mut Way::default())?;
            let texts = |columns: &[String]| {
                let text = |column| format!("{row}.{column}::pg_catalog.text COLLATE pg_catalog.\"C\"");
                format!("ARRAY[{}]::pg_catalog.text[]", columns.iter().map(text).collect::<Vec<_>>().join(", "))
            };
            rows.push((org, texts(&key), texts(&pointers)));
        }
        let from = |side: usize| sides[side].from.map(|rows| format!(" FROM {rows} AS r")).unwrap_or_default();
        let every = rows.iter().enumerate();
        let orgs = every.clone().map(|(side, (org, ..))| format!("SELECT {org} AS org{}", from(side)));
        let logged = every.map(|(side, (org, key, points))| {
            format!("SELECT {org} AS org, {key} AS row_key, {points} AS points, {side} AS side{}", from(side))
        });
        let subtree = match (pointed_at.is_empty(), sides.len()) {
            (true, _) => "false",
            (false, 1) => "true",
            (false, _) => "pg_catalog.count(DISTINCT k.side) OPERATOR(pg_catalog.=) 1",
        };
        // Arrays with NULL in the same place are equal, like rows by IS NOT DISTINCT FROM, which would look its operator up in
        // search_path.
        let whole = |(org, key, points): &(String, String, String)| {
            [format!("ARRAY[{org}]::pg_catalog.text[]"), key.clone(), points.clone()]
        };
        let stays = match rows.as_slice() {
            [before, after] => {
                let pairs = whole(before).into_iter().zip(whole(after));
                pairs.map(|(old, new)| format!("{old} {EQUALS} {new}")).collect::<Vec<_>>().join(" AND ")
            }
            // A single row is compared with nothing.
            _ => "true".into(),
        };
        let (org, key, _) = rows.first().ok_or("nothing is known of its rows")?;
        let by_row = sides.iter().all(|side| side.from.is_none());
        let template = [if by_row { OF_ROW } else { OF_STATEMENT }, LOGGED].concat();
        Ok(filled(
            &template,
            &[
                ("migration", &literal(self.definition.name.as_str())),
                ("other", &literal(self.other)),
                ("table", &literal(self.label)),
                ("org", org),
                ("key", key),
                ("stays", &stays),
                ("takes_along", if sides.len() == 1 { subtree } else { "false" }),
                ("orgs", &orgs.collect::<Vec<_>>().join(" UNION ALL ")),
                ("rows", &logged.collect::<Vec<_>>().join(" UNION ALL ")),
                ("subtree", subtree),
            ],
        ))
    }

    fn truncate(&self) -> String {
        let name = self.definition.name.as_str();
        filled(REFUSE_TRUNCATE, &[("migration", &literal(name)), ("name", name)])
    }
}

/// Rows as a function refers to them.
struct Side {
    /// The name of a row.
    row: &'static str,
    /// The relation of the row, if there are many rows.
    from: Option<&'static str>,
}

impl Side {
    fn row(row: &'static str) -> Self {
        Self { row, from: None }
    }

    fn rows(from: &'static str) -> Self {
        Self { row: "r", from: Some(from) }
    }
}

/// What the path from a row to its org passes.
#[derive(Default)]
struct Way<'a> {
    parents: Vec<Pointed>,
    org_key: Option<&'a Column>,
}

fn existing<'a>(rule: &TableRule, table: &'a Table, column: &str) -> Result<&'a Column, String> {
    table.column(column).ok_or_else(|| format!("table {} has no column {column}", rule.name))
}

const OF_ROW: &str = include_str!("sql/of_row.plpgsql");
const OF_STATEMENT: &str = include_str!("sql/of_statement.plpgsql");
const LOGGED: &str = include_str!("sql/logged.plpgsql");
const REFUSE_TRUNCATE: &str = include_str!("sql/refuse_truncate.plpgsql");

/// Fills the `{places}` of a template. Values are not scanned again: the name of a table may have braces, too.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let found =
            values.iter().find_map(|(name, value)| Some((value, after.strip_prefix(*name)?.strip_prefix('}')?)));
        text.push_str(before);
        rest = match found {
            Some((value, after)) => {
                text.push_str(value);
                after
            }
            None => {
                text.push('{');
                after
            }
        };
    }
    text + rest
}
