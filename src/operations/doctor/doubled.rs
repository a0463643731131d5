//! Finalized orgs whose rows are in the source again: someone has restored a backup there.

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::record::{Lease, MoveRecord};
use mover_actors::domain::state::State;
use mover_actors::ports::{Engine, Side};
use mover_actors::protocol::Mode;

use super::super::error::OperationError;
use super::super::only_rows::only_rows;
use super::super::shared_orgs::live_by_others;
use super::super::shell::in_shell;
use super::super::world::World;
use super::survey::Survey;
use super::{Inconsistency, Outcome};

/// What is to be said about those orgs that are finalized and have rows in the source.
pub(super) async fn doubled(world: &World, survey: &Survey) -> Result<Vec<Inconsistency>, OperationError> {
    let finalized: Vec<&MoveRecord> = survey.moves.values().filter(|record| record.state == State::Finalized).collect();
    let Some(first) = finalized.first() else { return Ok(Vec::new()) };
    let leases: Vec<Lease> = finalized.iter().map(|record| record.lease()).collect();
    let sizes = world.engine.sizes(&leases).await?;
    let definition = world.definition(&first.migration)?;
    let (from, to) = (&definition.from, &definition.to);
    let keys: Vec<&OrgKey> = finalized.iter().map(|record| &record.key).collect();
    // These have come back.
    let live = live_by_others(world, definition, from, &keys).await?;
    let is_doubled = |(record, rows): &(&&MoveRecord, i64)| *rows > 0 && !live.contains_key(&record.key);
    let mut found = Vec::new();
    for (record, rows) in finalized.iter().zip(sizes).filter(is_doubled) {
        let gate = match survey.said(Side::Source, &record.key) {
            Some(Mode::Moved | Mode::Incoming | Mode::Discarded) => "refuses them",
            // Nothing is guarded there any more.
            None | Some(Mode::Settled | Mode::Capturing) => "accepts them, too",
        };
        let file = record.backup.as_ref().map_or("FILE".into(), |backup| in_shell(&backup.path));
        let text = match only_rows(world, &record.lease()).await?.first_key_value() {
            Some((table, only)) => format!(
                "it lives in {to}, which holds no row of it in table {table}: the {only} in {from} are the only rows, although it is \
                 finalized. Do not remove them; next: bring them back in {to}, from {from} or from {file}"
            ),
            None => format!(
                "its rows are in both stores: {from} holds {rows} of them although it is finalized, as after a restore. It lives in \
                 {to}, which accepts its writes; {from} {gate}; next: mover restore {file} --to {from} --remove"
            ),
        };
        let (migration, org) = (record.migration.clone(), record.org.to_string());
        found.push(Inconsistency { migration, org, text, grave: false, outcome: Outcome::LeftToDecide });
    }
    Ok(found)
}
