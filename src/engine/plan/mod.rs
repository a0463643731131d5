//! How a migration is carried out between two stores: every statement, built from both catalogs.

pub(in crate::engine) mod by_org;
pub(in crate::engine) mod enforced;
pub(in crate::engine) mod org_keys;
pub(in crate::engine) mod ownership;
pub(in crate::engine) mod passed_through;
pub(in crate::engine) mod plans;
pub(in crate::engine) mod references;
pub(in crate::engine) mod sequences;
pub(in crate::engine) mod sizes;
pub(in crate::engine) mod tally;

use std::collections::HashMap;
use std::fmt::Display;

use mover_actors::domain::ids::StoreName;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;
use tokio_postgres::types::{Oid, Type};

use crate::config::{Definition, TableRule, Tenancy, Via};
use crate::engine::guard::Kind;
use crate::engine::plan::by_org::{ByOrg, PlainKey};
use crate::engine::plan::org_keys::KeyForms;
use crate::engine::plan::ownership::{Orgs, Ownership};
use crate::engine::plan::passed_through::Passage;
use crate::engine::plan::references::References;
use crate::engine::plan::tally::{SUM, row_hash, tally_sql};
use crate::engine::schema::catalog::{Catalog, Reference, Sequence, Table};
use crate::engine::schema::name::quote;
use crate::engine::schema::order::parents_first;
use crate::engine::store::error::Doing;

/// A migration between two stores.
#[derive(Debug)]
pub(in crate::engine) struct Plan {
    /// Why no org can move now, although the statements can be made: copies must still be removed.
    pub(in crate::engine) hazard: Option<EngineError>,
    /// How keys of orgs are written.
    pub(in crate::engine) keys: KeyForms,
    pub(in crate::engine) source: StoreName,
    pub(in crate::engine) target: StoreName,
    /// Parents first.
    pub(in crate::engine) tables: Vec<TablePlan>,
    /// Begins a transaction that writes to the target.
    pub(in crate::engine) begin: &'static str,
    /// Returns the number of each table of the target that holds rows of the orgs.
    pub(in crate::engine) occupied: String,
    /// How many rows each org has in each table of the source; see [`ByOrg::counted`].
    pub(in crate::engine) sizes: String,
    /// How many rows each org has in each table of the source; whether one of them was written after the snapshot `$2`; and the sum
    /// of their hashes if they are not hashed during the copy.
    pub(in crate::engine) tally_since: String,
    pub(in crate::engine) tally_on_source: String,
    pub(in crate::engine) tally_on_target: String,
    /// Foreign keys to verify after a copy without triggers.
    pub(in crate::engine) references: References,
    pub(in crate::engine) sequences: Vec<SequencePlan>,
    /// The state of each sequence.
    pub(in crate::engine) sequences_stand: String,
    /// Tables in the source whose writers are drained.
    pub(in crate::engine) source_oids: Vec<Oid>,
    /// The same tables in the target.
    pub(in crate::engine) target_oids: Vec<Oid>,
}

/// One table of a migration.
#[derive(Debug)]
pub(in crate::engine) struct TablePlan {
    /// Its name, as the definition has it.
    pub(in crate::engine) label: String,
    /// Reads the orgs' rows from the source.
    pub(in crate::engine) select: String,
    /// Reads them in a form that tells their orgs apart.
    pub(in crate::engine) select_by_org: String,
    /// The copied column that holds the key of the org; if there is none, [`TablePlan::select_by_org`] has one more column.
    pub(in crate::engine) key_place: Option<(usize, Kind)>,
    /// The types of the copied columns, if the rows can be hashed as they are read.
    pub(in crate::engine) hashed: Option<Vec<Oid>>,
    /// Writes these rows to the target.
    pub(in crate::engine) copy: String,
    /// Removes the orgs' rows from the target.
    pub(in crate::engine) delete: String,
    /// Copied columns that a sequence of the target fills: (place in a row, number of the sequence in the plan).
    pub(in crate::engine) sequence_columns: Vec<(usize, usize)>,
    /// Columns that are copied, in the order in which [`TablePlan::select`] reads them.
    pub(in crate::engine) copied: Vec<String>,
    /// What is read of row `t` for each of them.
    pub(in crate::engine) read: Vec<String>,
    /// Copied columns, by place, with texts that the source has not checked: it is in SQL_ASCII.
    pub(in crate::engine) unchecked: Vec<usize>,
    /// Columns that are compared.
    pub(in crate::engine) compared: Vec<String>,
    /// Columns of the primary key; all compared columns where there is none.
    pub(in crate::engine) key: Vec<String>,
    /// Hops to tables that stay, on the way from its rows to their org in the target.
    pub(in crate::engine) passages: Vec<Passage>,
    pub(in crate::engine) source: SidePlan,
    pub(in crate::engine) target: SidePlan,
}

