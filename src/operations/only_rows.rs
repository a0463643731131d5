//! Rows in the source of a finalized org of which the target, where it lives, has none.

use std::collections::BTreeMap;

use mover_actors::domain::record::Lease;
use mover_actors::ports::{Engine, Side};

use super::error::OperationError;
use super::world::World;

/// The tables that have rows of the org in the source and none in the target, with their rows in the source.
pub(super) async fn only_rows(world: &World, lease: &Lease) -> Result<BTreeMap<String, i64>, OperationError> {
    let leases = std::slice::from_ref(lease);
    let source = world.engine.tally(leases, Side::Source).await?.pop().unwrap_or_default();
    let target = world.engine.tally(leases, Side::Target).await?.pop().unwrap_or_default();
    let is_bare = |table: &String| target.0.get(table).is_none_or(|tally| tally.rows == 0);
    let rows = source.0.into_iter().filter(|(table, tally)| tally.rows > 0 && is_bare(table));
    Ok(rows.map(|(table, tally)| (table, tally.rows)).collect())
}
