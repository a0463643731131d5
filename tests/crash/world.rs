//! The world of every test: two stores, a move log, flags, orgs in the old store that are ready to move, and clients.

use std::collections::BTreeMap;
use std::path::Path;

use mover::demo::audit::audit;
use mover::demo::clients::{ClientOptions, Clients};
use mover::demo::route::{Route, RouteBy, Store};
use mover::demo::sample::{MOVED_TABLES, Sample, SampleOrg, Shape};
use mover::demo::{WHOLE_ORG, WHOLE_ORG_OFFLINE};
use mover::embedded::{Options, Private};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::program::{Ended, Program, eventually};

pub(crate) const ORGS: u32 = 8;
/// The shipped migrations of whole orgs.
pub(crate) const OFFLINE: &str = "whole_org_offline";
pub(crate) const ONLINE: &str = "whole_org";
const ROWS: u64 = 600;

/// A dead process must be detected by its released locks, never by an expired lease: a test would not run that long.
const LEASE_MS: u32 = 600_000;

/// How many writes must be acknowledged in a store before a test is satisfied that clients continue there.
const WRITES_MIN: u64 = 10;

/// Tables that clients change. The others must stay the same wherever they are.
const WRITTEN: [&str; 3] = ["containers", "nodes", "client_writes"];

/// Where the shipped definitions are.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");

pub(crate) struct World {
    pub(crate) servers: Private,
    dir: TempDir,
    sample: Sample,
    pub(crate) orgs: Vec<SampleOrg>,
    clients: Clients,
    untouched: Digests,
}

impl World {
    /// Everything is in place, all orgs are ready, and clients write. Orgs move in cohorts, or with `MOVER_TEST_ONE_BY_ONE` in the
    /// environment each alone.
    pub(crate) async fn ready(migration: &str) -> Self {
        match std::env::var_os("MOVER_TEST_ONE_BY_ONE") {
            Some(_) => Self::ready_one_by_one(migration).await,
            None => Self::with_definitions(migration, &[]).await,
        }
    }

    /// The same, and each org goes alone.
    pub(crate) async fn ready_one_by_one(migration: &str) -> Self {
        let alone = |text: &str| format!("{text}\n[limits]\ncohort_orgs = 1\n");
        let definitions = [("whole_org", alone(WHOLE_ORG)), ("whole_org_offline", alone(WHOLE_ORG_OFFLINE))];
        Self::with_definitions(migration, &definitions).await
    }

