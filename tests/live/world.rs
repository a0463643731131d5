//! Two guarded databases, an online migration between them, and a lease on an org.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::one_org::OneOrg;
use mover::config::{Definition, OrgDirectory, TableRule, Tenancy, Via};
use mover::engine::{LiveLimits, PgEngine, Store, Trust};
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::{Backup, Lease};
use mover_actors::domain::state::{Strategy, Way};
use mover_actors::domain::verified::{Tally, Verified};
use mover_actors::ports::{BackedUp, CaughtUp, EngineError, Limits, WriteBlock};
use tokio_postgres::Client;

use crate::servers::Server;
use crate::support::handed_over;

/// What a session does from then on is not logged, and not refused.
pub(crate) const UNSEEN: &str = "SET session_replication_role = replica;";

pub(crate) const MIGRATION: &str = "whole_org";

const TABLES: [&str; 6] = ["accounts", "groups", "members", "remarks", "lines", "events"];

/// Two databases on one server, and connections to look into them.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) old: Client,
    pub(crate) new: Client,
}

impl World {
    /// Both guarded, with rows of three orgs in the old one.
    pub(crate) async fn start() -> Self {
        let server = Server::start().await;
        for name in ["old", "new"] {
            server.create_database(name).await;
        }
        let (old, new) = (server.connect("old").await, server.connect("new").await);
        for client in [&old, &new] {
            client.batch_execute(include_str!("schema.sql")).await.unwrap();
        }
        old.batch_execute(include_str!("rows.sql")).await.unwrap();
        // Numbers that one store hands out must not be taken in the other, where other orgs still live.
        let ahead = "SELECT setval('accounts_id_seq', 1000000), setval('lines_id_seq', 1000000)";
        new.batch_execute(ahead).await.unwrap();
        let world = Self { server, old, new };
        for name in ["old", "new"] {
            world.engine().install_guard(&MigrationName::new(MIGRATION).unwrap(), &store(name)).await.unwrap();
        }
        world
    }

    pub(crate) fn engine(&self) -> PgEngine {
        self.engine_that_blocks_for(5_000)
    }

    pub(crate) fn engine_that_blocks_for(&self, max_block_ms: u64) -> PgEngine {
        let limits = Limits { max_block_ms, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 };
        let store = |name: &str| Store::open(store(name), &self.server.url(name), 8).unwrap();
        PgEngine::new([store("old"), store("new")], [definition(limits)])
            .with_backups_in(backups())
            .with_backup_keys(Arc::new(KEY))
    }

    /// An engine whose migration has one more table.
    pub(crate) fn engine_with(&self, table: TableRule) -> PgEngine {
        self.engine_whose(|tables| tables.push(table))
    }

    /// An engine whose migration lacks a table.
    pub(crate) fn engine_without(&self, table: &str) -> PgEngine {
        self.engine_whose(|tables| tables.retain(|rule| rule.name.to_string() != table))
    }

    fn engine_whose(&self, change: impl FnOnce(&mut Vec<TableRule>)) -> PgEngine {
        let limits = Limits { max_block_ms: 5_000, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 };
        let mut definition = definition(limits);
        change(&mut definition.tables);
        let store = |name: &str| Store::open(store(name), &self.server.url(name), 8).unwrap();
        PgEngine::new([store("old"), store("new")], [definition])
            .with_backups_in(backups())
            .with_backup_keys(Arc::new(KEY))
    }

    pub(crate) async fn count(&self, client: &Client, sql: &str) -> i64 {
        client.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await.unwrap().get(0)
    }

    /// The mode of an org in a store.
    pub(crate) async fn mode(&self, client: &Client, key: &str) -> Option<String> {
        let sql = "SELECT mode FROM mover.org_guard WHERE org_key = $1";
        client.query_opt(sql, &[&key]).await.unwrap().map(|row| row.get(0))
    }

