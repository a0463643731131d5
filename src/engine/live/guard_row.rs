//! The rows of `mover.org_guard` that say where orgs live, as online moves change them.

use std::collections::{HashMap, HashSet};

use mover_actors::domain::ids::Epoch;
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::EngineError;
use tokio_postgres::Row;

use super::super::cohort::Cohort;
use super::super::connection::Session;
use super::super::error::Doing;

pub(super) const READ: &str = include_str!("sql/read_row.sql");

/// What says where an org stands in a store.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) mode: String,
    pub(super) epoch: Epoch,
}

impl Standing {
    /// The key of the org that the row is about, and where it stands.
    pub(super) fn of(row: &Row) -> Result<(String, Self), tokio_postgres::Error> {
        Ok((row.try_get(0)?, Self { mode: row.try_get(1)?, epoch: Epoch(row.try_get(2)?) }))
    }

    /// The same for all orgs of a cohort.
    pub(super) fn all_must_be(
        found: &HashMap<String, Self>,
        wanted: &str,
        cohort: &Cohort,
        doing: Doing<'_>,
    ) -> Result<(), EngineError> {
        cohort.leases().iter().try_for_each(|lease| Self::must_be(found.get(lease.key.as_str()), wanted, lease, doing))
    }

    /// Refuses a lease that somebody has overtaken, and an org that does not stand as `wanted`.
    pub(super) fn must_be(
        found: Option<&Self>,
        wanted: &str,
        lease: &Lease,
        doing: Doing<'_>,
    ) -> Result<(), EngineError> {
        match found {
            Some(standing) if standing.epoch <= lease.epoch && standing.mode == wanted => Ok(()),
            found => Err(refusal(found, lease, doing)),
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
fn refusal(found: Option<&Standing>, lease: &Lease, doing: Doing<'_>) -> EngineError {
    let Some(Standing { mode, epoch }) = found else {
        return doing.refused("nothing is known of the org here");
    };
    if *epoch > lease.epoch {
        let ours = lease.epoch;
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

/// The error for a lease under which no row was changed: says what the guard row holds instead.
pub(super) async fn why_refused(
    session: &Session,
    lease: &Lease,
    doing: Doing<'_>,
) -> Result<EngineError, EngineError> {
    let standing = read(session, READ, &Cohort::one(lease), doing).await?;
    Ok(refusal(standing.get(lease.key.as_str()), lease, doing))
}

/// Refuses the first org whose guard row a statement did not change.
pub(super) async fn refuse_others(
    session: &Session,
    cohort: &Cohort,
    changed: &HashSet<String>,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    match cohort.first_missing(changed) {
        Some(lease) => Err(why_refused(session, lease, doing).await?),
        None => Ok(()),
    }
}

/// Reads the rows with `sql`, which may lock them; by key.
pub(super) async fn read(
    session: &Session,
    sql: &str,
    cohort: &Cohort,
    doing: Doing<'_>,
) -> Result<HashMap<String, Standing>, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let rows = session.query(&statement, &cohort.names()).await.map_err(failed)?;
    rows.iter().map(Standing::of).collect::<Result<_, _>>().map_err(failed)
}

/// Reads the row of one org, and refuses unless it stands as `wanted`.
pub(super) async fn must_be(
    session: &Session,
    sql: &str,
    wanted: &str,
    lease: &Lease,
    doing: Doing<'_>,
) -> Result<(), EngineError> {
    let found = read(session, sql, &Cohort::one(lease), doing).await?;
    Standing::must_be(found.get(lease.key.as_str()), wanted, lease, doing)
}

/// Lets the store refuse older leases, if it does not yet. Inside the caller's transaction.
pub(super) async fn raise(session: &Session, cohort: &Cohort, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/raise.sql")).await.map_err(failed)?;
    session.execute(&statement, &cohort.parameters()).await.map(drop).map_err(failed)
}

/// The orgs live in the receiving store from now on. Repeating it is harmless.
pub(super) async fn receive(session: &Session, cohort: &Cohort, way: Way, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(include_str!("sql/receive.sql")).await.map_err(failed)?;
    let [migration, keys, epochs] = cohort.parameters();
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [migration, keys, epochs, &after_arrival(way), &before_arrival(way)];
    let rows = session.query(&statement, &parameters).await.map_err(failed)?;
    let received = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
    refuse_others(session, cohort, &received, doing).await
}
