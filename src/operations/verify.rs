//! `verify`: compares both stores again, for orgs that have migrated.

use futures_util::{StreamExt, TryStreamExt, stream};
use mover_actors::domain::campaign::Selection;
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::record::{Lease, MoveRecord};
use mover_actors::domain::state::State;
use mover_actors::domain::verified::Verified;
use mover_actors::ports::{Engine, Side};
use serde_json::json;

use crate::command::Which;
use crate::state::read::StateName;

use super::answer::{Answer, short};
use super::error::OperationError;
use super::orgs::selection;
use super::world::World;

const PAGE: u32 = 500;
/// Orgs compared in one statement.
const ORGS_TOGETHER: usize = 50;
const AT_ONCE: usize = 4;
const SHOWN_MAX: usize = 20;

struct Difference {
    org: OrgName,
    what: String,
}

/// `verify`
pub(super) async fn verify(world: &World, migration: &MigrationName, which: &Which) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let (mut compared, mut differences) = (0_usize, Vec::new());
    match selection(which)? {
        Selection::Names(names) => {
            let mut records = Vec::new();
            for org in names {
                world.log.org_history(name, &org).await?;
                records.extend(world.log.org_moves(&org).await?.into_iter().map(|view| view.record));
            }
            records.retain(|record| record.migration == *name);
            compare(world, records, &mut compared, &mut differences).await?;
        }
        wide => {
            let counts = world.log.counts(name).await?;
            let mut left = match wide {
                Selection::First(most) => most,
                Selection::Percent(percent) => (counts.total() * u64::from(percent)).div_ceil(100),
                Selection::All | Selection::Names(_) => counts.migrated,
            };
            let mut after = None;
            while left > 0 {
                let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
                let page = world.log.list(name, Some(StateName::Migrated), after, limit).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.record.id);
                left -= (page.len() as u64).min(left);
                let records = page.into_iter().map(|view| view.record).collect();
                compare(world, records, &mut compared, &mut differences).await?;
            }
        }
    }
    let mut text = format!("{migration}: {compared} orgs compared, {} differ", differences.len());
    for difference in differences.iter().take(SHOWN_MAX) {
        text.push_str(&format!("\n  {}: {}", short(difference.org.as_str(), 60), difference.what));
    }
    if !differences.is_empty() {
        text.push_str("\nAn org that has migrated differs as soon as it is written in the target: that is no fault.");
    }
    let found: Vec<_> = differences.iter().map(|one| json!({ "org": one.org, "difference": one.what })).collect();
    Ok(Answer::new(text, json!({ "compared": compared, "differences": found })))
}

async fn compare(
    world: &World,
    records: Vec<MoveRecord>,
    compared: &mut usize,
    differences: &mut Vec<Difference>,
) -> Result<(), OperationError> {
    let (moved, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.state == State::Migrated);
    *compared += others.len();
    differences.extend(
        others
            .into_iter()
            .map(|record| Difference { what: format!("it is {}, not migrated", record.state), org: record.org }),
    );
    let chunks: Vec<Vec<MoveRecord>> = moved.chunks(ORGS_TOGETHER).map(<[_]>::to_vec).collect();
    let mut outcomes = stream::iter(chunks).map(|records| compare_moved(world, records)).buffer_unordered(AT_ONCE);
    while let Some((orgs, found)) = outcomes.try_next().await? {
        *compared += orgs;
        differences.extend(found);
    }
    Ok(())
}

/// How many orgs were compared, and those that differ.
async fn compare_moved(world: &World, records: Vec<MoveRecord>) -> Result<(usize, Vec<Difference>), OperationError> {
    let leases: Vec<Lease> = records.iter().map(MoveRecord::lease).collect();
    let (source, target) =
        tokio::try_join!(world.engine.tally(&leases, Side::Source), world.engine.tally(&leases, Side::Target))?;
    let mut differences = Vec::new();
    for (record, (source, target)) in records.into_iter().zip(source.iter().zip(&target)) {
        if let Err(mismatch) = Verified::compare(source, target) {
            differences.push(Difference { org: record.org, what: mismatch.to_string() });
        }
    }
    Ok((leases.len(), differences))
}