    pub(crate) async fn modes(&self, key: &str) -> (String, String) {
        let shown = |mode: Option<String>| mode.unwrap_or_else(|| "-".into());
        (shown(self.mode(&self.old, key).await), shown(self.mode(&self.new, key).await))
    }

    /// All rows of an org as text.
    pub(crate) async fn rows(&self, client: &Client, key: &str) -> Vec<String> {
        rows_where(client, "=", key).await
    }

    /// All rows of the other orgs, in both stores.
    pub(crate) async fn others(&self, key: &str) -> Vec<String> {
        let mut rows = rows_where(&self.old, "<>", key).await;
        rows.extend(rows_where(&self.new, "<>", key).await);
        rows
    }

    pub(crate) async fn assert_alike(&self, key: &str) {
        let (old, new) = (self.rows(&self.old, key).await, self.rows(&self.new, key).await);
        let only_old: Vec<_> = old.iter().filter(|row| !new.contains(row)).collect();
        let only_new: Vec<_> = new.iter().filter(|row| !old.contains(row)).collect();
        assert!(only_old.is_empty() && only_new.is_empty(), "only in old: {only_old:#?}\nonly in new: {only_new:#?}");
        assert_eq!(old.len(), new.len());
    }

    /// For orgs that are too big to be compared row by row.
    pub(crate) async fn assert_alike_in_numbers(&self, key: &str) {
        for table in ["accounts", "events"] {
            let sql = format!("SELECT count(*), sum(hashtext(t::text)) FROM {table} t WHERE org = {key}");
            let [old, new] = [&self.old, &self.new].map(|client| client.query_one(&sql, &[]));
            let (old, new) = tokio::join!(old, new);
            let numbers = |row: tokio_postgres::Row| (row.get::<_, i64>(0), row.get::<_, i64>(1));
            assert_eq!(numbers(old.unwrap()), numbers(new.unwrap()), "{table}");
        }
    }