/// One table in one store.
#[derive(Debug)]
pub(in crate::engine) struct SidePlan {
    /// The rows of orgs.
    pub(in crate::engine) by_org: ByOrg,
    /// The hash of a row.
    pub(in crate::engine) hash: String,
}

impl SidePlan {
    /// `FROM … AS t WHERE …`: the rows of the orgs with the keys `$1`.
    pub(in crate::engine) fn rows(&self) -> &str {
        &self.by_org.rows
    }
}

impl TablePlan {
    /// A row has the number of the transaction that wrote it (xmin), and transactions that were open when a snapshot was taken
    /// have numbers no lower than the snapshot's xmin. A row may count as written although it was not.
    fn tally_since(&self) -> String {
        let is_written = "pg_catalog.age(t.xmin) OPERATOR(pg_catalog.<=) \
                          (SELECT pg_catalog.age(pg_catalog.xid(pg_catalog.pg_snapshot_xmin($2::text::pg_snapshot))))";
        let SidePlan { by_org, hash } = &self.source;
        match self.hashed {
            Some(_) => by_org.grouped(is_written, &["count(*)", "bool_or(r.value)", "NULL::text"]),
            None => by_org.grouped(hash, &["count(*)", "false", SUM]),
        }
    }
}

/// A sequence of the target that must stay ahead of the copied values.
#[derive(Debug)]
pub(in crate::engine) struct SequencePlan {
    pub(in crate::engine) sequence: Sequence,
    pub(in crate::engine) table: String,
}

/// Deferrable foreign keys let rows come in any order.
const BEGIN_WITH_TRIGGERS: &str = "BEGIN; SET CONSTRAINTS ALL DEFERRED";

impl Plan {
    /// Builds the statements, or returns what prevents it.
    pub(in crate::engine) fn make(
        definition: &Definition,
        source: &Catalog,
        target: &Catalog,
    ) -> Result<Self, EngineError> {
        let rules: Vec<&TableRule> = definition.tables.iter().collect();
        let mut sequences = Vec::new();
        let mut tables = Vec::new();
        for index in fill_order(definition, target) {
            tables.push(table_plan(definition, rules[index], source, target, &mut sequences)?);
        }
        let skips_triggers = target.server.skips_triggers;
        let references = if skips_triggers { References::of(definition, target) } else { References::default() };
        Ok(Self {
            hazard: hazard(definition, [(&definition.from, source), (&definition.to, target)]),
            keys: KeyForms::of(definition, source),
            source: definition.from.clone(),
            target: definition.to.clone(),
            begin: if skips_triggers { "BEGIN" } else { BEGIN_WITH_TRIGGERS },
            occupied: union(
                tables.iter().map(|table: &TablePlan| format!("WHERE EXISTS (SELECT {})", table.target.rows())),
            ),
            sizes: union(tables.iter().map(|table| table.source.by_org.counted())),
            tally_since: union(tables.iter().map(TablePlan::tally_since)),
            tally_on_source: union(tables.iter().map(|table| tally_sql(&table.source))),
            tally_on_target: union(tables.iter().map(|table| tally_sql(&table.target))),
            references,
            sequences_stand: union(
                sequences
                    .iter()
                    .map(|planned: &SequencePlan| format!(", last_value, is_called FROM {}", planned.sequence.quoted)),
            ),
            sequences,
            source_oids: oids(definition, source),
            target_oids: oids(definition, target),
            tables,
        })
    }

