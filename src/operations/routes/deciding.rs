//! Which migration decides where an org lives, if several route it by the same field: the one that has moved it last.

use std::collections::{BTreeMap, HashMap};

use mover_actors::domain::effective::routing_fields;
use mover_actors::domain::ids::OrgName;
use mover_actors::domain::record::MoveRecord;
use mover_actors::domain::state::{State, Strategy};

use crate::config::Definition;
use crate::operations::error::OperationError;
use crate::operations::world::World;

/// Whether Mover sets flags of the orgs of a migration.
pub(super) fn routes(definition: &Definition) -> bool {
    definition.strategy != Strategy::Window && routing_fields(&definition.routing).next().is_some()
}

/// Those of the records that decide about their orgs.
pub(super) async fn deciding<'a>(
    world: &World,
    definition: &Definition,
    records: Vec<&'a MoveRecord>,
) -> Result<Vec<&'a MoveRecord>, OperationError> {
    let others: Vec<&Definition> = world.definitions.iter().filter(|other| shares(definition, other)).collect();
    if others.is_empty() || records.is_empty() {
        return Ok(records);
    }
    let names: Vec<OrgName> = records.iter().map(|record| record.org.clone()).collect();
    let mut by_org: HashMap<OrgName, Vec<MoveRecord>> = HashMap::new();
    let stores: BTreeMap<_, _> = others.iter().map(|other| (&other.name, &other.from)).collect();
    for other in &others {
        for record in world.log.moves_by_name(&other.name, &names).await? {
            by_org.entry(record.org.clone()).or_default().push(record);
        }
    }
    let decides = |record: &&MoveRecord| {
        let others = by_org.get(&record.org).map(Vec::as_slice).unwrap_or_default();
        others.iter().all(|other| match (rank(record), rank(other)) {
            // Neither has moved it: it is in the source of both, or nobody knows.
            (None, None) => stores.get(&other.migration).is_none_or(|from| **from == definition.from),
            (ours, theirs) => ours > theirs,
        })
    };
    Ok(records.into_iter().filter(decides).collect())
}

/// How late a move has decided where its org lives; `None` if it has not. A move in flight decides.
fn rank(record: &MoveRecord) -> Option<(bool, i64)> {
    match record.state {
        State::Started(_) => Some((true, record.epoch.0)),
        State::Migrated | State::Finalized | State::RolledBack => Some((false, record.epoch.0)),
        State::Holding | State::Ready | State::Failed => None,
    }
}

fn shares(definition: &Definition, other: &Definition) -> bool {
    let fields: Vec<&str> = routing_fields(&definition.routing).collect();
    other.name != definition.name
        && routes(other)
        && routing_fields(&other.routing).any(|field| fields.contains(&field))
}
