//! Checks every acknowledged write.

use tokio_postgres::Client;
use uuid::Uuid;

use super::{Audit, AuditError, Routed, Stores};
use crate::demo::clients::{Ledger, Touch, Write};
use crate::demo::route::Store;

/// How many writes are checked at once, which bounds the memory.
const BATCH: usize = 5_000;

/// How often a write is in a store.
#[derive(Clone, Copy)]
struct Times {
    writes: i64,
    containers: i64,
}

impl Times {
    fn is_there(self, write: &Write) -> bool {
        self.writes >= 1 && (write.touch() != Touch::AddContainer || self.containers >= 1)
    }

    fn is_doubled(self) -> bool {
        self.writes > 1 || self.containers > 1
    }
}

pub(super) async fn check(
    stores: &Stores,
    routed: &[Routed<'_>],
    ledger: &Ledger,
    found: &mut Audit,
) -> Result<(), AuditError> {
    for store in [Store::Old, Store::New] {
        let lives_here = |write: &&Write| routed.get(write.org as usize).is_some_and(|org| org.store == Some(store));
        let mut acknowledged = ledger.acknowledged.iter().filter(lives_here);
        loop {
            let batch: Vec<&Write> = acknowledged.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let here = count(stores.of(store), store, routed, &batch).await?;
            let there = count(stores.of(store.other()), store.other(), routed, &batch).await?;
            for ((write, here), there) in batch.iter().zip(here).zip(there) {
                judge(write, here, store, routed, found);
                found.in_other_store += u64::from(there.writes > 0);
            }
        }
        let maybe: Vec<&Write> = ledger.maybe.iter().filter(lives_here).collect();
        for (write, here) in maybe.iter().zip(count(stores.of(store), store, routed, &maybe).await?) {
            if here.is_doubled() {
                found.doubled.add(|| describe(write, store, routed));
            }
            if here.is_there(write) {
                found.maybe_there += 1;
            } else {
                found.maybe_not_there += 1;
            }
        }
    }
    Ok(())
}

fn judge(write: &Write, here: Times, store: Store, routed: &[Routed<'_>], found: &mut Audit) {
    found.writes_checked += 1;
    if !here.is_there(write) {
        found.lost.add(|| describe(write, store, routed));
    }
    if here.is_doubled() {
        found.doubled.add(|| describe(write, store, routed));
    }
}

fn describe(write: &Write, routed_to: Store, routed: &[Routed<'_>]) -> String {
    let org = routed.get(write.org as usize).map_or("?", |org| org.org.name.as_str());
    let Write { client, seq, store, .. } = write;
    format!("{org}, client {client}, write {seq}: acknowledged in {store}, looked for in {routed_to}")
}

async fn count(
    client: &Client,
    store: Store,
    routed: &[Routed<'_>],
    batch: &[&Write],
) -> Result<Vec<Times>, AuditError> {
    let ids: Vec<Option<Uuid>> =
        batch.iter().map(|write| routed.get(write.org as usize).map(|org| org.org.id)).collect();
    let clients: Vec<i32> = batch.iter().map(|write| write.client).collect();
    let seqs: Vec<i64> = batch.iter().map(|write| write.seq).collect();
    let containers: Vec<String> = batch.iter().map(|write| write.container()).collect();
    let rows = client.query(include_str!("sql/writes.sql"), &[&ids, &clients, &seqs, &containers]).await;
    let rows = rows.map_err(|source| AuditError::Postgres { store, doing: "looking for writes", source })?;
    Ok(rows.iter().map(|row| Times { writes: row.get(0), containers: row.get(1) }).collect())
}