    /// The table with this name.
    pub(in crate::engine) fn table(&self, label: &str) -> Option<&TablePlan> {
        self.tables.iter().find(|table| table.label == label)
    }

    /// The table of a row from a statement over all tables.
    pub(in crate::engine) fn table_of(&self, row: &Row) -> Result<Option<&TablePlan>, tokio_postgres::Error> {
        let number: i32 = row.try_get(0)?;
        Ok(usize::try_from(number).ok().and_then(|number| self.tables.get(number)))
    }
}

/// The first thing in one of the stores because of which no org can move.
pub(in crate::engine) fn hazard(definition: &Definition, stores: [(&StoreName, &Catalog); 2]) -> Option<EngineError> {
    stores.into_iter().find_map(|(store, catalog)| {
        let found = catalog.hazards.iter().find(|hazard| hazard.is_problem(definition, store))?;
        let table = catalog.tables.iter().find(|(_, table)| table.oid == found.table_oid);
        let label = table.map(|(name, _)| name.to_string()).unwrap_or_default();
        let problem = format!("{}; next: run there: {}", found.text, found.sql);
        Some(Doing::new(store, "planning the move").on(&label).refused(problem))
    })
}

/// The tables of a definition that a store has.
pub(in crate::engine) fn oids(definition: &Definition, catalog: &Catalog) -> Vec<Oid> {
    definition.tables.iter().filter_map(|rule| catalog.tables.get(&rule.name)).map(|table| table.oid).collect()
}

/// The definition's tables, parents first.
fn fill_order(definition: &Definition, target: &Catalog) -> Vec<usize> {
    parents_first(definition.tables.len(), &edges(definition, target, |_| true)).0
}

/// Tables whose foreign keys form a cycle that no deferrable key breaks.
pub(in crate::engine) fn circles(definition: &Definition, target: &Catalog) -> Vec<usize> {
    parents_first(definition.tables.len(), &edges(definition, target, |reference| !reference.deferrable)).1
}

/// The dependencies between tables, as (child, parent).
fn edges(definition: &Definition, target: &Catalog, counts: fn(&Reference) -> bool) -> Vec<(usize, usize)> {
    let oid = |rule: &TableRule| Some(target.tables.get(&rule.name)?.oid);
    let rules = definition.tables.iter().enumerate();
    let by_oid: HashMap<Oid, usize> = rules.filter_map(|(index, rule)| Some((oid(rule)?, index))).collect();
    let keys = target.references.iter().filter(|reference| counts(reference));
    let mut edges: Vec<(usize, usize)> =
        keys.filter_map(|key| Some((*by_oid.get(&key.child_root)?, *by_oid.get(&key.parent_oid)?))).collect();
    // The rows of a `via` table are found through its parents, so the parents are removed last and come first here.
    for (index, rule) in definition.tables.iter().enumerate() {
        if let Tenancy::Via(hops) = &rule.tenancy {
            let place = |hop: &Via| definition.tables.iter().position(|other| other.name == hop.parent);
            edges.extend(hops.iter().filter_map(place).map(|parent| (index, parent)));
        }
    }
    edges
}

