//! The row of `mover.org_guard` that says where an org lives, as online moves change it.

use mover_actors::domain::ids::Epoch;
use mover_actors::domain::record::Claim;
use mover_actors::domain::state::Way;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use super::super::connection::Session;
use super::super::error::Doing;

pub(super) const READ: &str = include_str!("../sql/guard_read.sql");

/// What says where an org stands in a store.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) mode: String,
    pub(super) epoch: Epoch,
}

impl Standing {
    pub(super) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { mode: row.try_get(0)?, epoch: Epoch(row.try_get(1)?) })
    }

    /// Refuses a claim that somebody has overtaken, and an org that does not stand as `wanted`.
    pub(super) fn must_be(
        found: Option<&Self>,
        wanted: &str,
        claim: &Claim,
        doing: Doing<'_>,
    ) -> Result<(), EngineError> {
        match found {
            Some(standing) if standing.epoch <= claim.epoch && standing.mode == wanted => Ok(()),
            found => Err(refusal(found, claim, doing)),
        }
    }
}

/// In which mode the receiving store has an org until the switch.
pub(super) fn before_arrival(way: Way) -> &'static str {
    match way {
        Way::Forward => "incoming",
        Way::Back => "moved",
    }
}

/// In which mode the receiving store has an org after the switch.
pub(super) fn after_arrival(way: Way) -> &'static str {
    match way {
        // What is written there is logged, so that there is a way back.
        Way::Forward => "capturing",
        Way::Back => "settled",
    }
}

/// Why an org's row does not let us.
fn refusal(found: Option<&Standing>, claim: &Claim, doing: Doing<'_>) -> EngineError {
    let Some(Standing { mode, epoch }) = found else {
        return doing.refused("nothing is known of the org here");
    };
    if *epoch > claim.epoch {
        let ours = claim.epoch;
        return doing.refused(format!("somebody with the newer epoch {epoch} was here, ours is {ours}"));
    }
    doing.refused(match mode.as_str() {
        "settled" => "the org lives here, and its writes are not logged".into(),
        "capturing" => "the org lives here".into(),
        "moved" => "the org has moved away".into(),
        "incoming" => "the org is still being copied here".into(),
        "discarded" => "the copy of the org was removed".into(),
        other => format!("the org is {other} here"),
    })
}

/// The error of whoever changed nothing: says what was found instead.
pub(super) async fn why_refused(
    session: &Session,
    claim: &Claim,
    doing: Doing<'_>,
) -> Result<EngineError, EngineError> {
    let standing = read(session, READ, claim, doing).await?;
    Ok(refusal(standing.as_ref(), claim, doing))
}

/// Reads the row with `sql`, which may lock it.
pub(super) async fn read(
    session: &Session,
    sql: &str,
    claim: &Claim,
    doing: Doing<'_>,
) -> Result<Option<Standing>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let row = session.query_opt(&statement, &[&claim.migration.as_str(), &claim.key.as_str()]).await.map_err(failed)?;
    row.as_ref().map(Standing::of).transpose().map_err(failed)
}

/// Lets the store refuse older claims, if it does not yet. Inside the caller's transaction.
pub(super) async fn raise(session: &Session, claim: &Claim, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/raise.sql")).await.map_err(failed)?;
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&claim.migration.as_str(), &claim.key.as_str(), &claim.epoch.0];
    session.execute(&statement, &parameters).await.map(drop).map_err(failed)
}

/// The org lives in the receiving store from now on. Repeating it is harmless.
pub(super) async fn receive(session: &Session, claim: &Claim, way: Way, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/receive.sql")).await.map_err(failed)?;
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&claim.migration.as_str(), &claim.key.as_str(), &claim.epoch.0, &after_arrival(way), &before_arrival(way)];
    match session.execute(&statement, &parameters).await.map_err(failed)? {
        0 => Err(why_refused(session, claim, doing).await?),
        _ => Ok(()),
    }
}
