//! About how many rows orgs have: enough to decide which move in one cohort.

use std::collections::HashMap;

use mover_actors::domain::ids::OrgKey;
use mover_actors::ports::EngineError;

use crate::engine::plan::Plan;
use crate::engine::store::Store;
use crate::engine::store::cohort::{Cohort, Parameters};
use crate::engine::store::error::{Doing, Failed};

/// The rows of each org in the source, over all tables.
pub(in crate::engine) async fn sizes(
    plan: &Plan,
    source: &Store,
    cohort: &Cohort,
) -> Result<HashMap<OrgKey, i64>, EngineError> {
    let doing = Doing::new(source.name(), "looking how big the orgs are");
    let failed = |error| doing.failed(error);
    let session = source.session().await?;
    let statement = session.prepared(&plan.sizes).await.map_err(failed)?;
    let mut sizes = HashMap::new();
    for row in session.query(&statement, &[&cohort.keys()]).await.map_err(failed)? {
        let lease = cohort.numbered(&row, 1, doing)?;
        *sizes.entry(lease.key.clone()).or_default() += row.try_get::<_, i64>(2).map_err(failed)?;
    }
    session.release();
    Ok(sizes)
}

/// About how many rows the source has in all, without counting; `None` if it has no statistics.
pub(in crate::engine) async fn estimated(plan: &Plan, source: &Store) -> Result<Option<u64>, EngineError> {
    let doing = Doing::new(source.name(), "looking how many rows there are");
    let failed = |error| doing.failed(error);
    let session = source.session().await?;
    let statement = session.prepared(include_str!("sql/rows_estimated.sql")).await.map_err(failed)?;
    let row = session.query_one(&statement, &[&plan.source_oids]).await.map_err(failed)?;
    session.release();
    let rows: Option<i64> = row.try_get(0).map_err(failed)?;
    Ok(rows.map(i64::unsigned_abs))
}