fn table_plan(
    definition: &Definition,
    rule: &TableRule,
    source: &Catalog,
    target: &Catalog,
    sequences: &mut Vec<SequencePlan>,
) -> Result<TablePlan, EngineError> {
    let label = rule.name.to_string();
    let refused = |store: &StoreName, problem: String| {
        Doing::new(store, "planning the copy").on(&label).refused(format!("{problem}; `mover check` says more"))
    };
    let missing = |store| refused(store, "the table does not exist".into());
    let from = source.tables.get(&rule.name).ok_or_else(|| missing(&definition.from))?;
    let to = target.tables.get(&rule.name).ok_or_else(|| missing(&definition.to))?;
    let columns = Columns::of(from, to, source, target).map_err(|problem| refused(&definition.to, problem))?;
    let side = |store: &StoreName, catalog: &Catalog, table: &Table| -> Result<SidePlan, EngineError> {
        let ownership = Ownership::new(catalog, &definition.tables);
        let rows = |orgs| ownership.rows_of(rule, orgs).map_err(|problem| refused(store, problem));
        let rows_of = |orgs| Ok::<_, EngineError>(format!("FROM {} AS t WHERE {}", table.from, rows(orgs)?));
        let by_org = ByOrg {
            rows: rows_of(Orgs::Cohort)?,
            rows_of_one: rows_of(Orgs::One("o.key"))?,
            key: plain_key(rule, table, catalog),
        };
        Ok(SidePlan {
            by_org,
            hash: row_hash(&columns.compared, table, &catalog.types, &other_types(source, target, from, to)),
        })
    };
    let source_side = side(&definition.from, source, from)?;
    let target_side = side(&definition.to, target, to)?;
    let read: Vec<String> =
        columns.copied.iter().map(|name| format!("t.{}{}", quote(name), as_read(from, source, name))).collect();
    let written: Vec<String> = columns.copied.iter().map(|name| quote(name)).collect();
    let hashed = hashed(definition, rule, &columns, (source, from), (target, to));
    let mut sequence_columns = Vec::new();
    for sequence in to.sequences.iter().filter(|sequence| sequence.fills_integers) {
        if let Some(place) = columns.copied.iter().position(|name| *name == sequence.column) {
            sequence_columns.push((place, sequences.len()));
            sequences.push(SequencePlan { sequence: sequence.clone(), table: label.clone() });
        }
    }
    let is_unchecked = source.server.is_sql_ascii() && !target.server.is_sql_ascii();
    let key: Vec<String> = to.primary_key().iter().map(|column| column.name.clone()).collect();
    let key_is_compared = !key.is_empty() && key.iter().all(|name| columns.compared.contains(name));
    Ok(TablePlan {
        select: format!("SELECT {} {}", read.join(", "), source_side.rows()),
        select_by_org: source_side.by_org.select(&read.join(", ")),
        hashed,
        key_place: match &source_side.by_org.key {
            Some(key) => columns.copied.iter().position(|name| *name == key.name).map(|place| (place, key.kind)),
            None => None,
        },
        copy: format!("COPY {} ({}) FROM STDIN (FORMAT binary)", to.quoted, written.join(", ")),
        delete: format!("DELETE {}", target_side.rows()),
        sequence_columns,
        key: if key_is_compared { key } else { columns.compared.clone() },
        unchecked: if is_unchecked { encoded(&columns.copied, from, source) } else { Vec::new() },
        copied: columns.copied,
        read,
        compared: columns.compared,
        passages: passed_through::of(definition, rule, target, to),
        source: source_side,
        target: target_side,
        label,
    })
}

/// The places of columns that hold texts.
fn encoded(columns: &[String], table: &Table, catalog: &Catalog) -> Vec<usize> {
    let is_encoded = |name: &String| table.column(name).is_some_and(|column| catalog.types.is_encoded(column.type_oid));
    columns.iter().enumerate().filter(|(_, name)| is_encoded(name)).map(|(place, _)| place).collect()
}

/// A cast that makes Postgres send a value in full: xml is sent without its declaration, and read back from its text.
fn as_read(table: &Table, catalog: &Catalog, name: &str) -> &'static str {
    let is_xml = table.column(name).is_some_and(|column| catalog.types.is_xml(column.type_oid));
    if is_xml { "::text" } else { "" }
}

/// The column that holds the org's key, if its type is plain.
fn plain_key(rule: &TableRule, table: &Table, catalog: &Catalog) -> Option<PlainKey> {
    let Tenancy::Key(column) = &rule.tenancy else { return None };
    let found = table.column(column.as_str()).filter(|found| found.inexact_collation.is_none())?;
    Some(PlainKey {
        column: format!("t.{}", quote(&found.name)),
        name: found.name.clone(),
        keys: format!("$1::text[]::{}[]", catalog.types.cast(found.type_oid)?),
        kind: Kind::of(&found.written)?,
    })
}

