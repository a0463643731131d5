//! The tables of a migration definition, and how to find an org's rows in each.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{TableRule, Tenancy, Via};
use super::mistake::Place;
use super::reader::{Read, Section};
use crate::engine::{ColumnName, NameError, TableName, split_identifiers};
use crate::nearest::did_you_mean;

/// A table rule and the places that checks between tables need.
struct TableFromFile {
    rule: TableRule,
    name_place: Place,
    via_place: Place,
}

/// Reads `[[table]]`, each with a key column or a path to its parent.
pub(super) fn read(document: &mut Section<'_>) -> Vec<TableRule> {
    let sections = document.sections("table");
    let whole = sections.len();
    let tables: Vec<_> = sections.into_iter().filter_map(read_one).collect();
    let mut names = BTreeSet::new();
    for table in &tables {
        if !names.insert(&table.rule.name) {
            document.wrong(&table.name_place, format!("table {} is listed twice", table.rule.name));
        }
    }
    // If a table is missing because of a mistake in it, tables that lead to it must not be reported as well.
    if whole == tables.len() {
        check_ways(document, &tables);
    }
    tables.into_iter().map(|table| table.rule).collect()
}

/// The tables that a definition names and does not move.
#[derive(Default)]
pub(super) struct Unmoved {
    pub(super) shared: Vec<TableName>,
    pub(super) ignored: Vec<TableName>,
}

/// Reads `shared_tables` and `ignored_tables`; a table is named once.
pub(super) fn read_unmoved(document: &mut Section<'_>, moved: &[TableRule]) -> Unmoved {
    let mut named: BTreeMap<TableName, &str> =
        moved.iter().map(|rule| (rule.name.clone(), "is moved by this definition")).collect();
    let shared = read_names(document, "shared_tables", "is in shared_tables", &mut named);
    let ignored = read_names(document, "ignored_tables", "is in ignored_tables", &mut named);
    Unmoved { shared, ignored }
}

fn read_names(
    document: &mut Section<'_>,
    key: &'static str,
    standing: &'static str,
    named: &mut BTreeMap<TableName, &str>,
) -> Vec<TableName> {
    let mut names = Vec::new();
    for text in document.texts(key) {
        let Some(Read { value, place }) = document.parsed(Some(text), |text| text.parse::<TableName>()) else {
            continue;
        };
        match named.insert(value.clone(), standing) {
            Some(known) => document.wrong(&place, format!("{key}: table {value} {known} already")),
            None => names.push(value),
        }
    }
    names
}

fn read_one(mut section: Section<'_>) -> Option<TableFromFile> {
    let name = section.required_text("name", "the name of the table");
    let name = section.parsed(name, |text| text.parse::<TableName>());
    let key = section.text("key");
    let key = section.parsed(key, |text| text.parse::<ColumnName>());
    let hops = section.text_or_texts("via");
    let via_place =
        hops.as_deref().and_then(<[_]>::first).map_or_else(|| section.place().clone(), |hop| hop.place.clone());
    let hops: Option<Vec<Via>> = hops.map(|hops| {
        let parsed = hops.into_iter().filter_map(|hop| section.parsed(Some(hop), |text| parse_via(&text)));
        parsed.map(|hop| hop.value).collect()
    });
    let tenancy = match (key, hops) {
        (Some(key), None) => Some(Tenancy::Key(key.value)),
        (None, Some(hops)) if !hops.is_empty() => Some(Tenancy::Via(hops)),
        (Some(key), Some(_)) => {
            section.wrong(&key.place, "via is given too: a table has either a key column or a way to its parent");
            None
        }
        (None, Some(_)) => None,
        (None, None) => {
            let table = name.as_ref().map(|name| format!(" of table {}", name.value)).unwrap_or_default();
            section.missing(
                "key or via",
                &format!("how the rows{table} are found: key = \"org_id\", or via = \"parent_id -> parents.id\""),
            );
            None
        }
    };
    section.finish();
    let Read { value: name, place: name_place } = name?;
    Some(TableFromFile { rule: TableRule { name, tenancy: tenancy? }, name_place, via_place })
}

/// What is wrong with the path from a table to its parent.
#[derive(Debug, thiserror::Error)]
enum ViaError {
    #[error("via is written \"column -> parent.column\", e.g. \"group_id -> groups.id\", not {0:?}")]
    Shape(String),
    #[error("via: {0}")]
    Name(#[from] NameError),
}

fn parse_via(text: &str) -> Result<Via, ViaError> {
    let shape = || ViaError::Shape(text.to_owned());
    // A quoted name may contain an arrow; only one outside of quotes counts.
    let arrow = text.match_indices("->").find(|(at, _)| text[..*at].matches('"').count().is_multiple_of(2));
    let (arrow, _) = arrow.ok_or_else(shape)?;
    let column = text[..arrow].trim().parse()?;
    let mut parts = split_identifiers(text[arrow + 2..].trim())?;
    let parent_column = parts.pop().ok_or_else(shape)?;
    let parent = parts.pop().ok_or_else(shape)?;
    let schema = parts.pop();
    if !parts.is_empty() {
        return Err(shape());
    }
    Ok(Via { column, parent: TableName::exact(schema, parent), parent_column: ColumnName::exact(parent_column) })
}

/// Every path must end at a table that has a key column, through tables of this definition.
fn check_ways(document: &Section<'_>, tables: &[TableFromFile]) {
    let by_name: BTreeMap<_, _> = tables.iter().map(|table| (&table.rule.name, &table.rule.tenancy)).collect();
    for table in tables {
        let mut seen = BTreeSet::from([&table.rule.name]);
        let mut tenancy = &table.rule.tenancy;
        while let Tenancy::Via(hops) = tenancy
            && let Some(Via { parent, .. }) = hops.last()
        {
            if !seen.insert(parent) {
                let problem = format!("via of table {} leads back to {parent} and never to a key", table.rule.name);
                document.wrong(&table.via_place, problem);
                break;
            }
            let Some(next) = by_name.get(parent) else {
                let known: Vec<String> = by_name.keys().map(ToString::to_string).collect();
                let suggestion = did_you_mean(&parent.to_string(), known.iter().map(String::as_str));
                // The mistake belongs to the table whose rule it is, not to those behind it.
                if std::ptr::eq(tenancy, &table.rule.tenancy) {
                    document.wrong(
                        &table.via_place,
                        format!("via leads to {parent}, which is no table of this definition{suggestion}"),
                    );
                }
                break;
            };
            tenancy = next;
        }
    }
}
