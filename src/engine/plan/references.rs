//! Foreign keys of copied rows, verified by a search for a row that breaks one: cheaper than a trigger for each row.

use mover_actors::ports::EngineError;

use crate::config::{Definition, TableRule, Tenancy};
use crate::engine::plan::ownership::{Orgs, Ownership};
use crate::engine::plan::{Plan, union};
use crate::engine::schema::catalog::{Catalog, Reference};
use crate::engine::schema::name::quote;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed, shortened};

/// How the foreign keys of the moved tables are verified.
#[derive(Debug, Default)]
pub(in crate::engine) struct References {
    /// Returns the number of each probe that failed.
    probes: String,
    /// The foreign keys that each probe covers.
    suspects: Vec<Vec<Suspect>>,
}

/// A foreign key of a moved table.
#[derive(Debug)]
struct Suspect {
    name: String,
    table: String,
    columns: Vec<String>,
    parent: String,
    /// Finds one row that references nothing: its key, and the values that it references.
    broken: String,
}

/// What is built for a probe.
struct Probe {
    condition: String,
    suspects: Vec<Suspect>,
}

impl References {
    /// The foreign keys of the definition's tables in the target.
    pub(in crate::engine) fn of(definition: &Definition, target: &Catalog) -> Self {
        let mut probes: Vec<Probe> = Vec::new();
        for rule in &definition.tables {
            let Some(table) = target.tables.get(&rule.name) else { continue };
            let Ok(rows) = Ownership::new(target, &definition.tables).rows_of(rule, Orgs::Cohort) else { continue };
            let key: Vec<String> = table.primary_key().iter().map(|column| column.name.clone()).collect();
            for reference in target.references.iter().filter(|reference| reference.child_root == table.oid) {
                let key_columns = if key.is_empty() { &reference.child_columns } else { &key };
                let (condition, suspect) = probe(rule, reference, key_columns, &rows, target);
                // Most tables reference the org itself with its key: one probe covers all of them.
                match probes.iter_mut().find(|probe| probe.condition == condition) {
                    Some(probe) => probe.suspects.push(suspect),
                    None => probes.push(Probe { condition, suspects: vec![suspect] }),
                }
            }
        }
        Self {
            probes: union(probes.iter().map(|probe| probe.condition.as_str())),
            suspects: probes.into_iter().map(|probe| probe.suspects).collect(),
        }
    }

    /// Verifies all foreign keys of the rows of the orgs with these keys, or names a row that breaks one.
    pub(in crate::engine) async fn prove(
        &self,
        session: &Session,
        plan: &Plan,
        orgs: &[String],
    ) -> Result<(), EngineError> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        let doing = Doing::new(&plan.target, "checking the foreign keys of the copied rows");
        let failed = |error| doing.failed(error);
        let statement = session.prepared(&self.probes).await.map_err(failed)?;
        for row in session.query(&statement, &[&orgs]).await.map_err(failed)? {
            let number: i32 = row.try_get(0).map_err(failed)?;
            let suspects = usize::try_from(number).ok().and_then(|number| self.suspects.get(number));
            for suspect in suspects.into_iter().flatten() {
                suspect.accuse(session, orgs, doing).await?;
            }
        }
        Ok(())
    }
}

impl Suspect {
    /// An error that names a row, if there is one: an org without rows references nothing.
    async fn accuse(&self, session: &Session, orgs: &[String], doing: Doing<'_>) -> Result<(), EngineError> {
        let failed = |error| doing.on(&self.table).failed(error);
        let Some(row) = session.query_opt(&self.broken, &[&orgs]).await.map_err(failed)? else { return Ok(()) };
        let (row_key, value): (String, String) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let problem = format!(
            "row {row_key} points with ({})={value} to {}, which has no such row in the target (foreign key {})",
            self.columns.join(", "),
            self.parent,
            self.name
        );
        let mut error = doing.on(&self.table).refused(shortened(&problem));
        error.place.columns.clone_from(&self.columns);
        error.place.row = Some(shortened(&row_key));
        Err(error)
    }
}

fn probe(rule: &TableRule, reference: &Reference, key: &[String], rows: &str, target: &Catalog) -> (String, Suspect) {
    let columns = &reference.child_columns;
    let named = |names: &[String]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("t.{}", quote(name))).collect();
        format!("ROW({})::text", quoted.join(", "))
    };
    let not_null: Vec<String> = columns.iter().map(|name| format!("t.{} IS NOT NULL", quote(name))).collect();
    let by_row: Vec<String> = columns.iter().map(|name| format!("t.{}", quote(name))).collect();
    let broken_rows = format!(
        "FROM {} AS t WHERE {rows} AND {} AND {} LIMIT 1",
        reference.child_from,
        not_null.join(" AND "),
        orphaned(reference, &by_row)
    );
    let by_key = key_value(rule, columns, target)
        .map(|key| format!("FROM unnest($1::text[]) AS o (key) WHERE {} LIMIT 1", orphaned(reference, &[key])));
    let suspect = Suspect {
        name: reference.name.clone(),
        table: rule.name.to_string(),
        columns: columns.clone(),
        parent: reference.parent_from.trim_start_matches("ONLY ").into(),
        broken: format!("SELECT {}, {} {broken_rows}", named(key), named(columns)),
    };
    (by_key.unwrap_or(broken_rows), suspect)
}

/// Whether no row of the parent has these values. Not NOT EXISTS: planned while both tables were empty, that could become a
/// join which reads all of the parent for each row. A parent's key is unique, so there is one row at most.
fn orphaned(reference: &Reference, values: &[String]) -> String {
    let pairs = reference.parent_columns.iter().zip(&reference.equalities).zip(values);
    let equal: Vec<String> =
        pairs.map(|((column, equals), value)| format!("p.{} {equals} {value}", quote(column))).collect();
    format!("(SELECT true FROM {} AS p WHERE {}) IS NULL", reference.parent_from, equal.join(" AND "))
}

/// The key `o.key` of an org as SQL, if it is what the foreign key consists of.
fn key_value(rule: &TableRule, columns: &[String], target: &Catalog) -> Option<String> {
    let Tenancy::Key(column) = &rule.tenancy else { return None };
    let [only] = columns else { return None };
    let found = target.tables.get(&rule.name)?.column(only).filter(|_| only == column.as_str())?;
    Some(format!("o.key::{}", target.types.cast(found.type_oid)?))
}
