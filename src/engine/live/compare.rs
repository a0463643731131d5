//! All rows of an org compared while it is written: those that stand still, in one snapshot of the store it leaves. Rows with
//! a logged key are compared when they are carried over.

use mover_actors::domain::record::Claim;
use mover_actors::domain::verified::{TableTally, Tally};
use mover_actors::ports::EngineError;

use super::super::connection::Session;
use super::super::error::Doing;
use super::super::plan::Plan;
use super::apply;
use super::log::SNAPSHOT;
use super::round::Round;
use super::{log, subtree};

/// The rows of the leaving and of the receiving store. Also proves all foreign keys in the latter.
pub(super) async fn compare(round: Round<'_>) -> Result<(Tally, Tally), EngineError> {
    let Round { live, claim, from, to } = round;
    let plan = &live.plan;
    // Nobody carries over meanwhile.
    round.hold("BEGIN").await?;
    let mut reading = log::read(live, from, claim, SNAPSHOT).await?;
    subtree::grow(live, from, to, &mut reading.keys).await?;
    let counting = |store| Doing::new(store, "counting and hashing the org");
    let here = whole(plan, from, &plan.tally_on_source, claim, counting(&plan.source));
    let there = async {
        let tally = whole(plan, to, &plan.tally_on_target, claim, counting(&plan.target)).await?;
        plan.references.prove(to, plan, &claim.key).await?;
        Ok(tally)
    };
    let (mut here, mut there) = futures_util::try_join!(here, there)?;
    for (number, (left, right)) in apply::tally(live, from, to, claim, &reading.keys).await? {
        let label = &plan.tables[number].label;
        take_away(&mut here, label, &left, counting(&plan.source))?;
        take_away(&mut there, label, &right, counting(&plan.target))?;
    }
    round.end_snapshot().await?;
    to.batch_execute("ROLLBACK").await.map_err(|error| counting(&plan.target).failed(error))?;
    Ok((here, there))
}

/// All rows of the org, counted and hashed inside the session's transaction.
async fn whole(
    plan: &Plan,
    session: &Session,
    sql: &str,
    claim: &Claim,
    doing: Doing<'_>,
) -> Result<Tally, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let mut tally = Tally::default();
    for row in session.query(&statement, &[&claim.key.as_str()]).await.map_err(failed)? {
        let Some(table) = plan.table_of(&row).map_err(failed)? else { continue };
        let found = TableTally { rows: row.try_get(1).map_err(failed)?, hash: row.try_get(2).map_err(failed)? };
        tally.0.insert(table.label.clone(), found);
    }
    Ok(tally)
}

/// Sums can be taken apart again: what is left is the tally of the other rows.
fn take_away(tally: &mut Tally, label: &str, part: &TableTally, doing: Doing<'_>) -> Result<(), EngineError> {
    let unreadable = || doing.on(label).refused("the store answered with a sum that is no number");
    let number = |text: &str| text.parse::<i128>().map_err(|_| unreadable());
    let Some(whole) = tally.0.get_mut(label) else { return Ok(()) };
    whole.rows -= part.rows;
    whole.hash = (number(&whole.hash)? - number(&part.hash)?).to_string();
    Ok(())
}
