//! Clients of the application, who obey the flags and write wherever their org is routed.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::MigrationName;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use super::participants::{Org, Participants, table};
use super::plan::Plan;
use super::random::Random;
use crate::memory::{Admitted, Change, Row, World};

/// All clients of a schedule.
pub struct Clients {
    go_home: Rc<Cell<bool>>,
    working: Vec<JoinHandle<u64>>,
}

struct Client {
    world: World,
    org: Org,
    migration: MigrationName,
    routing: Routing,
    random: Random,
    deadline_ms: u64,
    long_writes: bool,
    go_home: Rc<Cell<bool>>,
    known: Vec<u64>,
    next_id: u64,
}

impl Clients {
    /// One for each org in each migration.
    pub fn start(world: &World, participants: &Arc<Participants>, plan: &mut Plan) -> Self {
        let go_home = Rc::new(Cell::new(false));
        let client = |(at, (org, migration, routing)): (usize, (&Org, &MigrationName, &Routing))| Client {
            world: world.clone(),
            org: org.clone(),
            migration: migration.clone(),
            routing: routing.clone(),
            random: plan.random.fork(),
            deadline_ms: plan.deadline_ms,
            long_writes: plan.long_writes,
            go_home: go_home.clone(),
            known: Vec::new(),
            next_id: 1_000_000 * (at as u64 + 1),
        };
        let clients: Vec<Client> = participants.pairs().enumerate().map(client).collect();
        let working = clients.into_iter().map(|client| spawn_local(client.work())).collect();
        Clients { go_home, working }
    }

    /// Lets all finish what they have begun; answers how many writes were acknowledged.
    pub async fn go_home(self) -> u64 {
        self.go_home.set(true);
        let mut acknowledged = 0;
        for client in self.working {
            acknowledged += client.await.expect("a client does not panic");
        }
        acknowledged
    }
}

impl Client {
    async fn work(mut self) -> u64 {
        let mut acknowledged = 0;
        loop {
            sleep(self.random.millis(10, 700)).await;
            if self.go_home.get() {
                return acknowledged;
            }
            let routed_to = self.world.look(|facts| facts.routed_to(&self.org.name, &self.routing));
            let Some(side) = routed_to else { continue };
            sleep(self.random.millis(0, self.deadline_ms)).await;
            let admitted = Admitted { migration: self.migration.clone(), key: self.org.key.clone(), side };
            let write = self.world.begin_write(admitted);
            sleep(self.thinking_time()).await;
            let change = self.change();
            self.world.commit_write(write, change);
            acknowledged += 1;
        }
    }

    fn thinking_time(&mut self) -> Duration {
        if self.long_writes && self.random.percent(10) {
            self.random.millis(500, 4_000)
        } else {
            self.random.millis(0, 40)
        }
    }

    fn change(&mut self) -> Change {
        let value = self.random.next();
        if self.known.is_empty() || self.random.percent(40) {
            self.next_id += 1;
            self.known.push(self.next_id);
            return Change::Put(Row { table: table(self.next_id), id: self.next_id, value });
        }
        let at = self.random.below(self.known.len());
        if self.random.percent(50) {
            let id = self.known[at];
            Change::Put(Row { table: table(id), id, value })
        } else {
            let id = self.known.swap_remove(at);
            Change::Delete { table: table(id), id }
        }
    }
}