/// The types as which the copied columns are hashed, if Mover can hash rows as both stores do, and later writes can be detected:
/// everything compared is copied in the form that is hashed, rows have their xmin, and the owner of a row depends on rows of the
/// same org alone.
fn hashed(
    definition: &Definition,
    rule: &TableRule,
    columns: &Columns,
    (source, from): (&Catalog, &Table),
    (target, to): (&Catalog, &Table),
) -> Option<Vec<Oid>> {
    let parent = |hop: &Via| definition.tables.iter().find(|other| other.name == hop.parent);
    // A parent on the path may be moved by another rule, with another org.
    let goes_along = |(place, hop): (usize, &Via), hops: &[Via]| match (parent(hop), &hops[place + 1..]) {
        (None, _) => false,
        (Some(_), []) => true,
        (Some(parent), rest) => matches!(&parent.tenancy, Tenancy::Via(own) if own == rest),
    };
    let is_known = match &rule.tenancy {
        Tenancy::Key(_) => true,
        Tenancy::Via(hops) => hops.iter().enumerate().all(|hop| goes_along(hop, hops)),
    };
    if !is_known || !from.numbers_writers || columns.copied != columns.compared {
        return None;
    }
    let as_text = other_types(source, target, from, to);
    let oid = |name: &String| {
        let (here, there) = (from.column(name)?.type_oid, to.column(name)?.type_oid);
        if as_text.contains(name) {
            return (source.types.is_sent_as_text(here) && target.types.is_sent_as_text(there))
                .then_some(Type::TEXT.oid());
        }
        (here == there).then_some(here)
    };
    columns.copied.iter().map(oid).collect()
}

/// The compared columns that have, in either store, a type that is not built in, or whose binary form is not all of the value.
fn other_types(source: &Catalog, target: &Catalog, from: &Table, to: &Table) -> Vec<String> {
    let own = |catalog: &Catalog, table: &Table| -> Vec<String> {
        let is_unusual = |oid| !catalog.types.is_built_in(oid) || catalog.types.is_xml(oid);
        let unusual = table.columns.iter().filter(|column| is_unusual(column.type_oid));
        unusual.map(|column| column.name.clone()).collect()
    };
    [own(source, from), own(target, to)].concat()
}

/// The copied and compared columns of a table.
struct Columns {
    copied: Vec<String>,
    compared: Vec<String>,
}

impl Columns {
    fn of(from: &Table, to: &Table, source: &Catalog, target: &Catalog) -> Result<Self, String> {
        let mut columns = Columns { copied: Vec::new(), compared: Vec::new() };
        for column in &from.columns {
            let Some(twin) = to.column(&column.name) else {
                return Err(format!(
                    "the target lacks column {}; next: run there: ALTER TABLE {} ADD COLUMN {} {}, and fill it for orgs that live there \
                     already: what is written there counts on their way back",
                    column.name,
                    to.quoted,
                    quote(&column.name),
                    column.written
                ));
            };
            source
                .types
                .carries_to(column.type_oid, &target.types, twin.type_oid)
                .map_err(|why| format!("column {} cannot be copied: {why}", column.name))?;
            // The target computes a generated column; it is compared like the others.
            if !twin.generated {
                columns.copied.push(column.name.clone());
            }
            columns.compared.push(column.name.clone());
        }
        if columns.copied.is_empty() {
            return Err("it has no column to copy".into());
        }
        Ok(columns)
    }
}

/// One statement out of many: each part follows its number.
pub(in crate::engine) fn union<T: Display>(parts: impl Iterator<Item = T>) -> String {
    let numbered: Vec<String> = parts.enumerate().map(|(number, part)| format!("(SELECT {number} {part})")).collect();
    numbered.join("\nUNION ALL\n")
}
