//! Which org owns a row: the one description, and the SQL rendered from it for one store.
//!
//! A table either has the org's key in a column or is reached through its parents (`via`). From that come
//!
//! - [`Ownership::rows_of`]: a condition for all rows of some orgs. It goes from the orgs down, so that an index on the key or on the
//!   referencing column finds the rows.
//! - [`Ownership::row_belongs`]: the same as a question about a single row. It goes from the row up, so that a few rows cost
//!   the same however big their org is.
//!
//! Operators are qualified with the schema of the type that they compare: a caller's `search_path` cannot change who owns a row.

use std::collections::HashMap;

use crate::config::{TableRule, Tenancy, Via};
use crate::engine::schema::catalog::{Catalog, Column, Table};
use crate::engine::schema::name::TableName;

/// More hops than any schema has. It ends the search if a definition leads around in a circle.
const HOPS_MAX: usize = 32;

/// The orgs that a condition is about.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Orgs<'a> {
    /// The org whose key this SQL expression yields, as text.
    One(&'a str),
    /// All orgs whose keys are in the parameter `$1`, as `text[]`.
    Cohort,
}

/// The ownership of rows in one store.
#[derive(Debug)]
pub(in crate::engine) struct Ownership<'a> {
    catalog: &'a Catalog,
    rules: HashMap<&'a TableName, &'a TableRule>,
}

impl<'a> Ownership<'a> {
    pub(in crate::engine) fn new(catalog: &'a Catalog, rules: &'a [TableRule]) -> Self {
        Self { catalog, rules: rules.iter().map(|rule| (&rule.name, rule)).collect() }
    }

    /// The condition for the rows `t` of `rule`'s table that belong to `orgs`, or why there is none.
    pub(in crate::engine) fn rows_of(&self, rule: &TableRule, orgs: Orgs<'_>) -> Result<String, String> {
        self.rows_below(rule, orgs, "t", 0)
    }

    /// Whether the row `t` of `rule`'s table belongs to one of `orgs`.
    pub(in crate::engine) fn row_belongs(&self, rule: &TableRule, orgs: Orgs<'_>) -> Result<String, String> {
        self.row_below(&rule.name, &rule.tenancy, orgs, "t", 0)
    }

    fn rows_below(&self, rule: &TableRule, orgs: Orgs<'_>, alias: &str, depth: usize) -> Result<String, String> {
        match &rule.tenancy {
            Tenancy::Key(column) => self.has_key(&rule.name, column.as_str(), orgs, alias),
            Tenancy::Via(hops) => self.rows_through(&rule.name, hops, orgs, alias, depth),
        }
    }

    fn rows_through(
        &self,
        name: &TableName,
        hops: &[Via],
        orgs: Orgs<'_>,
        alias: &str,
        depth: usize,
    ) -> Result<String, String> {
        let (hop, parent, inner) = self.hop(name, hops, depth)?;
        let equals = self.equals(column_of(name, self.table(name)?, hop.column.as_str())?, self.parent_column(hop)?);
        let condition = match (&hops[1..], self.rules.get(&hop.parent)) {
            ([], Some(rule)) => self.rows_below(rule, orgs, &inner, depth + 1)?,
            ([], None) => return Err(format!("its `via` ends at {}, which is no table of this migration", hop.parent)),
            (more, _) => self.rows_through(&hop.parent, more, orgs, &inner, depth + 1)?,
        };
        let parents =
            format!("SELECT {inner}.{} FROM {} AS {inner} WHERE {condition}", hop.parent_column.quoted(), parent.from);
        let table = self.table(name)?;
        let column = format!("{alias}.{}", hop.column.quoted());
        let by_index = table.column(hop.column.as_str()).is_some_and(|column| column.leads_an_index);
        Ok(match by_index {
            // The array makes Postgres look up the parents first, and then their rows by the index. A plan made while the table
            // is still empty might join the other way round, and read all of it for each org once it is full.
            true => format!("{column} {equals} ANY (ARRAY({parents}))"),
            false => format!("{column} {equals} ANY ({parents})"),
        })
    }

