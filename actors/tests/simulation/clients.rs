//! Clients of the application, who obey the flags and write wherever their org is routed. Where orgs move while they are written, clients
//! may rely on flags for a while: a store that the org has left refuses them, and then they read the flags again.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::Side;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use super::participants::{Org, Participants, table};
use super::plan::Plan;
use super::random::Random;
use crate::memory::{Admitted, Change, Event, Isolation, Row, Tried, World, WriteId};

/// How often a client that waits for a lock asks whether it has it.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often a client tries a write that was refused.
const TRIES_MAX: usize = 4;

/// So many rows of an org are written again and again where rows are hot.
const HOT_ROWS: usize = 2;

/// All clients of a schedule.
pub struct Clients {
    go_home: Rc<Cell<bool>>,
    working: Vec<JoinHandle<u64>>,
}

/// How a client works.
#[derive(Clone)]
struct Habits {
    /// How soon it begins to write after it read the flags.
    deadline_ms: u64,
    /// For how long it relies on flags; nothing where orgs are shut while they move.
    flags_age: Option<Duration>,
    long_writes: bool,
    snapshots: u64,
    hot_rows: bool,
}

struct Client {
    world: World,
    org: Org,
    migration: MigrationName,
    routing: Routing,
    random: Random,
    habits: Habits,
    go_home: Rc<Cell<bool>>,
    /// Where the flags said that the org is, and when.
    routed_to: Option<(Side, Instant)>,
    known: Vec<u64>,
    next_id: u64,
}

impl Clients {
    /// One or more for each org in each migration, unless writers are kept out.
    pub fn start(world: &World, participants: &Arc<Participants>, plan: &mut Plan) -> Self {
        let go_home = Rc::new(Cell::new(false));
        let mut clients: Vec<Client> = Vec::new();
        for (org, migration, routing) in participants.pairs() {
            let is_online = participants.is_online(migration);
            let working = match participants.strategy(migration) {
                Strategy::Online => plan.clients,
                Strategy::Offline => 1,
                Strategy::Window => 0,
            };
            for number in 0..working {
                let rows = world.look(|facts| facts.stores.rows(migration, Side::Source, &org.key));
                let habits = Habits {
                    deadline_ms: plan.deadline_ms,
                    flags_age: is_online.then(|| Duration::from_millis(plan.flags_age_ms)),
                    long_writes: plan.long_writes,
                    snapshots: if is_online { plan.snapshots } else { 0 },
                    hot_rows: plan.hot_rows,
                };
                clients.push(Client {
                    world: world.clone(),
                    org: org.clone(),
                    migration: migration.clone(),
                    routing: routing.clone(),
                    random: plan.random.fork(),
                    habits,
                    go_home: go_home.clone(),
                    routed_to: None,
                    // Each row has one client who changes it.
                    known: if number == 0 { rows.into_iter().map(|row| row.id).collect() } else { Vec::new() },
                    next_id: 1_000_000 * (clients.len() as u64 + 1),
                });
            }
        }
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
            sleep(self.random.millis(10, if self.habits.hot_rows { 150 } else { 700 })).await;
            if self.go_home.get() {
                return acknowledged;
            }
            let change = self.change();
            acknowledged += u64::from(self.make(change).await);
        }
    }

    /// Makes a change; answers whether that was acknowledged.
    async fn make(&mut self, change: Change) -> bool {
        for _ in 0..TRIES_MAX {
            let Some(side) = self.read_flags() else { return false };
            sleep(self.random.millis(0, self.habits.deadline_ms)).await;
            let admitted = Admitted { migration: self.migration.clone(), key: self.org.key.clone(), side };
            let isolation =
                if self.random.percent(self.habits.snapshots) { Isolation::Snapshot } else { Isolation::Latest };
            let write = self.world.begin_write(admitted, change, isolation);
            if isolation == Isolation::Snapshot {
                // It reads for a while.
                sleep(self.random.millis(0, 200)).await;
            }
            if self.write(write).await {
                sleep(self.thinking_time()).await;
                if self.habits.flags_age.is_some() && self.random.percent(5) {
                    self.world.roll_back_write(write);
                    return false;
                }
                return self.world.commit_write(write);
            }
            self.routed_to = None;
            sleep(self.random.millis(5, 100)).await;
        }
        false
    }

    /// Where to write, as far as this client knows.
    fn read_flags(&mut self) -> Option<Side> {
        let age = self.habits.flags_age.unwrap_or_default();
        if let Some((side, _)) = self.routed_to.filter(|(_, read_at)| read_at.elapsed() < age) {
            return Some(side);
        }
        let routed_to = self.world.look(|facts| facts.routed_to(&self.org.name, &self.routing));
        self.routed_to = routed_to.map(|side| (side, Instant::now()));
        routed_to
    }

    /// Writes the row, and waits where a lock is in the way; answers whether it is written.
    async fn write(&self, write: WriteId) -> bool {
        let begun = Instant::now();
        loop {
            match self.world.try_write(write) {
                Tried::Waits => sleep(LOOK_EVERY).await,
                Tried::Refused => return false,
                Tried::Written => {
                    let (migration, key, waited) = (self.migration.clone(), self.org.key.clone(), begun.elapsed());
                    if !waited.is_zero() {
                        self.world.act(|scene| scene.emit(Event::WriterWaited { migration, key, waited }));
                    }
                    return true;
                }
            }
        }
    }

    fn thinking_time(&mut self) -> Duration {
        if self.habits.long_writes && self.random.percent(10) {
            self.random.millis(500, 4_000)
        } else {
            self.random.millis(0, 40)
        }
    }

    fn change(&mut self) -> Change {
        let value = self.random.next();
        if self.habits.hot_rows && self.known.len() >= HOT_ROWS {
            let id = self.known[self.random.below(HOT_ROWS)];
            return Change::Put(Row { table: table(id), id, value });
        }
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
