//! What the copied rows must be held to although they were written without triggers: foreign keys and deferrable unique constraints.
//! One statement looks for a row that breaks one: cheaper than a trigger for each row.

use mover_actors::ports::EngineError;

use crate::config::{Definition, TableRule, Tenancy};
use crate::engine::plan::enforced::{Enforced, orphaned};
use crate::engine::plan::ownership::{Orgs, Ownership};
use crate::engine::plan::{Plan, union};
use crate::engine::schema::catalog::Catalog;
use crate::engine::schema::name::quote;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// How these constraints of the moved tables are verified.
#[derive(Debug, Default)]
pub(in crate::engine) struct References {
    /// Returns the number of each probe that failed.
    probes: String,
    /// The constraints that each probe covers.
    suspects: Vec<Vec<Suspect>>,
}

/// A constraint of a moved table.
#[derive(Debug)]
struct Suspect {
    table: String,
    enforced: Enforced,
    /// Finds one row that breaks it: its key, and the values of the columns.
    broken: String,
}

/// What is built for a probe.
struct Probe {
    condition: String,
    suspects: Vec<Suspect>,
}

impl References {
    /// Those of the definition's tables in the target.
    pub(in crate::engine) fn of(definition: &Definition, target: &Catalog) -> Self {
        let mut probes: Vec<Probe> = Vec::new();
        for rule in &definition.tables {
            let Some(table) = target.tables.get(&rule.name) else { continue };
            let Ok(rows) = Ownership::new(target, &definition.tables).rows_of(rule, Orgs::Cohort) else { continue };
            let key: Vec<String> = table.primary_key().iter().map(|column| column.name.clone()).collect();
            for enforced in Enforced::of(target, table) {
                let (condition, suspect) = probe(rule, enforced, &key, &rows, target);
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

    /// Verifies all rows of the orgs with these keys, or names a row that breaks a constraint.
    pub(in crate::engine) async fn prove(
        &self,
        session: &Session,
        plan: &Plan,
        orgs: &[String],
    ) -> Result<(), EngineError> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        let doing = Doing::new(&plan.target, "checking the constraints of the copied rows");
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
        let (row_key, values): (&str, &str) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        Err(self.enforced.accuse(row_key, values, doing.on(&self.table)))
    }
}

fn probe(rule: &TableRule, enforced: Enforced, key: &[String], rows: &str, target: &Catalog) -> (String, Suspect) {
    let named = |names: &[String]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("t.{}", quote(name))).collect();
        format!("ROW({})::text", quoted.join(", "))
    };
    let broken_rows = format!("FROM {} AS t WHERE {rows} AND {} LIMIT 1", enforced.from, enforced.is_broken());
    let by_key = enforced.reference().and_then(|reference| {
        let key = key_value(rule, &reference.child_columns, target)?;
        Some(format!("FROM unnest($1::text[]) AS o (key) WHERE {} LIMIT 1", orphaned(reference, &[key])))
    });
    let row_key = named(if key.is_empty() { &enforced.columns } else { key });
    let broken = format!("SELECT {row_key}, {} {broken_rows}", named(&enforced.columns));
    (by_key.unwrap_or(broken_rows), Suspect { table: rule.name.to_string(), enforced, broken })
}

/// The key `o.key` of an org as SQL, if it is what the foreign key consists of.
fn key_value(rule: &TableRule, columns: &[String], target: &Catalog) -> Option<String> {
    let Tenancy::Key(column) = &rule.tenancy else { return None };
    let [only] = columns else { return None };
    let found = target.tables.get(&rule.name)?.column(only).filter(|_| only == column.as_str())?;
    Some(format!("o.key::{}", target.types.cast(found.type_oid)?))
}