    fn row_below(
        &self,
        name: &TableName,
        tenancy: &Tenancy,
        orgs: Orgs<'_>,
        alias: &str,
        depth: usize,
    ) -> Result<String, String> {
        match tenancy {
            Tenancy::Key(column) => self.has_key(name, column.as_str(), orgs, alias),
            Tenancy::Via(hops) => self.row_through(name, hops, orgs, alias, depth),
        }
    }

    fn row_through(
        &self,
        name: &TableName,
        hops: &[Via],
        orgs: Orgs<'_>,
        alias: &str,
        depth: usize,
    ) -> Result<String, String> {
        let (hop, parent, inner) = self.hop(name, hops, depth)?;
        let condition = match (&hops[1..], self.rules.get(&hop.parent)) {
            ([], Some(rule)) => self.row_below(&rule.name, &rule.tenancy, orgs, &inner, depth + 1)?,
            (_, None) => {
                return Err(format!("its `via` leads through {}, which the migration does not move", hop.parent));
            }
            (more, Some(_)) => self.row_through(&hop.parent, more, orgs, &inner, depth + 1)?,
        };
        let column = column_of(name, self.table(name)?, hop.column.as_str())?;
        let equals = self.equals(column, self.parent_column(hop)?);
        let joined = format!("{inner}.{} {equals} {alias}.{}", hop.parent_column.quoted(), hop.column.quoted());
        // A scalar subquery, not EXISTS, which may become a join that reads all of the parents.
        Ok(format!("(SELECT true FROM {} AS {inner} WHERE {joined} AND {condition} LIMIT 1)", parent.from))
    }

    /// The first hop, the parent's table, and the parent's alias.
    fn hop<'b>(&self, name: &TableName, hops: &'b [Via], depth: usize) -> Result<(&'b Via, &'a Table, String), String> {
        let Some(hop) = hops.first() else { return Err("its `via` has no hop".into()) };
        if depth > HOPS_MAX {
            return Err(format!("its `via` leads around in a circle through {name}"));
        }
        Ok((hop, self.table(&hop.parent)?, format!("p{depth}")))
    }

    fn has_key(&self, name: &TableName, column: &str, orgs: Orgs<'_>, alias: &str) -> Result<String, String> {
        let found = column_of(name, self.table(name)?, column)?;
        let cast = self.catalog.types.cast(found.type_oid).ok_or("the type of its key column is unknown")?;
        let equals = self.equals(found, found);
        let column = crate::engine::schema::name::quote(column);
        // The key is cast, not the column, so that an index on the column can be used.
        Ok(match orgs {
            Orgs::One(key) => format!("{alias}.{column} {equals} {key}::text::{cast}"),
            Orgs::Cohort => format!("{alias}.{column} {equals} ANY ($1::text[]::{cast}[])"),
        })
    }

    /// The operator that compares two columns.
    fn equals(&self, one: &Column, other: &Column) -> &'a str {
        self.catalog.types.equality(one.type_oid, other.type_oid)
    }

    fn parent_column(&self, hop: &Via) -> Result<&'a Column, String> {
        column_of(&hop.parent, self.table(&hop.parent)?, hop.parent_column.as_str())
    }

    fn table(&self, name: &TableName) -> Result<&'a Table, String> {
        self.catalog.tables.get(name).ok_or_else(|| format!("table {name} does not exist"))
    }
}

/// All tables that a definition names: moved tables and those that `via` passes through.
pub(in crate::engine) fn tables_named(rules: &[TableRule]) -> Vec<TableName> {
    let mut names: Vec<TableName> = rules.iter().map(|rule| rule.name.clone()).collect();
    for rule in rules {
        if let Tenancy::Via(hops) = &rule.tenancy {
            names.extend(hops.iter().map(|hop| hop.parent.clone()));
        }
    }
    names.sort();
    names.dedup();
    names
}

fn column_of<'a>(name: &TableName, table: &'a Table, column: &str) -> Result<&'a Column, String> {
    table.column(column).ok_or_else(|| format!("table {name} has no column {column}"))
}
