//! On the way back the store that an org leaves has the truth, and nobody writes to the stale rows in the other. Rows that differ
//! although nothing was logged were changed by a statement about the schema (a column that was added with a default of its own for
//! each row): they are carried over like rows that were written.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mover_actors::domain::record::Lease;
use mover_actors::domain::verified::Tally;
use mover_actors::ports::EngineError;
use tracing::warn;

use super::super::connection::Session;
use super::super::error::Doing;
use super::super::name::quote;
use super::super::plan::SidePlan;
use super::round::Round;

/// So many rows are compared, and so many keys carried over, at once.
const ROWS_AT_ONCE: i64 = 50_000;

/// Carries over all rows that differ in tables whose tallies do; answers how many that were. The round is of this org alone.
pub(super) async fn carry_over(
    round: Round<'_>,
    lease: &Lease,
    (leaving, receiving): &(Tally, Tally),
) -> Result<usize, EngineError> {
    let Round { live, from, to, .. } = round;
    let mut carried = 0;
    for (planned, table) in live.plan.tables.iter().zip(&live.tables) {
        let (here, there) = (leaving.0.get(&planned.label), receiving.0.get(&planned.label));
        if here == there {
            continue;
        }
        let rows = [here, there].into_iter().flatten().map(|tally| tally.rows).max().unwrap_or_default();
        let parts = rows / ROWS_AT_ONCE + 1;
        for part in 0..parts {
            let sql = |side: &SidePlan| rows_of_part(side, &table.key);
            let reading = Doing::new(&live.plan.source, "looking for rows that differ").on(&planned.label);
            let in_receiving = Doing { store: &live.plan.target, ..reading };
            let mut hashes: HashMap<String, i64> = HashMap::new();
            for_each(from, &sql(&planned.source), lease, (parts, part), reading, |key, hash| {
                hashes.insert(key, hash);
            })
            .await?;
            let mut differing = Vec::new();
            for_each(to, &sql(&planned.target), lease, (parts, part), in_receiving, |key, hash| {
                if hashes.remove(&key) != Some(hash) {
                    differing.push(key);
                }
            })
            .await?;
            differing.extend(hashes.into_keys());
            if differing.is_empty() {
                continue;
            }
            warn!(org = %lease.org, table = planned.label, rows = differing.len(), "rows that were not logged differ and are carried over");
            log(from, lease, &planned.label, &differing, reading).await?;
            round.run().await?;
            carried += differing.len();
        }
    }
    Ok(carried)
}

/// Key and hash of each row of the org whose key falls into part `$3` of `$2`.
fn rows_of_part(side: &SidePlan, key: &[String]) -> String {
    let columns: Vec<String> = key.iter().map(|name| format!("t.{}::text", quote(name))).collect();
    let key = format!("ARRAY[{}]::text", columns.join(", "));
    format!("SELECT {key}, {} {} AND abs(hashtext({key})::int8) % $2::int8 = $3::int8", side.hash, side.rows)
}

async fn for_each(
    session: &Session,
    sql: &str,
    lease: &Lease,
    (parts, part): (i64, i64),
    doing: Doing<'_>,
    mut see: impl FnMut(String, i64),
) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = session.prepared(sql).await.map_err(failed)?;
    let orgs = [lease.key.as_str()];
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&orgs.as_slice(), &parts, &part];
    let mut rows = std::pin::pin!(session.query_raw(&statement, parameters).await.map_err(failed)?);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        see(row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    }
    Ok(())
}

async fn log(from: &Session, lease: &Lease, label: &str, keys: &[String], doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = from.prepared(include_str!("sql/log_keys.sql")).await.map_err(failed)?;
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&lease.migration.as_str(), &lease.key.as_str(), &label, &keys, &lease.epoch.0];
    from.execute(&statement, &parameters).await.map(drop).map_err(failed)
}