    /// With definitions of its own, or with the shipped ones.
    async fn with_definitions(migration: &str, definitions: &[(&str, String)]) -> Self {
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-template");
        let servers = Private::start(Options::throwaway().template(template)).await.unwrap();
        for database in ["mover", "old", "new"] {
            servers.ensure_database(database).await.unwrap();
        }
        let sample = Sample { old_url: servers.postgres_url("old"), new_url: servers.postgres_url("new") };
        sample.reset(&Shape::demo().orgs(ORGS).rows(ROWS), |_| {}).await.unwrap();
        let orgs = sample.orgs().await.unwrap();
        let untouched = digests(&connect(&sample.old_url).await).await;
        let dir = tempfile::tempdir().unwrap();
        let mut configured = configuration(&servers);
        if !definitions.is_empty() {
            std::fs::create_dir(dir.path().join("migrations")).unwrap();
            configured = configured.replace(SHIPPED, "migrations");
        }
        std::fs::write(dir.path().join("mover.toml"), configured).unwrap();
        for (name, text) in definitions {
            std::fs::write(dir.path().join(format!("migrations/{name}.toml")), text).unwrap();
        }
        let (capture, ready) = (format!("orgs capture {migration}"), format!("orgs ready {migration} all"));
        for command in ["darklaunch default cell=old", &capture, &ready] {
            Program::start(dir.path(), &["exec", "--yes", command], None).end().await.with_code(0);
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
        Self { servers, dir, sample, orgs, clients, untouched }
    }

    /// Where the program runs, and its mover.toml is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts one command.
    pub(crate) fn start(&self, command: &str) -> Program {
        Program::start(self.dir.path(), &["exec", "--yes", command], None)
    }

    /// Starts one command that kills itself at a failpoint.
    pub(crate) fn start_to_die(&self, command: &str, failpoint: &str) -> Program {
        Program::start(self.dir.path(), &["exec", "--yes", command], Some(failpoint))
    }

    /// Another setting from now on.
    pub(crate) fn configure(&self, before: &str, now: &str) {
        let file = self.dir.path().join("mover.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(before), "{text}");
        std::fs::write(file, text.replace(before, now)).unwrap();
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

    pub(crate) async fn log(&self) -> Client {
        connect(&self.servers.postgres_url("mover")).await
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

    /// From now on the first of these orgs cannot be copied, and the copy of the second is wrong.
    pub(crate) async fn spoil(&self, uncopied: &SampleOrg, unverified: &SampleOrg) {
        let poison = "UPDATE cookbooks SET name = 'poison' WHERE org_id = $1";
        assert!(self.old_store().await.execute(poison, &[&uncopied.id]).await.unwrap() > 0);
        let fraction = "UPDATE organizations SET created_at = created_at + interval '0.25 s' WHERE id = $1";
        assert!(self.old_store().await.execute(fraction, &[&unverified.id]).await.unwrap() > 0);
        let spoil = "ALTER TABLE cookbooks ADD CONSTRAINT no_poison CHECK (name <> 'poison');
             ALTER TABLE organizations ALTER COLUMN created_at TYPE timestamptz(0)";
        self.new_store().await.batch_execute(spoil).await.unwrap();
    }

    /// All orgs can be moved again.
    pub(crate) async fn mend(&mut self) {
        let mend = "ALTER TABLE cookbooks DROP CONSTRAINT no_poison;
             ALTER TABLE organizations ALTER COLUMN created_at TYPE timestamptz";
        self.new_store().await.batch_execute(mend).await.unwrap();
        // The changed rows are the orgs' own.
        self.untouched = digests(&self.old_store().await).await;
    }

    /// Installs the guard for a campaign, which a gate would block.
    pub(crate) async fn install_guard(&self) {
        for store in ["old", "new"] {
            self.mover(&["guard", "install", store, "--awake"]).await.with_code(0);
        }
    }

    /// Waits until writes of an org that is being moved online are there to be carried over.
    pub(crate) async fn until_changes_are_logged(&self) {
        let old = self.old_store().await;
        let sql = "SELECT EXISTS (SELECT FROM mover.change_log)";
        let logged = async || old.query_one(sql, &[]).await.unwrap().get(0);
        eventually("clients write to an org that is being moved", logged).await;
    }

    /// Nothing in the old store says that an org was in flight.
    pub(crate) async fn assert_unguarded(&self, org: &SampleOrg) {
        let sql = "SELECT mode || (SELECT count(*) FROM mover.change_log WHERE org_key = $1)
                   FROM mover.org_guard WHERE org_key = $1";
        let left: String = self.old_store().await.query_one(sql, &[&org.id.to_string()]).await.unwrap().get(0);
        assert_eq!(left, "settled0", "{}", org.name);
    }

    /// The org is parked: open for writes in the old store, nothing of it left in the new one.
    pub(crate) async fn assert_parked(&self, org: &SampleOrg) {
        assert_eq!(self.route(org).await, Route::To(Store::Old), "{}", org.name);
        let sql = "SELECT (SELECT count(*) FROM organizations WHERE id = $1) + (SELECT count(*) FROM cookbooks WHERE org_id = $1)
                        + (SELECT count(*) FROM nodes WHERE org_id = $1) + (SELECT count(*) FROM client_writes WHERE org_id = $1)";
        let left: i64 = self.new_store().await.query_one(sql, &[&org.id]).await.unwrap().get(0);
        assert_eq!(left, 0, "rows of {} were left in the new store", org.name);
    }

    /// Every org lives in the new store, and everything that clients do not change is as it was, in both stores.
    pub(crate) async fn assert_all_moved(self) {
        let rest = self.come_to_rest("migrated", Store::New).await;
        assert_eq!(digests(&rest.new).await, rest.untouched, "in the new store");
        assert_eq!(digests(&rest.old).await, rest.untouched, "in the old store");
    }

    /// Every org lives in the old store again, and nothing of it is left in the new one.
    pub(crate) async fn assert_all_rolled_back(self) {
        let rest = self.come_to_rest("rolled_back", Store::Old).await;
        assert_eq!(digests(&rest.old).await, rest.untouched, "in the old store");
        assert_empty(&rest.new).await;
    }

    /// Every org lives in the new store, and nothing of it is left in the old one.
    pub(crate) async fn assert_all_finalized(self) {
        let rest = self.come_to_rest("finalized", Store::New).await;
        assert_eq!(digests(&rest.new).await, rest.untouched, "in the new store");
        assert_empty(&rest.old).await;
    }

    /// Every org is in this state and open for writes in this store; no acknowledged write is lost, none is duplicated; flags,
    /// move log, `doctor` and `health` agree that all is well.
    async fn come_to_rest(self, state: &str, store: Store) -> AtRest {
        assert_eq!(self.states().await, BTreeMap::from([(state.into(), ORGS.into())]));
        // Clients get on where the orgs are now.
        let acknowledged = || {
            let figures = self.clients.figures();
            if store == Store::New { figures.acknowledged_new } else { figures.acknowledged_old }
        };
        let before = acknowledged();
        eventually("clients write where the orgs are", async || acknowledged() >= before + WRITES_MIN).await;
        let Self { servers, dir, sample, clients, untouched, .. } = self;
        let (ledger, figures) = clients.stop().await.unwrap();
        let found = audit(&sample, &servers.redis_url(), &RouteBy::cell(), &ledger).await.unwrap();
        assert!(found.is_clean(), "{found:#?}\n{figures:#?}");
        assert_eq!(found.orgs_on_new, if store == Store::New { u64::from(ORGS) } else { 0 }, "{found:#?}");
        assert!(figures.acknowledged_old > 0 && found.writes_checked >= figures.acknowledged(), "{figures:#?}");

        let checked = Program::start(dir.path(), &["exec", "flags check"], None).end().await.with_code(0);
        assert!(checked.answer.contains(" 0 differ"), "{checked}");
        for command in ["health", "doctor"] {
            Program::start(dir.path(), &[command], None).end().await.with_code(0);
        }
        let (old, new) = (connect(&sample.old_url).await, connect(&sample.new_url).await);
        AtRest { untouched, old, new, _servers: servers }
    }
}

/// What is left to check when all orgs are where they should be.
struct AtRest {
    untouched: Digests,
    old: Client,
    new: Client,
    _servers: Private,
}

/// How many orgs are in flight.
pub(crate) fn in_flight(states: &BTreeMap<String, i64>) -> i64 {
    let at_rest = ["holding", "ready", "migrated", "failed", "rolled_back", "finalized"];
    states.iter().filter(|(state, _)| !at_rest.contains(&state.as_str())).map(|(_, orgs)| orgs).sum()
}

pub(crate) fn configuration(servers: &Private) -> String {
    let (state, old, new) = (servers.postgres_url("mover"), servers.postgres_url("old"), servers.postgres_url("new"));
    let (redis, migrations) = (servers.redis_url(), SHIPPED);
    format!(
        "[state]\nurl = {state:?}\n[redis]\nurl = {redis:?}\n[stores.old]\nurl = {old:?}\n[stores.new]\nurl = {new:?}\n\
         [migrations]\ndir = {migrations:?}\n[campaign]\nconcurrency = 3\nsleep_time_ms = 150\n\
         [node]\nlease_ms = {LEASE_MS}\n[engine]\ncopy_range_rows = 40\nrolled_back_copy_ms = 0\n"
    )
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What the tables hold that clients do not change.
type Digests = Vec<(&'static str, i64, Option<String>)>;

async fn digests(client: &Client) -> Digests {
    let mut digests = Vec::new();
    for table in MOVED_TABLES.into_iter().filter(|table| !WRITTEN.contains(table)) {
        let sql = format!("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t");
        let row = client.query_one(&sql, &[]).await.unwrap();
        digests.push((table, row.get(0), row.get(1)));
    }
    digests
}

async fn assert_empty(client: &Client) {
    for table in MOVED_TABLES {
        let rows: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(rows, 0, "rows are left in {table}");
    }
}
