//! Two databases with tables of many kinds, guarded for an online migration, and an application that knows nothing of Mover.

use std::time::Duration;

use mover::config::{Definition, OrgDirectory, TableRule, Tenancy, Via};
use mover::engine::{GuardStatus, PgEngine, Store};
use mover_actors::domain::flags::Routing;
use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Strategy;
use mover_actors::ports::{EngineError, Limits};
use tokio_postgres::{Client, Error, NoTls};

use crate::servers::Server;

pub(crate) const MIGRATION: &str = "whole_org";
/// Its name is too long for names of triggers.
pub(crate) const OTHER_MIGRATION: &str = "another_migration_of_some_tables_of_the_same_stores";
pub(crate) const ODD_TABLE: &str = r#""Odd {schema}"."{rows} ""T"" 'x' $mover$ %s""#;

/// The places that are to be guarded, as Postgres writes them.
pub(crate) const PLACES: [&str; 14] = [
    r#""Odd {schema}"."{rows} ""T"" 'x' $mover$ %s""#,
    "public.badges",
    "public.collated",
    "public.events",
    "public.events_2025",
    "public.events_2026",
    "public.events_2026_1",
    "public.events_2026_others",
    "public.files",
    "public.groups",
    "public.kinds",
    "public.members",
    "public.notes",
    "public.stickers",
];

/// Two databases on one server.
pub(crate) struct World {
    pub(crate) server: Server,
    /// The superuser in the leaving store, for reads and for setting modes.
    pub(crate) old: Client,
    pub(crate) new: Client,
    /// The application in the leaving store. It has no right to anything in schema `mover`.
    pub(crate) app: Client,
}

impl World {
    /// The guard is installed in both stores.
    pub(crate) async fn guarded() -> Self {
        let world = Self::bare().await;
        let engine = world.engine();
        for store in ["old", "new"] {
            engine.install_guard(&migration(), &store_name(store)).await.unwrap();
        }
        world
    }

    /// Nothing of the guard is there.
    pub(crate) async fn bare() -> Self {
        let server = Server::start().await;
        server.everywhere("CREATE ROLE app LOGIN").await;
        for name in ["old", "new"] {
            server.create_database(name).await;
        }
        let (old, new) = (server.connect("old").await, server.connect("new").await);
        let rights = r#"GRANT USAGE, CREATE ON SCHEMA public TO app; GRANT USAGE ON SCHEMA "Odd {schema}" TO app;
            GRANT ALL ON ALL TABLES IN SCHEMA public, "Odd {schema}" TO app"#;
        for client in [&old, &new] {
            client.batch_execute(include_str!("schema.sql")).await.unwrap();
            client.batch_execute(rights).await.unwrap();
        }
        let app = connect_as(&server, "app", "old").await;
        Self { server, old, new, app }
    }

    pub(crate) fn engine(&self) -> PgEngine {
        self.engine_as("mover")
    }

    pub(crate) fn engine_as(&self, role: &str) -> PgEngine {
        let store = |name: &str| Store::open(store_name(name), &self.server.url_as(role, name), 4).unwrap();
        PgEngine::new([store("old"), store("new")], [definition(), other_definition()])
    }

    pub(crate) async fn install(&self) -> Vec<String> {
        self.engine().install_guard(&migration(), &store_name("old")).await.unwrap()
    }

    pub(crate) async fn status(&self) -> GuardStatus {
        self.engine().guard_status(&migration(), &store_name("old")).await.unwrap()
    }

    /// One more connection of the application.
    pub(crate) async fn another_app(&self) -> Client {
        connect_as(&self.server, "app", "old").await
    }

    /// Sets the mode of an org in the leaving store.
    pub(crate) async fn set_mode(&self, org: &str, mode: &str) {
        set_mode(&self.old, org, mode).await;
    }

    /// The keys logged since the last call: `org table {key}`, with `+` if the subtree of the row is included.
    pub(crate) async fn logged(&self) -> Vec<String> {
        let sql = "WITH taken AS (DELETE FROM mover.change_log RETURNING *)
            SELECT format('%s %s %s%s', org_key, table_name, row_key, CASE WHEN subtree THEN ' +' ELSE '' END) FROM taken";
        let mut lines: Vec<String> = self.old.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        lines.sort();
        lines
    }

