//! All migration definitions of a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mover_actors::domain::ids::{MigrationName, StoreName};

use super::definition::Definition;
use super::definition_file::{self, FromFile, Kind};
use super::mistake::{Found, Mistakes, Place};
use super::reader::{Read, Section};
use super::tree;
use crate::nearest::{did_you_mean, nearest};

/// Every known migration, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    moves: BTreeMap<MigrationName, Definition>,
    /// Names and aliases of preps, each with the name of the prep.
    preps: BTreeMap<String, MigrationName>,
}

/// An undefined migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown migration {name}; {}{}", known_names(.known), suggestion.as_ref().map(|suggestion| format!("; did you mean {suggestion}?")).unwrap_or_default())]
pub struct UnknownMigration {
    /// The requested name.
    pub name: MigrationName,
    /// The known names.
    pub known: Vec<MigrationName>,
    /// The most similar name.
    pub suggestion: Option<String>,
}

fn known_names(known: &[MigrationName]) -> String {
    match known {
        [] => "no migration is defined".to_owned(),
        known => format!("known are {}", known.iter().map(MigrationName::as_str).collect::<Vec<_>>().join(", ")),
    }
}

impl Definitions {
    /// Reads every `*.toml` of a directory; a directory that does not exist holds none. Reports every mistake of every file.
    pub fn load(dir: &Path, stores: &BTreeSet<StoreName>) -> Result<Self, Mistakes> {
        let found = Found::default();
        let mut texts = Vec::new();
        for path in toml_files(dir, &found) {
            let label = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(text) => texts.push((label, text)),
                Err(error) => found.add(&Place::Outside(label.into()), format!("this file cannot be read: {error}")),
            }
        }
        let definitions = read_all(texts.iter().map(|(file, text)| (file.as_str(), text.as_str())), stores, &found);
        found.unless_any(Some(definitions))
    }

    /// Reads definitions from texts, each as if it were in the file named beside it.
    pub fn read<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
        stores: &BTreeSet<StoreName>,
    ) -> Result<Self, Mistakes> {
        let found = Found::default();
        let definitions = read_all(texts, stores, &found);
        found.unless_any(Some(definitions))
    }

    /// The migration with this name or alias.
    pub fn find(&self, name: &MigrationName) -> Result<&Definition, UnknownMigration> {
        let aliased = |definition: &&Definition| definition.aliases.iter().any(|alias| alias == name.as_str());
        self.moves.get(name).or_else(|| self.moves.values().find(aliased)).ok_or_else(|| UnknownMigration {
            name: name.clone(),
            known: self.moves.keys().cloned().collect(),
            suggestion: nearest(name.as_str(), self.moves.keys().map(MigrationName::as_str)).map(str::to_owned),
        })
    }

    /// The migration that a prep with this name or alias prepares.
    pub fn prepared_by(&self, name: &MigrationName) -> Option<&Definition> {
        self.preps.get(name.as_str()).and_then(|prepared| self.moves.get(prepared))
    }

    /// The names and aliases of the preps of a migration, sorted.
    pub fn preps_of(&self, migration: &MigrationName) -> Vec<String> {
        let of = self.preps.iter().filter(|(_, prepared)| *prepared == migration);
        of.map(|(name, _)| name.clone()).collect()
    }

    /// All names and aliases, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.moves.keys().map(|name| name.as_str().to_owned()).chain(self.preps.keys().cloned()).collect();
        names.sort();
        names
    }

    /// All definitions, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.moves.values()
    }
}

/// The files of a directory, sorted by name.
fn toml_files(dir: &Path, found: &Found) -> Vec<PathBuf> {
    let place = Place::Outside(dir.display().to_string().into());
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            found.add(&place, format!("the directory of migrations cannot be read: {error}"));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => files.push(entry.path()),
            Err(error) => found.add(&place, format!("the directory of migrations cannot be read to its end: {error}")),
        }
    }
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    files.sort();
    files
}

fn read_all<'a>(
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    stores: &BTreeSet<StoreName>,
    found: &Found,
) -> Definitions {
    let (mut moves, mut preps, mut prepared) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut names: BTreeMap<String, Place> = BTreeMap::new();
    for (file, text) in texts {
        let document = Section::document(tree::parse(file, text, found), found);
        let Some(FromFile { kind, name_place, alias_places }) = definition_file::read(document, stores) else {
            continue;
        };
        let (name, aliases) = match &kind {
            Kind::Move(definition) => (&definition.name, &definition.aliases),
            Kind::Prep { name, aliases, .. } => (name, aliases),
        };
        let own_names = std::iter::once((name.as_str(), name_place));
        for (name, place) in own_names.chain(aliases.iter().map(String::as_str).zip(alias_places)) {
            match names.get(name) {
                Some(first) => found.add(&place, format!("{name} is already the name of a migration, at {first}")),
                None => {
                    names.insert(name.to_owned(), place);
                }
            }
        }
        match kind {
            Kind::Move(definition) => {
                moves.insert(definition.name.clone(), *definition);
            }
            Kind::Prep { name, aliases, of } => {
                preps.extend(aliases.into_iter().chain([name.into()]).map(|name| (name, of.value.clone())));
                prepared.push(of);
            }
        }
    }
    for Read { value, place } in prepared {
        if !moves.contains_key(&value) {
            let suggestion = did_you_mean(value.as_str(), moves.keys().map(MigrationName::as_str));
            found.add(&place, format!("of: there is no migration {value} that could be prepared{suggestion}"));
        }
    }
    Definitions { moves, preps }
}
