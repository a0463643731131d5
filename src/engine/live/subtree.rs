//! Rows that are found through other rows. When a parent is inserted or deleted, or gets another org, they move with it without
//! being written.

use crate::config::{Definition, TableRule, Tenancy, Via};
use crate::engine::live::keyed::{self, KeyColumn};
use crate::engine::plan::Plan;
use crate::engine::schema::catalog::{Catalog, Table};

/// A table whose rows are found through rows of another.
#[derive(Debug)]
pub(in crate::engine) struct Branch {
    /// The number of the child table.
    pub(super) child: usize,
    /// Finds the keys of its rows, as text, by the keys of their parents (`$1` and after).
    pub(in crate::engine) leaving: String,
    pub(in crate::engine) receiving: String,
}

/// The branches of each table of the plan.
pub(super) fn branches(
    definition: &Definition,
    plan: &Plan,
    leaving: &Catalog,
    receiving: &Catalog,
) -> Result<Vec<Vec<Branch>>, (String, String)> {
    let number = |rule: &TableRule| plan.tables.iter().position(|table| table.label == rule.name.to_string());
    let mut branches: Vec<Vec<Branch>> = plan.tables.iter().map(|_| Vec::new()).collect();
    for rule in &definition.tables {
        let Tenancy::Via(hops) = &rule.tenancy else { continue };
        for (last, hop) in hops.iter().enumerate() {
            let parent = definition.tables.iter().find(|other| other.name == hop.parent);
            let (Some(parent), Some(child)) = (parent.and_then(number), number(rule)) else {
                let problem = format!("its `via` leads through {}, which the migration does not move", hop.parent);
                return Err((rule.name.to_string(), problem));
            };
            let chain = &hops[..=last];
            let find = |catalog| find_sql(catalog, rule, chain, leaving).map_err(|why| (rule.name.to_string(), why));
            branches[parent].push(Branch { child, leaving: find(leaving)?, receiving: find(receiving)? });
        }
    }
    Ok(branches)
}

/// From the parent at the end of `chain` down to the rows of `rule`'s table, hop by hop.
fn find_sql(catalog: &Catalog, rule: &TableRule, chain: &[Via], orders_keys: &Catalog) -> Result<String, String> {
    let table = |name| catalog.tables.get(name).ok_or_else(|| format!("table {name} does not exist"));
    let key = |name, table: &Table| -> Result<Vec<KeyColumn>, String> {
        let ordering = orders_keys.tables.get(name).ok_or_else(|| format!("table {name} does not exist"))?;
        ordering.primary_key().iter().map(|column| KeyColumn::of(catalog, table, &column.name)).collect()
    };
    let Some(parent) = chain.last() else { return Err("its `via` has no hop".into()) };
    let parent_table = table(&parent.parent)?;
    let mut from = keyed::rows(&parent_table.from, &key(&parent.parent, parent_table)?, 1);
    let mut above = "t".to_owned();
    for (index, hop) in chain.iter().enumerate().rev() {
        let below = table(if index == 0 { &rule.name } else { &chain[index - 1].parent })?;
        let equals =
            catalog.equality((below, hop.column.as_str()), (table(&hop.parent)?, hop.parent_column.as_str()))?;
        let alias = format!("c{index}");
        from.push_str(&format!(
            " CROSS JOIN LATERAL (SELECT r.* FROM {} AS r WHERE r.{} {equals} {above}.{} OFFSET 0) AS {alias}",
            below.from,
            hop.column.quoted(),
            hop.parent_column.quoted(),
        ));
        above = alias;
    }
    let columns = key(&rule.name, table(&rule.name)?)?;
    let columns: Vec<String> = columns.iter().map(|column| format!("{above}.{}::text", column.quoted)).collect();
    Ok(format!("SELECT DISTINCT {} {from}", columns.join(", ")))
}
