//! The application's own changes of its schema while orgs move: columns and partitions of the shop's table `writes`.
//!
//! Rows of `writes` never change, so a row has the same values in these columns for ever, wherever it is. A column's default
//! changes once both stores have the column: a copy that left it out would have the later default.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use tokio::sync::RwLock;
use tokio::time::sleep;
use tokio_postgres::Error;

use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::postgres::{causes, connect_patiently};
use crate::servers::{Servers, Store};

/// After so many of each kind there are enough.
const CHANGES_MAX: u32 = 6;
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// How often a statement is tried: it waits for a lock for 0.3 s each time.
const TRIES_MAX: u32 = 200;

/// The columns' values in every row.
const VALUES: &str = "SELECT w.id, c.key, c.value FROM writes w, jsonb_each_text(to_jsonb(w)) AS c
                      WHERE starts_with(c.key, 'later_')";

/// A column, as the reasons of failed moves call it.
pub(crate) const COLUMN: &str = "later_";

/// Changes the schema until it is stopped.
pub(crate) struct SchemaChanges {
    pub(crate) servers: Arc<Servers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) evidence: Arc<Evidence>,
    /// Held shared during a change; its exclusive owner has both schemas alike.
    pub(crate) sky: Arc<RwLock<()>>,
    pub(crate) every: Duration,
    pub(crate) random: StdRng,
}

impl SchemaChanges {
    pub(crate) async fn run(mut self) {
        for number in 0..CHANGES_MAX {
            for is_column in [true, false] {
                let share: f64 = self.random.random_range(0.2..1.8);
                sleep(self.every.mul_f64(share)).await;
                let sky = self.sky.clone();
                let _clouded = sky.read().await;
                let changed = match is_column {
                    true => self.add_column(number).await,
                    false => self.attach_partition(number).await,
                };
                self.counters.name(if is_column { "schema: a column" } else { "schema: a partition" });
                if let Err(error) = changed {
                    self.evidence.add(format!("the schema could not be changed: {}", causes(&error)));
                    return;
                }
            }
        }
    }

    async fn add_column(&mut self, number: u32) -> Result<(), Error> {
        let first = if self.random.random() { Store::Old } else { Store::New };
        let add =
            format!("ALTER TABLE writes ADD COLUMN IF NOT EXISTS {COLUMN}{number} text NOT NULL DEFAULT 'before'");
        let later = format!("ALTER TABLE writes ALTER COLUMN {COLUMN}{number} SET DEFAULT 'after'");
        for sql in [add, later] {
            for store in [first, first.other()] {
                self.change(store, &sql).await?;
            }
        }
        Ok(())
    }

    /// A partition for writes that one client will make soon.
    async fn attach_partition(&mut self, number: u32) -> Result<(), Error> {
        let client = i64::from(1 + number);
        let own = format!("SELECT coalesce(max(id), {client} * 1000000000::int8) FROM writes WHERE client = {client}");
        let mut last = 0;
        for store in Store::BOTH {
            let link = connect_patiently(&self.servers.store_url(store)).await?;
            last = last.max(link.query_one(&own, &[]).await?.get::<_, i64>(0));
        }
        let (from, to) = (last + 100, last + 300);
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS writes_{number} PARTITION OF writes FOR VALUES FROM ({from}) TO ({to})"
        );
        for store in Store::BOTH {
            self.change(store, &sql).await?;
        }
        Ok(())
    }

    /// Tries until no transaction is in the way and the server is up.
    async fn change(&self, store: Store, sql: &str) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let link = connect_patiently(&self.servers.store_url(store)).await?;
            match link.batch_execute(&format!("SET lock_timeout = '300ms'; {sql}")).await {
                Err(_) if tries < TRIES_MAX => tries += 1,
                changed => return changed,
            }
            sleep(RETRY_EVERY).await;
        }
    }
}

/// The values of these columns in each write, as they were found first.
#[derive(Debug, Default)]
pub(crate) struct Constants(Mutex<HashMap<(i64, String), String>>);

impl Constants {
    /// Compares all rows of both stores with what they were. No client writes, and Mover does not run.
    pub(crate) async fn check(&self, servers: &Servers, evidence: &Evidence) -> Result<(), Error> {
        for store in Store::BOTH {
            let rows = connect_patiently(&servers.store_url(store)).await?.query(VALUES, &[]).await?;
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                let (id, column, value): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
                let first = known.entry((id, column.clone())).or_insert_with(|| value.clone());
                if *first != value {
                    evidence.add(format!("write {id} in {}: {column} was {first}, and is {value}", store.name()));
                }
            }
        }
        Ok(())
    }
}
