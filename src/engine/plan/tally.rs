//! Count and hash of an org's rows. The hash is over each row's binary form, which is the same in every Postgres and cheaper to
//! produce than text; the sum over the rows does not depend on their order.

use std::collections::HashMap;

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::EngineError;

use crate::engine::plan::{Plan, SidePlan};
use crate::engine::schema::catalog::Table;
use crate::engine::schema::name::quote;
use crate::engine::schema::shape::Types;
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};

/// Any number but 0 makes Postgres hash into 64 bits.
pub(in crate::engine) const SEED: i64 = 8_640_912_357;

/// SQL for the hash of row `t`. Columns of types that only this database knows are hashed as text, because their binary form
/// contains the oid of the type. The bytes are hashed in one go: Postgres joins the hashes of several columns by a sum, which
/// would miss values swapped between rows.
pub(in crate::engine) fn row_hash(columns: &[String], table: &Table, types: &Types, as_text: &[String]) -> String {
    let written = |name: &String| {
        let known = table.column(name).is_some_and(|column| types.is_built_in(column.type_oid));
        let cast = if known && !as_text.contains(name) { "" } else { "::text" };
        format!("t.{}{cast}", quote(name))
    };
    let fields: Vec<String> = columns.iter().map(written).collect();
    format!("hash_record_extended(ROW(record_send(ROW({}))), {SEED})", fields.join(", "))
}

/// The sum over `r.value`, the hashes of rows.
pub(in crate::engine) const SUM: &str = "coalesce(sum(r.value), 0)::text";

/// The SELECT of one table.
pub(in crate::engine) fn tally_sql(side: &SidePlan) -> String {
    side.by_org.grouped(&side.hash, &["count(*)", SUM])
}

/// Counts and hashes all tables of each org in one statement, so in one snapshot; in the order of the cohort.
pub(in crate::engine) async fn tally(
    plan: &Plan,
    session: &Session,
    sql: &str,
    cohort: &Cohort,
    doing: Doing<'_>,
) -> Result<HashMap<OrgKey, Tally>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let none = TableTally { rows: 0, hash: "0".into() };
    let nothing = || Tally(plan.tables.iter().map(|table| (table.label.clone(), none.clone())).collect());
    let mut tallies: HashMap<OrgKey, Tally> =
        cohort.leases().iter().map(|lease| (lease.key.clone(), nothing())).collect();
    for row in session.query(&statement, &[&cohort.keys()]).await.map_err(failed)? {
        let Some(table) = plan.table_of(&row).map_err(failed)? else { continue };
        let lease = cohort.numbered(&row, 1, doing)?;
        let found = TableTally { rows: row.try_get(2).map_err(failed)?, hash: row.try_get(3).map_err(failed)? };
        if let Some(tally) = tallies.get_mut(&lease.key) {
            tally.0.insert(table.label.clone(), found);
        }
    }
    Ok(tallies)
}
