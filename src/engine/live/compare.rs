//! All rows of orgs compared while they are written: those that stand still, in one snapshot of the store that they leave. Rows with
//! a logged key are compared when they are carried over.

use std::collections::HashMap;

use mover_actors::domain::ids::OrgKey;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::EngineError;

use super::super::cohort::Cohort;
use super::super::error::Doing;
use super::super::tally::tally;
use super::apply;
use super::log::SNAPSHOT;
use super::round::Round;
use super::{log, subtree};

/// The rows of each org in the leaving and in the receiving store. Also proves all foreign keys in the latter.
pub(super) async fn compare(round: Round<'_>) -> Result<HashMap<OrgKey, (Tally, Tally)>, EngineError> {
    let Round { live, cohort, from, to } = round;
    let plan = &live.plan;
    // Nobody carries over meanwhile.
    round.hold("BEGIN").await?;
    let reading = log::read(live, from, cohort, SNAPSHOT).await?;
    let counting = |store| Doing::new(store, "counting and hashing the org");
    let here = tally(plan, from, &plan.tally_on_source, cohort, counting(&plan.source));
    let there = async {
        let tallies = tally(plan, to, &plan.tally_on_target, cohort, counting(&plan.target)).await?;
        plan.references.prove(to, plan, cohort.keys()).await?;
        Ok(tallies)
    };
    let (mut here, mut there) = futures_util::try_join!(here, there)?;
    for (key, mut keys) in reading.by_org {
        let Some(lease) = cohort.lease(&key) else { continue };
        subtree::grow(live, from, to, &mut keys).await?;
        for (number, (left, right)) in apply::tally(live, from, to, &Cohort::one(lease), &keys).await? {
            let label = &plan.tables[number].label;
            take_away(here.get_mut(&lease.key), label, &left, counting(&plan.source))?;
            take_away(there.get_mut(&lease.key), label, &right, counting(&plan.target))?;
        }
    }
    round.end_snapshot().await?;
    to.batch_execute("ROLLBACK").await.map_err(|error| counting(&plan.target).failed(error))?;
    let paired = here.into_iter().filter_map(|(key, left)| there.remove(&key).map(|right| (key, (left, right))));
    Ok(paired.collect())
}

/// Sums can be taken apart again: what is left is the tally of the other rows.
fn take_away(tally: Option<&mut Tally>, label: &str, part: &TableTally, doing: Doing<'_>) -> Result<(), EngineError> {
    let unreadable = || doing.on(label).refused("the store answered with a sum that is no number");
    let number = |text: &str| text.parse::<i128>().map_err(|_| unreadable());
    let Some(whole) = tally.and_then(|tally| tally.0.get_mut(label)) else { return Ok(()) };
    whole.rows -= part.rows;
    whole.hash = (number(&whole.hash)? - number(&part.hash)?).to_string();
    Ok(())
}
