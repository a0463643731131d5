//! What every test stands on: two stores, a move log, flags, orgs in the old store that are ready to move, and clients.

use std::collections::BTreeMap;
use std::path::Path;

use mover::demo::audit::audit;
use mover::demo::clients::{ClientOptions, Clients};
use mover::demo::route::{Route, RouteBy, Store};
use mover::demo::sample::{Sample, SampleOrg, Shape};
use mover::embedded::{Options, Private};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::program::{Ended, Program, eventually};

pub(crate) const ORGS: u32 = 8;
const ROWS: u64 = 600;

/// A dead process must be noticed by what it no longer holds, never by a lease that runs out: a test would not live to see that.
const LEASE_MS: u32 = 600_000;

/// Writes that must be acknowledged in the new store before a test is content that clients get on there.
const WRITES_IN_NEW_MIN: u64 = 10;

/// Tables of which clients change nothing: they must be the same in both stores when all orgs have moved.
const UNTOUCHED: [&str; 6] =
    ["organizations", "org_user_associations", "org_user_invites", "groups", "group_members", "cookbooks"];

pub(crate) struct World {
    pub(crate) servers: Private,
    dir: TempDir,
    sample: Sample,
    pub(crate) orgs: Vec<SampleOrg>,
    clients: Clients,
}

impl World {
    /// Everything is in place, all orgs are ready, and clients write.
    pub(crate) async fn ready() -> Self {
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-template");
        let servers = Private::start(Options::throwaway().template(template)).await.unwrap();
        for database in ["mover", "old", "new"] {
            servers.ensure_database(database).await.unwrap();
        }
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        sample.reset(&Shape::demo().orgs(ORGS).rows(ROWS), |_| {}).await.unwrap();
        let orgs = sample.orgs().await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mover.toml"), configuration(&servers)).unwrap();
        for command in ["darklaunch default cell=old", "orgs capture whole_org", "orgs ready whole_org all"] {
            Program::start(dir.path(), &["exec", command], None).end().await.with_code(0);
        }
        let options = ClientOptions {
            clients: 6,
            writes_per_second: 150,
            deadline_ms: 60,
            retry_ms: 15,
            slow_one_in: 8,
            slow_ms: 100,
            ..ClientOptions::default()
        };
        let clients = Clients::start(&sample, &servers.redis_url(), orgs.clone(), options).await.unwrap();
        Self { servers, dir, sample, orgs, clients }
    }

    /// Starts one command.
    pub(crate) fn start(&self, command: &str) -> Program {
        Program::start(self.dir.path(), &["exec", command], None)
    }

    /// Starts one command that kills itself at a failpoint.
    pub(crate) fn start_to_die(&self, command: &str, failpoint: &str) -> Program {
        Program::start(self.dir.path(), &["exec", command], Some(failpoint))
    }

    /// Calls the program.
    pub(crate) async fn mover(&self, arguments: &[&str]) -> Ended {
        Program::start(self.dir.path(), arguments, None).end().await
    }

    /// Carries out one command to its end.
    pub(crate) async fn exec(&self, command: &str) -> Ended {
        self.start(command).end().await
    }

    pub(crate) async fn old_store(&self) -> Client {
        connect(&self.sample.old_url).await
    }

    pub(crate) async fn new_store(&self) -> Client {
        connect(&self.sample.new_url).await
    }

    /// How many orgs are in each state, the steps of those in flight told apart.
    pub(crate) async fn states(&self) -> BTreeMap<String, i64> {
        let log = connect(&self.servers.postgres_url("mover")).await;
        let sql = "SELECT coalesce(step, state), count(*) FROM mover.org_migration_state GROUP BY 1";
        log.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Waits until the move log shows what is waited for.
    pub(crate) async fn until(&self, shown: impl Fn(&BTreeMap<String, i64>) -> bool) {
        eventually("the move log shows what is waited for", async || shown(&self.states().await)).await;
    }

    /// Where the flags lead an org's requests now.
    pub(crate) async fn route(&self, org: &SampleOrg) -> Route {
        let client = redis::Client::open(self.servers.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        RouteBy::cell().route(&mut connection, &org.name).await.unwrap()
    }

    /// The org is parked: open for writes in the old store, nothing of it left in the new one.
    pub(crate) async fn assert_parked(&self, org: &SampleOrg) {
        assert_eq!(self.route(org).await, Route::To(Store::Old), "{}", org.name);
        let sql = "SELECT (SELECT count(*) FROM organizations WHERE id = $1) + (SELECT count(*) FROM cookbooks WHERE org_id = $1)
                        + (SELECT count(*) FROM nodes WHERE org_id = $1) + (SELECT count(*) FROM client_writes WHERE org_id = $1)";
        let left: i64 = self.new_store().await.query_one(sql, &[&org.id]).await.unwrap().get(0);
        assert_eq!(left, 0, "rows of {} were left in the new store", org.name);
    }

    /// Every org lives in the new store with all its rows, open for writes; no acknowledged write is lost, none is doubled;
    /// flags, move log and `health` agree that all is well.
    pub(crate) async fn assert_all_moved(self) {
        assert_eq!(self.states().await, BTreeMap::from([("migrated".into(), ORGS.into())]));
        // Clients get on where the orgs are now.
        let before = self.clients.figures().acknowledged_new;
        let enough = async || self.clients.figures().acknowledged_new >= before + WRITES_IN_NEW_MIN;
        eventually("clients write to the new store", enough).await;
        let Self { servers, dir, sample, clients, .. } = self;
        let (ledger, figures) = clients.stop().await.unwrap();
        let found = audit(&sample, &servers.redis_url(), &RouteBy::cell(), &ledger).await.unwrap();
        assert!(found.is_clean(), "{found:#?}\n{figures:#?}");
        assert_eq!(found.orgs_on_new, u64::from(ORGS), "{found:#?}");
        assert!(figures.acknowledged_old > 0 && found.writes_checked >= figures.acknowledged(), "{figures:#?}");

        let (old, new) = (connect(&sample.old_url).await, connect(&sample.new_url).await);
        for table in UNTOUCHED {
            assert_eq!(digest(&old, table).await, digest(&new, table).await, "{table} differs");
        }
        let checked = Program::start(dir.path(), &["exec", "flags check"], None).end().await.with_code(0);
        assert!(checked.answer.contains(" 0 differ"), "{checked}");
        Program::start(dir.path(), &["health"], None).end().await.with_code(0);
    }
}

/// How many orgs are on their way.
pub(crate) fn in_flight(states: &BTreeMap<String, i64>) -> i64 {
    let at_rest = ["holding", "ready", "migrated", "failed"];
    states.iter().filter(|(state, _)| !at_rest.contains(&state.as_str())).map(|(_, orgs)| orgs).sum()
}

fn configuration(servers: &Private) -> String {
    let (state, old, new) = (servers.postgres_url("mover"), servers.postgres_url("old"), servers.postgres_url("new"));
    let (redis, migrations) = (servers.redis_url(), concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    format!(
        "[state]\nurl = {state:?}\n[redis]\nurl = {redis:?}\n[stores.old]\nurl = {old:?}\n[stores.new]\nurl = {new:?}\n\
         [migrations]\ndir = {migrations:?}\n[campaign]\nconcurrency = 3\nsleep_time_ms = 150\n\
         [node]\nlease_ms = {LEASE_MS}\n"
    )
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What a table holds, in any order.
async fn digest(client: &Client, table: &str) -> (i64, Option<String>) {
    let sql = format!("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t");
    let row = client.query_one(&sql, &[]).await.unwrap();
    (row.get(0), row.get(1))
}
