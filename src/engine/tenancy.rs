//! Which rows of a table belong to an org, as SQL over the table under the alias `t` and the org's key as `$1`.

use std::collections::HashMap;

use super::catalog::{Catalog, Table};
use super::name::TableName;
use crate::config::{TableRule, Tenancy};

/// More hops than any schema has: a definition that leads around in a circle ends here.
const HOPS_MAX: usize = 32;

/// Finds out which rows belong to an org, in one store.
pub(super) struct Tenants<'a> {
    catalog: &'a Catalog,
    rules: HashMap<&'a TableName, &'a TableRule>,
}

impl<'a> Tenants<'a> {
    pub(super) fn new(catalog: &'a Catalog, rules: &'a [TableRule]) -> Self {
        Self { catalog, rules: rules.iter().map(|rule| (&rule.name, rule)).collect() }
    }

    /// The condition for rows of `rule`'s table, or what keeps it from being one.
    pub(super) fn condition(&self, rule: &TableRule) -> Result<String, String> {
        self.condition_of(rule, "t", 0)
    }

    fn condition_of(&self, rule: &TableRule, alias: &str, depth: usize) -> Result<String, String> {
        if depth > HOPS_MAX {
            return Err(format!("its `via` leads around in a circle through {}", rule.name));
        }
        let table = self.table(&rule.name)?;
        match &rule.tenancy {
            Tenancy::Key(column) => {
                let found = table.column(column.as_str()).ok_or_else(|| no_column(&rule.name, column.as_str()))?;
                let cast = self.catalog.types.cast(found.type_oid).ok_or("the type of its key column is unknown")?;
                // The key is cast, not the column, so that an index on the column is of use.
                let equals = self.catalog.types.equality(found.type_oid, found.type_oid);
                Ok(format!("{alias}.{} {equals} $1::text::{cast}", column.quoted()))
            }
            Tenancy::Via(hops) => self.through(rule, table, alias, hops, depth),
        }
    }

    fn through(
        &self,
        rule: &TableRule,
        table: &Table,
        alias: &str,
        hops: &[crate::config::Via],
        depth: usize,
    ) -> Result<String, String> {
        let Some((hop, more)) = hops.split_first() else { return Err("its `via` has no hop".into()) };
        let child_column =
            table.column(hop.column.as_str()).ok_or_else(|| no_column(&rule.name, hop.column.as_str()))?;
        let parent = self.table(&hop.parent)?;
        let parent_column = parent
            .column(hop.parent_column.as_str())
            .ok_or_else(|| no_column(&hop.parent, hop.parent_column.as_str()))?;
        let equals = self.catalog.types.equality(child_column.type_oid, parent_column.type_oid);
        let inner = format!("p{depth}");
        let condition = match (more, self.rules.get(&hop.parent)) {
            ([], Some(parent_rule)) => self.condition_of(parent_rule, &inner, depth + 1)?,
            ([], None) => return Err(format!("its `via` ends at {}, which is no table of this migration", hop.parent)),
            (more, _) => {
                let parent_rule = TableRule { name: hop.parent.clone(), tenancy: Tenancy::Via(more.to_vec()) };
                self.condition_of(&parent_rule, &inner, depth + 1)?
            }
        };
        let parents =
            format!("SELECT {inner}.{} FROM {} AS {inner} WHERE {condition}", hop.parent_column.quoted(), parent.from);
        let column = format!("{alias}.{}", hop.column.quoted());
        Ok(match child_column.leads_an_index {
            // As an array the parents are looked up first, and then their rows by the index. The planner, while the table
            // is still empty, would as well join the other way round, and read all of it for each org when it is full.
            true => format!("{column} {equals} ANY (ARRAY({parents}))"),
            false => format!("{column} {equals} ANY ({parents})"),
        })
    }

    fn table(&self, name: &TableName) -> Result<&Table, String> {
        self.catalog.tables.get(name).ok_or_else(|| format!("table {name} does not exist"))
    }
}

/// All tables that a definition names: those it moves and those it only passes through.
pub(super) fn tables_named(rules: &[TableRule]) -> Vec<TableName> {
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

fn no_column(table: &TableName, column: &str) -> String {
    format!("table {table} has no column {column}")
}
