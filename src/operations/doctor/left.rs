//! Finalized orgs of which the guard of the source knows nothing: it was removed and installed again.

use mover_actors::domain::ids::{OrgKey, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::{State, Strategy};
use mover_actors::ports::{Engine, Side};
use mover_actors::protocol::Mode;

use super::super::error::OperationError;
use super::super::shared_orgs::live_by_others;
use super::super::world::World;
use super::survey::Survey;
use crate::config::Definition;

/// So many orgs at once.
const ORGS_AT_ONCE: usize = 1_000;

/// Has the guard of the source, which was just installed, refuse writes of finalized orgs as it did before it was removed. Orgs that
/// have rows there, restored or written since, are left to `doctor`.
pub(in crate::operations) async fn refuse_left(
    world: &World,
    definition: &Definition,
    store: &StoreName,
) -> Result<(), OperationError> {
    if *store != definition.from || definition.strategy != Strategy::Online {
        return Ok(());
    }
    let survey = Survey::read(world, &definition.name).await?;
    let is_unknown = |key: &&OrgKey| {
        matches!(survey.said(Side::Source, key), None | Some(Mode::Settled))
            && survey.moves.get(*key).is_some_and(|record| record.state == State::Finalized)
    };
    let unknown: Vec<&OrgKey> = survey.keys.iter().filter(is_unknown).collect();
    let live = live_by_others(world, definition, store, &unknown).await?;
    let records = unknown.into_iter().filter(|key| !live.contains_key(key)).filter_map(|key| survey.moves.get(key));
    let leases: Vec<Lease> = records.map(|record| record.lease()).collect();
    let mut marked = 0;
    for leases in leases.chunks(ORGS_AT_ONCE) {
        let sizes = world.engine.sizes(leases).await?;
        let bare = leases.iter().zip(sizes).filter(|(_, rows)| *rows == 0);
        let bare: Vec<Lease> = bare.map(|(lease, _)| lease.clone()).collect();
        world.engine.refuse_left(&bare).await?;
        marked += bare.len();
    }
    if marked > 0 {
        world.engine.install_guard(&definition.name, store).await?;
        tracing::info!(migration = %definition.name, %store, orgs = marked, "writes of finalized orgs are refused again");
    }
    Ok(())
}