    /// Waits until a query in a store answers with a number other than 0. In a session of its own: in an open transaction the
    /// views of activity stand still.
    pub(crate) async fn wait_for(&self, store: &str, sql: &str) {
        let client = self.server.connect(store).await;
        for _ in 0..2_000 {
            if self.count(&client, sql).await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {sql}");
    }
}

async fn rows_where(client: &Client, compares: &str, key: &str) -> Vec<String> {
    let group = format!("group_id IN (SELECT id FROM groups WHERE org {compares} {key})");
    let mut rows = Vec::new();
    for table in TABLES {
        let condition = match table {
            "members" | "remarks" => group.clone(),
            "lines" => format!("remark IN (SELECT id FROM remarks WHERE {group})"),
            _ => format!("org {compares} {key}"),
        };
        let sql = format!("SELECT '{table} ' || t::text FROM {table} t WHERE {condition} ORDER BY 1");
        rows.extend(client.query(&sql, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
    }
    rows
}

/// Copies an org without concurrent writes, until the switch could begin.
pub(crate) async fn copied(engine: &PgEngine, lease: &Lease) {
    engine.capture(lease).await.unwrap();
    engine.copy_live(lease).await.unwrap();
}

/// Rounds until nothing is left; answers how many keys there were.
pub(crate) async fn caught_up(engine: &PgEngine, lease: &Lease, way: Way) -> i64 {
    let mut sum = 0;
    loop {
        let CaughtUp { keys, left } = engine.catch_up(lease, way).await.unwrap();
        sum += keys;
        if left == 0 {
            return sum;
        }
    }
}

pub(crate) fn proven((leaving, receiving): &(Tally, Tally)) -> i64 {
    Verified::compare(leaving, receiving).unwrap().tally().rows()
}

/// The block of writers, if the org has not moved yet; a slow machine may need longer than a test allows.
async fn asked_to_block(engine: &PgEngine, lease: &Lease, way: Way) -> Option<Box<dyn WriteBlock>> {
    loop {
        match engine.block(lease, way).await {
            Ok(block) => return block,
            Err(error) if error.transient => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) async fn blocked(engine: &PgEngine, lease: &Lease) -> Box<dyn WriteBlock> {
    asked_to_block(engine, lease, Way::Forward).await.unwrap()
}

/// From the block to the release; tried again when it took too long.
pub(crate) async fn switched(engine: &PgEngine, lease: &Lease, way: Way) {
    loop {
        let Some(mut block) = asked_to_block(engine, lease, way).await else {
            return engine.complete(lease, way).await.unwrap();
        };
        match handed_over(&mut block).await {
            Ok(_) => {
                block.release().await.unwrap();
                return;
            }
            Err(error) if error.transient => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A whole move.
pub(crate) async fn moved(engine: &PgEngine, lease: &Lease) {
    copied(engine, lease).await;
    engine.catch_up(lease, Way::Forward).await.unwrap();
    proven(&engine.compare(lease, Way::Forward).await.unwrap());
    switched(engine, lease, Way::Forward).await;
}

/// A refusal that stays.
pub(crate) fn refusal<T>(result: Result<T, EngineError>) -> String {
    let Err(error) = result else { panic!("it was not refused") };
    assert!(!error.transient, "{error}");
    error.reason
}

pub(crate) fn store(name: &str) -> StoreName {
    StoreName::new(name).unwrap()
}

pub(crate) fn small_ranges() -> LiveLimits {
    LiveLimits { range_rows: 7, ..LiveLimits::default() }
}

pub(crate) fn impatient() -> LiveLimits {
    LiveLimits { lock_budget: Duration::from_millis(300), ..LiveLimits::default() }
}

/// A new directory for backups.
pub(crate) fn backups() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("live.{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Where no backup is.
pub(crate) fn no_backup() -> BackedUp {
    BackedUp { file: Backup { path: "nowhere".into(), sum: None }, rows: 0 }
}

/// What backups are signed with.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// Loads a signed backup; returns how many rows.
pub(crate) async fn restored(engine: &PgEngine, file: &Path, to: &str) -> Result<i64, EngineError> {
    let backup = engine.open_backup(file, Trust::Signed).await?;
    engine.restore(&backup, &store(to)).await.map(|restored| restored.rows)
}

pub(crate) fn definition(limits: Limits) -> Definition {
    Definition {
        name: MigrationName::new(MIGRATION).unwrap(),
        aliases: vec![],
        strategy: Strategy::Online,
        from: store("old"),
        to: store("new"),
        components: vec![],
        org: OrgDirectory { table: "orgs".parse().unwrap(), name: "name".parse().unwrap(), key: "id".parse().unwrap() },
        tables: vec![
            via("lines", ("remark", "remarks", "id")),
            keyed("accounts"),
            keyed("groups"),
            via("members", ("group_id", "groups", "id")),
            via("remarks", ("group_id", "groups", "id")),
            keyed("events"),
        ],
        shared_tables: Vec::new(),
        ignored_tables: Vec::new(),
        steps: Vec::new(),
        routing: Routing::default(),
        limits,
    }
}

pub(crate) fn keyed(table: &str) -> TableRule {
    TableRule { name: table.parse().unwrap(), tenancy: Tenancy::Key("org".parse().unwrap()) }
}

pub(crate) fn via(table: &str, (column, parent, parent_column): (&str, &str, &str)) -> TableRule {
    let hop = Via {
        column: column.parse().unwrap(),
        parent: parent.parse().unwrap(),
        parent_column: parent_column.parse().unwrap(),
    };
    TableRule { name: table.parse().unwrap(), tenancy: Tenancy::Via(vec![hop]) }
}

pub(crate) fn lease(key: &str, epoch: i64) -> Lease {
    Lease {
        id: MoveId(1),
        migration: MigrationName::new(MIGRATION).unwrap(),
        org: OrgName::new(format!("org {key}")).unwrap(),
        key: OrgKey::new(key).unwrap(),
        epoch: Epoch(epoch),
    }
}
