//! Clients that write to an org all the time, follow it when it moves, and remember what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::world::World;

/// Clients at work until they are stopped.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicI64>,
    tasks: JoinSet<Vec<String>>,
}

/// Their results.
pub(crate) struct Seen {
    /// The texts of all events that were acknowledged.
    pub(crate) events: Vec<String>,
}

impl Writers {
    /// Clients that each write to org `key`, at first in the old store.
    pub(crate) async fn start(world: &World, key: &str, count: u64, seed: u64) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let stores = [world.server.connect("old").await, world.server.connect("new").await];
            let writer = Writer {
                stores,
                at: 0,
                number,
                key: key.into(),
                random: StdRng::seed_from_u64(seed + number),
                events: Vec::new(),
            };
            tasks.spawn(writer.run(stop.clone(), acknowledged.clone()));
        }
        Self { stop, acknowledged, tasks }
    }

    /// Waits until they have written so many times more.
    pub(crate) async fn wrote(&self, more: i64) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.acknowledged.load(Ordering::Relaxed) < goal {
            assert!(begun.elapsed() < Duration::from_secs(60), "the writers are stuck");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        Seen { events: self.tasks.join_all().await.concat() }
    }
}

struct Writer {
    stores: [Client; 2],
    /// The store in which it believes the org to be.
    at: usize,
    number: u64,
    key: String,
    random: StdRng,
    events: Vec<String>,
}

impl Writer {
    async fn run(mut self, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicI64>) -> Vec<String> {
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            let event = format!("{}/{round}", self.number);
            let sql = self.transaction(&event, round);
            loop {
                let error = match self.stores[self.at].batch_execute(&sql).await {
                    Ok(()) => break,
                    Err(error) => error,
                };
                self.stores[self.at].batch_execute("ROLLBACK").await.unwrap();
                match error.code().map(SqlState::code) {
                    Some("MV001") => self.at = 1 - self.at,
                    // Another writer was faster, or a snapshot was too old.
                    Some("40001" | "40P01" | "23505" | "23503") => {}
                    _ => panic!("{error:?}\n{sql}"),
                }
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
            self.events.push(event);
        }
        self.events
    }

    /// Some change of any kind, together with an event that tells that it was made.
    fn transaction(&mut self, event: &str, round: u64) -> String {
        let key = &self.key;
        let id = (self.number + 1) * 1_000_000 + round;
        let n = self.random.random_range(1..=12);
        let group = format!("(SELECT id FROM groups WHERE org = {key} AND name = 'g{n}')");
        let change = match self.random.random_range(0..10) {
            0 => format!("INSERT INTO accounts (org, email) VALUES ({key}, '{event}')"),
            1 => format!("UPDATE accounts SET touched = touched + 1 WHERE org = {key} AND id % 12 = {n}"),
            2 => format!("DELETE FROM accounts WHERE org = {key} AND email LIKE '%/{n}'"),
            3 => format!("UPDATE groups SET id = gen_random_uuid() WHERE id = {group}"),
            4 => format!("INSERT INTO remarks SELECT '{event}', {group}, 'x' WHERE {group} IS NOT NULL"),
            5 => format!(
                "DELETE FROM groups WHERE id = {group}; INSERT INTO groups (org, name) VALUES ({key}, 'g{n}');
                 INSERT INTO members VALUES ({group}, now(), 'again')"
            ),
            6 => format!("INSERT INTO lines (remark, n) SELECT id, {n} FROM remarks WHERE group_id = {group}"),
            7 => format!("UPDATE remarks SET id = id || '.' WHERE group_id = {group} AND length(id) < 200"),
            8 => format!(
                "UPDATE accounts SET email = email || '~' WHERE org = {key} AND id % 12 IN ({n}, 5);
                 UPDATE accounts SET email = rtrim(email, '~') WHERE org = {key} AND id % 12 IN ({n}, 5)"
            ),
            _ => format!("UPDATE events SET at = now() WHERE org = {key} AND id % 12 = {n}"),
        };
        let isolation =
            ["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"][self.random.random_range(0..4)];
        format!(
            "BEGIN ISOLATION LEVEL {isolation}; {change};
             INSERT INTO events VALUES ({id}, {key}, '{event}'); COMMIT"
        )
    }
}
