//! Compares how many rows of each org the stores hold.

use std::collections::HashMap;

use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Audit, AuditError, Routed, Stores};
use crate::demo::route::Store;
use crate::demo::sample::MOVED_TABLES;

type RowsPerTable = [i64; MOVED_TABLES.len()];

pub(super) async fn compare(stores: &Stores, routed: &[Routed<'_>], found: &mut Audit) -> Result<(), AuditError> {
    let old = rows_per_org(&stores.old, Store::Old).await?;
    let new = rows_per_org(&stores.new, Store::New).await?;
    for Routed { org, store } in routed {
        let rows_of = |rows: &HashMap<_, _>| rows.get(&org.id).copied().unwrap_or_default();
        let (old_rows, new_rows): (RowsPerTable, RowsPerTable) = (rows_of(&old), rows_of(&new));
        for ((table, old), new) in MOVED_TABLES.iter().zip(old_rows).zip(new_rows) {
            let describe = || format!("{}, {table}: {old} rows in old, {new} in new", org.name);
            match store {
                Some(Store::New) if new < old => found.shrunken.add(describe),
                Some(Store::Old) if new > 0 => found.left_in_new.add(describe),
                _ => {}
            }
        }
    }
    Ok(())
}

async fn rows_per_org(client: &Client, store: Store) -> Result<HashMap<Uuid, RowsPerTable>, AuditError> {
    let failed = |source| AuditError::Postgres { store, doing: "counting the rows of all orgs", source };
    let no_parameters: [i64; 0] = [];
    let rows = client.query_raw(include_str!("sql/rows_per_org.sql"), no_parameters).await.map_err(failed)?;
    pin_mut!(rows);
    let mut counts = HashMap::new();
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let tables = std::array::from_fn(|table| row.get(table + 1));
        counts.insert(row.get(0), tables);
    }
    Ok(counts)
}
