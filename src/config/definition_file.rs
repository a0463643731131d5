//! Reads one migration definition: from a TOML file to a [`Definition`].

use std::collections::BTreeSet;

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::state::Strategy;

use super::definition::{Definition, OrgDirectory};
use super::mistake::Place;
use super::reader::{Read, Section};
use super::tables::Unmoved;
use super::{limits, routing, sql_steps, tables};
use crate::engine::{ColumnName, TableName};
use crate::nearest::did_you_mean;

#[derive(Clone, Copy, PartialEq, Eq)]
enum KindName {
    Move,
    Prep,
    Steps,
}

/// The kind of a file.
pub(super) enum Kind {
    /// It moves orgs.
    Move(Box<Definition>),
    /// It prepares the migration of this name.
    Prep { name: MigrationName, aliases: Vec<String>, of: Read<MigrationName> },
}

/// A definition, with the places that checks across files need.
pub(super) struct FromFile {
    pub(super) kind: Kind,
    pub(super) name_place: Place,
    pub(super) alias_places: Vec<Place>,
}

/// Reads a whole document. Continues after a mistake, and returns `None` if anything required was missing.
pub(super) fn read(mut document: Section<'_>, stores: &BTreeSet<StoreName>) -> Option<FromFile> {
    let name = document.required_text("name", "what commands call this migration, e.g. phase_2");
    let name = document.parsed(name, MigrationName::new);
    let aliases = read_aliases(&mut document);
    let kind = document.text("kind");
    let kind = document.parsed(kind, |kind| match kind.as_str() {
        "move" => Ok(KindName::Move),
        "prep" => Ok(KindName::Prep),
        "steps" => Ok(KindName::Steps),
        _ => Err(format!("kind is \"move\", \"prep\" or \"steps\", not {kind:?}; without it, it is \"move\"")),
    });
    let kind = kind.map_or(KindName::Move, |kind| kind.value);
    if kind == KindName::Prep {
        let of = document.required_text("of", "the migration that is prepared, e.g. phase_2");
        let of = document.parsed(of, MigrationName::new);
        document.finish();
        let (name, of) = (name?, of?);
        let alias_places = aliases.iter().map(|alias| alias.place.clone()).collect();
        let aliases = aliases.into_iter().map(|alias| alias.value).collect();
        return Some(FromFile {
            kind: Kind::Prep { name: name.value, aliases, of },
            name_place: name.place,
            alias_places,
        });
    }
    // Statements run while the operator keeps writers out; Mover sets no flag of an org.
    let strategy = match kind {
        KindName::Steps => Some(Strategy::Window),
        KindName::Move | KindName::Prep => read_strategy(&mut document),
    };
    let from = read_store(&mut document, "from", "the store that orgs come from", stores);
    let to = read_store(&mut document, "to", "the store that orgs go to", stores);
    if let (Some(from), Some(to)) = (&from, &to)
        && from.value == to.value
    {
        document.wrong(&to.place, format!("to is the store {} that orgs come from", to.value));
    }
    let components = read_components(&mut document);
    let org = read_org(&mut document);
    let (tables, unmoved, steps, routing) = match kind {
        KindName::Steps => (Vec::new(), Unmoved::default(), sql_steps::read(&mut document), Routing::default()),
        KindName::Move | KindName::Prep => {
            let tables = tables::read(&mut document);
            let unmoved = tables::read_unmoved(&mut document, &tables);
            (tables, unmoved, Vec::new(), routing::read(&mut document, &components))
        }
    };
    let limits = limits::read(&mut document, strategy.unwrap_or(Strategy::Online));
    document.refuse("gates", "gates is not known by this version: remove it");
    document.finish();
    let (name, alias_places) = (name?, aliases.iter().map(|alias| alias.place.clone()).collect());
    let definition = Definition {
        name: name.value,
        aliases: aliases.into_iter().map(|alias| alias.value).collect(),
        strategy: strategy?,
        from: from?.value,
        to: to?.value,
        components,
        org: org?,
        tables,
        shared_tables: unmoved.shared,
        ignored_tables: unmoved.ignored,
        steps,
        routing,
        limits,
    };
    Some(FromFile { kind: Kind::Move(Box::new(definition)), name_place: name.place, alias_places })
}

fn read_aliases(document: &mut Section<'_>) -> Vec<Read<String>> {
    let aliases = document.texts("aliases").into_iter();
    // An alias is used like a name, so it follows the same rules.
    aliases
        .filter_map(|alias| document.parsed(Some(alias), |alias| MigrationName::new(alias).map(String::from)))
        .collect()
}

fn read_strategy(document: &mut Section<'_>) -> Option<Strategy> {
    let text = document.required_text("strategy", "how orgs move, \"online\", \"offline\" or \"window\"");
    let strategy = document.parsed(text, |text| {
        let unknown = |_| format!("strategy is \"online\", \"offline\" or \"window\", not {text:?}");
        text.parse::<Strategy>().map_err(unknown)
    });
    strategy.map(|strategy| strategy.value)
}

fn read_store(
    document: &mut Section<'_>,
    key: &'static str,
    what: &str,
    stores: &BTreeSet<StoreName>,
) -> Option<Read<StoreName>> {
    let name = document.required_text(key, what);
    let name = document.parsed(name, StoreName::new)?;
    if !stores.contains(&name.value) {
        let known: Vec<&str> = stores.iter().map(StoreName::as_str).collect();
        let suggestion = did_you_mean(name.value.as_str(), known.iter().copied());
        let known = match known.as_slice() {
            [] => "there are no stores in mover.toml".to_owned(),
            known => format!("mover.toml has {}", known.join(", ")),
        };
        document.wrong(&name.place, format!("{key}: unknown store {:?}; {known}{suggestion}", name.value.as_str()));
    }
    Some(name)
}

fn read_components(document: &mut Section<'_>) -> Vec<String> {
    let components = document.texts("components").into_iter();
    components.filter_map(|component| routing::field_name(document, component)).collect()
}

fn read_org(document: &mut Section<'_>) -> Option<OrgDirectory> {
    let Some(mut section) = document.section("org") else {
        document.missing("[org]", "the table of the source that lists the orgs, with its columns name and key");
        return None;
    };
    let table = section.required_text("table", "the table that lists the orgs");
    let table = section.parsed(table, |text| text.parse::<TableName>());
    let name = section.required_text("name", "the column with an org's name");
    let name = section.parsed(name, |text| text.parse::<ColumnName>());
    let key = section.required_text("key", "the column with the key by which an org's rows are found");
    let key = section.parsed(key, |text| text.parse::<ColumnName>());
    section.finish();
    Some(OrgDirectory { table: table?.value, name: name?.value, key: key?.value })
}
