//! Which rows belong to an org, asked row by row: from a row up to the org, where [`Tenants`](super::super::tenancy) goes from
//! the org down to all its rows. A few keys are looked up at the same cost however big the org is.

use std::collections::HashMap;

use super::super::catalog::{Catalog, Table};
use super::super::name::TableName;
use crate::config::{TableRule, Tenancy, Via};

/// More hops than any schema has: a definition that leads around in a circle ends here.
const HOPS_MAX: usize = 32;

/// Finds out, in one store, to whom a row belongs.
pub(super) struct Belonging<'a> {
    catalog: &'a Catalog,
    rules: HashMap<&'a TableName, &'a TableRule>,
}

impl<'a> Belonging<'a> {
    pub(super) fn new(catalog: &'a Catalog, rules: &'a [TableRule]) -> Self {
        Self { catalog, rules: rules.iter().map(|rule| (&rule.name, rule)).collect() }
    }

    /// Whether row `t` of `rule`'s table belongs to the org with the key `$1`.
    pub(super) fn condition(&self, rule: &TableRule) -> Result<String, String> {
        self.condition_of(&rule.tenancy, self.table(&rule.name)?, "t", 0)
    }

    fn condition_of(&self, tenancy: &Tenancy, table: &Table, alias: &str, depth: usize) -> Result<String, String> {
        match tenancy {
            Tenancy::Key(column) => {
                let missing = || format!("column {column} does not exist");
                let found = table.column(column.as_str()).ok_or_else(missing)?;
                let cast = self.catalog.types.cast(found.type_oid).ok_or("the type of its key column is unknown")?;
                let equals = self.catalog.types.equality(found.type_oid, found.type_oid);
                Ok(format!("{alias}.{} {equals} $1::text::{cast}", column.quoted()))
            }
            Tenancy::Via(hops) => self.through(hops, table, alias, depth),
        }
    }

    fn through(&self, hops: &[Via], table: &Table, alias: &str, depth: usize) -> Result<String, String> {
        if depth > HOPS_MAX {
            return Err("its `via` leads around in a circle".into());
        }
        let Some((hop, more)) = hops.split_first() else { return Err("its `via` has no hop".into()) };
        let parent = self.table(&hop.parent)?;
        let inner = format!("p{depth}");
        let condition = match (more, self.rules.get(&hop.parent)) {
            ([], Some(rule)) => self.condition_of(&rule.tenancy, parent, &inner, depth + 1)?,
            (_, None) => {
                return Err(format!("its `via` leads through {}, which the migration does not move", hop.parent));
            }
            (more, Some(_)) => self.through(more, parent, &inner, depth + 1)?,
        };
        let equals = self.catalog.equality((parent, hop.parent_column.as_str()), (table, hop.column.as_str()))?;
        let joined = format!("{inner}.{} {equals} {alias}.{}", hop.parent_column.quoted(), hop.column.quoted());
        // As a value and not as EXISTS, which may become a join that reads all of the parents.
        Ok(format!("(SELECT true FROM {} AS {inner} WHERE {joined} AND {condition} LIMIT 1)", parent.from))
    }

    fn table(&self, name: &TableName) -> Result<&'a Table, String> {
        self.catalog.tables.get(name).ok_or_else(|| format!("table {name} does not exist"))
    }
}
