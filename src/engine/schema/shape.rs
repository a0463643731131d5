//! Compares types of two databases: is a value in binary form from one the same value in the other?

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use crate::engine::schema::name::quote;

/// Types of one database, with all their component types.
#[derive(Debug, Default)]
pub(in crate::engine) struct Types(HashMap<Oid, TypeRow>);

#[derive(Debug)]
struct TypeRow {
    schema: String,
    name: String,
    kind: String,
    category: String,
    base: Oid,
    element: Oid,
    has_binary_form: bool,
    labels: Vec<String>,
    fields: Vec<(String, Oid)>,
    subtype: Option<Oid>,
    equality: Option<String>,
}

impl TypeRow {
    fn is_xml(&self) -> bool {
        self.schema == "pg_catalog" && self.name == "xml"
    }
}

/// The operator that compares values of built-in types.
pub(in crate::engine) const EQUALS: &str = "OPERATOR(pg_catalog.=)";

/// Their values are oids of objects, which differ from database to database.
const OBJECT_NUMBERS: [&str; 11] = [
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];

impl Types {
    pub(in crate::engine) fn of_rows(rows: &[Row]) -> Result<Self, tokio_postgres::Error> {
        let mut types = HashMap::new();
        for row in rows {
            let names: Vec<String> = row.try_get("field_names")?;
            let field_types: Vec<Oid> = row.try_get("field_types")?;
            let found = TypeRow {
                schema: row.try_get("schema")?,
                name: row.try_get("name")?,
                kind: row.try_get("kind")?,
                category: row.try_get("category")?,
                base: row.try_get("base")?,
                element: row.try_get("element")?,
                has_binary_form: row.try_get("has_binary_form")?,
                labels: row.try_get("labels")?,
                fields: names.into_iter().zip(field_types).collect(),
                subtype: row.try_get("subtype")?,
                equality: row.try_get("equality")?,
            };
            types.insert(row.try_get("oid")?, found);
        }
        Ok(Self(types))
    }

    /// The type's name for a cast, without a modifier (a cast to `character` would keep one character).
    pub(in crate::engine) fn cast(&self, oid: Oid) -> Option<String> {
        self.0.get(&oid).map(|found| format!("{}.{}", quote(&found.schema), quote(&found.name)))
    }

    /// Whether the type is built in: every Postgres has it under the same oid.
    pub(in crate::engine) fn is_built_in(&self, oid: Oid) -> bool {
        let built_in = |found: &TypeRow| found.schema == "pg_catalog" && found.kind != "c";
        self.0.get(&oid).is_some_and(built_in)
    }

    /// The operator, in full, that compares two values of these types. A type of an extension brings its own, in whichever
    /// schema that is: an unqualified `=` might resolve to another one. Values of two such types are compared after an implicit
    /// cast to a common type.
    pub(in crate::engine) fn equality(&self, left: Oid, right: Oid) -> &str {
        match (self.own_equality(left), self.own_equality(right)) {
            (Some(left), Some(right)) if std::ptr::eq(left, right) => left,
            _ => EQUALS,
        }
    }

    /// The equality operator of a type that is not built in.
    fn own_equality(&self, oid: Oid) -> Option<&str> {
        let found = self.base_of(oid)?;
        let is_own = found.kind == "b" && found.category != "A" && found.schema != "pg_catalog";
        found.equality.as_deref().filter(|_| is_own)
    }

    /// Whether values can be sent in binary form to a type of another database; if not, why.
    pub(in crate::engine) fn carries_to(&self, oid: Oid, others: &Types, other: Oid) -> Result<(), String> {
        let (Some(here), Some(there)) = (self.base_of(oid), others.base_of(other)) else {
            return Err("the type is unknown".into());
        };
        if here.name != there.name || here.kind != there.kind {
            return Err(format!("type {} became {}", here.name, there.name));
        }
        if !(here.has_binary_form && there.has_binary_form) {
            return Err(format!("type {} has no binary form", here.name));
        }
        if OBJECT_NUMBERS.contains(&here.name.as_str()) {
            return Err(format!("values of type {} are numbers that mean another object in each database", here.name));
        }
        if let Some(label) = here.labels.iter().find(|label| !there.labels.contains(label)) {
            return Err(format!("the type {} that receives it lacks the value '{label}'", there.name));
        }
        let mut parts = here.fields.iter().map(|(_, part)| *part).chain([here.element]);
        if parts.any(|part| self.is_xml(part)) {
            return Err(format!("type {} holds XML, which would lose its declarations", here.name));
        }
        if here.category == "A" && here.element != 0 {
            return self.carries_to(here.element, others, there.element);
        }
        if let (Some(here), Some(there)) = (here.subtype, there.subtype) {
            return self.carries_to(here, others, there);
        }
        let names = |found: &TypeRow| found.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        if names(here) != names(there) {
            return Err(format!("type {} has other fields", here.name));
        }
        here.fields
            .iter()
            .zip(&there.fields)
            .try_for_each(|((_, here), (_, there))| self.carries_to(*here, others, *there))
    }

    /// Lets any label of an enum be carried to any type of that name.
    pub(in crate::engine) fn forget_labels(&mut self) {
        self.0.values_mut().for_each(|found| found.labels.clear());
    }

    /// Whether a value is sent as its text, such as an enum's label.
    pub(in crate::engine) fn is_sent_as_text(&self, oid: Oid) -> bool {
        let is_text =
            |found: &TypeRow| found.schema == "pg_catalog" && matches!(found.name.as_str(), "text" | "varchar");
        self.base_of(oid).is_some_and(|found| found.kind == "e" || is_text(found) || found.is_xml())
    }

    /// Whether the bytes that are sent of a value are a text in the encoding of the client.
    pub(in crate::engine) fn is_encoded(&self, oid: Oid) -> bool {
        let is_document = |found: &TypeRow| matches!(found.name.as_str(), "json" | "jsonb" | "xml");
        self.base_of(oid).is_some_and(|found| found.category == "S" || found.kind == "e" || is_document(found))
    }

    /// Whether values are XML, whose binary form lacks the declaration.
    pub(in crate::engine) fn is_xml(&self, oid: Oid) -> bool {
        self.base_of(oid).is_some_and(TypeRow::is_xml)
    }

    /// The base of a type, as (schema, name, kind): a domain is the type that it restricts.
    pub(in crate::engine) fn base(&self, oid: Oid) -> Option<(&str, &str, &str)> {
        self.base_of(oid).map(|found| (found.schema.as_str(), found.name.as_str(), found.kind.as_str()))
    }

    /// The type of an array's elements.
    pub(in crate::engine) fn element(&self, oid: Oid) -> Option<Oid> {
        self.base_of(oid).filter(|found| found.category == "A" && found.element != 0).map(|found| found.element)
    }

    /// The fields of a composite type.
    pub(in crate::engine) fn fields(&self, oid: Oid) -> &[(String, Oid)] {
        self.base_of(oid).map_or(&[], |found| &found.fields)
    }

    /// A domain is carried as the type that it restricts.
    fn base_of(&self, oid: Oid) -> Option<&TypeRow> {
        let found = self.0.get(&oid)?;
        if found.kind == "d" { self.base_of(found.base) } else { Some(found) }
    }
}
