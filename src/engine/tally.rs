//! Count and hash of an org's rows. The hash is over each row's binary form, which is the same in every Postgres and, unlike
//! text, costs little to make; the sum over the rows does not depend on their order.

use std::collections::BTreeMap;

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::EngineError;

use super::catalog::Table;
use super::error::Doing;
use super::name::quote;
use super::plan::{Plan, SidePlan};
use super::shape::Types;
use super::store::Store;

/// Any number but 0 makes Postgres hash into 64 bits.
const SEED: i64 = 8_640_912_357;

/// SQL for the hash of row `t`. Columns of types that only this database knows are hashed as text, because their binary
/// form contains the number that the type has here. The bytes are hashed in one go: Postgres joins the hashes of several
/// columns by a sum, in which values swapped between rows would go unnoticed.
pub(super) fn row_hash(columns: &[String], table: &Table, types: &Types, as_text: &[String]) -> String {
    let written = |name: &String| {
        let known = table.column(name).is_some_and(|column| types.is_built_in(column.type_oid));
        let cast = if known && !as_text.contains(name) { "" } else { "::text" };
        format!("t.{}{cast}", quote(name))
    };
    let fields: Vec<String> = columns.iter().map(written).collect();
    format!("hash_record_extended(ROW(record_send(ROW({}))), {SEED})", fields.join(", "))
}

/// What the statement selects for one table.
pub(super) fn tally_sql(side: &SidePlan) -> String {
    format!(", count(*), coalesce(sum({}), 0)::text {}", side.hash, side.rows)
}

/// Counts and hashes all tables of an org in one statement, so in one snapshot.
pub(super) async fn tally(plan: &Plan, store: &Store, sql: &str, key: &OrgKey) -> Result<Tally, EngineError> {
    let session = store.session().await?;
    let doing = Doing::new(store.name(), "counting and hashing the org");
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let mut tallies = BTreeMap::new();
    for row in session.query(&statement, &[&key.as_str()]).await.map_err(failed)? {
        let Some(table) = plan.table_of(&row).map_err(failed)? else { continue };
        let tally = TableTally { rows: row.try_get(1).map_err(failed)?, hash: row.try_get(2).map_err(failed)? };
        tallies.insert(table.label.clone(), tally);
    }
    session.release();
    Ok(Tally(tallies))
}
