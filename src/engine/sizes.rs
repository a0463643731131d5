//! About how many rows orgs have: enough to tell which are carried together.

use std::collections::HashMap;

use mover_actors::domain::ids::OrgKey;
use mover_actors::ports::EngineError;

use super::cohort::Cohort;
use super::error::Doing;
use super::plan::Plan;
use super::store::Store;

/// The rows of each org in the source, over all tables.
pub(super) async fn sizes(plan: &Plan, source: &Store, cohort: &Cohort) -> Result<HashMap<OrgKey, i64>, EngineError> {
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