    /// The application writes; then exactly these keys are logged.
    pub(crate) async fn assert_logs(&self, sql: &str, expected: &[&str]) {
        self.app.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.logged().await, expected, "{sql}");
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.old.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await.unwrap().get(0)
    }

    /// Waits until a query of the superuser finds something.
    pub(crate) async fn wait_for(&self, sql: &str) {
        for _ in 0..3_000 {
            if self.count(sql).await > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {sql}");
    }
}

/// The error that an application gets.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: String,
    pub(crate) hint: String,
}

pub(crate) fn refused<T>(result: Result<T, Error>) -> Refusal {
    let Err(error) = result else { panic!("it was not refused") };
    let told = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Refusal {
        code: told.code().code().to_owned(),
        message: told.message().to_owned(),
        detail: text(told.detail()),
        hint: text(told.hint()),
    }
}

/// A refusal by the engine that stays.
pub(crate) fn reason<T>(result: Result<T, EngineError>) -> String {
    let Err(error) = result else { panic!("it was not refused") };
    assert!(!error.transient, "{error}");
    error.to_string()
}

pub(crate) async fn connect_as(server: &Server, role: &str, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url_as(role, database), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Makes the triggers watch the org; until then they watch nothing.
pub(crate) async fn watch(client: &Client, org: &str) {
    client.query("SELECT mover.watch(ARRAY[$1])", &[&org]).await.unwrap();
}

pub(crate) async fn set_mode(client: &Client, org: &str, mode: &str) {
    let sql = "INSERT INTO mover.org_guard (migration, org_key, mode, epoch) VALUES ($1, $2, $3, 1)
        ON CONFLICT (migration, org_key) DO UPDATE SET mode = excluded.mode, epoch = 1";
    client.execute(sql, &[&MIGRATION, &org, &mode]).await.unwrap();
    watch(client, org).await;
}

pub(crate) fn lease(org: &str) -> Lease {
    Lease {
        id: MoveId(1),
        migration: migration(),
        org: OrgName::new(format!("org {org}")).unwrap(),
        key: OrgKey::new(org).unwrap(),
        epoch: Epoch(7),
    }
}

pub(crate) fn migration() -> MigrationName {
    MigrationName::new(MIGRATION).unwrap()
}

pub(crate) fn other_migration() -> MigrationName {
    MigrationName::new(OTHER_MIGRATION).unwrap()
}

pub(crate) fn store_name(name: &str) -> StoreName {
    StoreName::new(name).unwrap()
}

pub(crate) fn definition() -> Definition {
    define(
        MIGRATION,
        vec![
            keyed("notes", "org"),
            keyed("groups", "org"),
            via("members", &[("group_id", "groups", "id")]),
            via("files", &[("group_code", "groups", "code")]),
            via("badges", &[("member", "members", "id"), ("group_id", "groups", "id")]),
            via("stickers", &[("badge", "badges", "id")]),
            keyed("events", "org"),
            keyed(ODD_TABLE, "\"Org Id\""),
            keyed("kinds", "org"),
            keyed("collated", "org"),
        ],
    )
}

fn other_definition() -> Definition {
    define(OTHER_MIGRATION, vec![keyed("notes", "org"), keyed("events", "org")])
}

pub(crate) fn define(name: &str, tables: Vec<TableRule>) -> Definition {
    Definition {
        name: MigrationName::new(name).unwrap(),
        aliases: vec![],
        strategy: Strategy::Online,
        from: store_name("old"),
        to: store_name("new"),
        components: vec![],
        org: OrgDirectory { table: "orgs".parse().unwrap(), name: "name".parse().unwrap(), key: "id".parse().unwrap() },
        tables,
        shared_tables: Vec::new(),
        ignored_tables: Vec::new(),
        steps: Vec::new(),
        routing: Routing::default(),
        limits: Limits { max_block_ms: 5_000, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 },
    }
}

pub(crate) fn keyed(table: &str, column: &str) -> TableRule {
    TableRule { name: table.parse().unwrap(), tenancy: Tenancy::Key(column.parse().unwrap()) }
}

/// A table reached through hops of (column, parent, parent's column).
pub(crate) fn via(table: &str, hops: &[(&str, &str, &str)]) -> TableRule {
    let hop = |(column, parent, parent_column): &(&str, &str, &str)| Via {
        column: column.parse().unwrap(),
        parent: parent.parse().unwrap(),
        parent_column: parent_column.parse().unwrap(),
    };
    TableRule { name: table.parse().unwrap(), tenancy: Tenancy::Via(hops.iter().map(hop).collect()) }
}
