//! A store behind a pooler is refused, and nothing of Mover is left in the sessions that the pooler gives to applications.

use mover::engine::{Level, PgEngine, Store};
use tokio_postgres::{Client, NoTls};

use crate::pgbouncer::PgBouncer;
use crate::world::{World, definition, keyed, migration, store};

const SCHEMA: &str =
    "CREATE TABLE orgs (id int PRIMARY KEY, name text); CREATE TABLE notes (id int PRIMARY KEY, org int)";
/// Mover's own sessions with the other store, on the same server, may have some.
const ADVISORY: &str = "pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Every way in which one server session can serve several clients; with a pool of one, the same session always comes back.
const POOLS: [&str; 6] = [
    "pool_mode = transaction\ndefault_pool_size = 4",
    "pool_mode = transaction\ndefault_pool_size = 1",
    "pool_mode = transaction\ndefault_pool_size = 4\nserver_round_robin = 1",
    "pool_mode = transaction\ndefault_pool_size = 1\nserver_reset_query_always = 1",
    "pool_mode = statement\ndefault_pool_size = 1",
    "pool_mode = session\ndefault_pool_size = 4\nserver_reset_query =",
];

async fn connect(pooler: &PgBouncer, user: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&pooler.url(user, "old"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The settings that differ from those of a fresh session, among those that Mover sets for its own.
async fn foreign_settings(client: &Client) -> Vec<String> {
    let sql = "SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session' AND name NOT IN \
        ('application_name', 'client_encoding')";
    let rows = client.simple_query(sql).await.unwrap();
    let setting = |row| match row {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
        _ => None,
    };
    rows.into_iter().filter_map(setting).collect()
}

#[tokio::test]
async fn a_store_behind_a_pooler_is_refused_before_anything_is_set() {
    for pool in POOLS {
        let world = World::with_schema(SCHEMA).await;
        let pooler = PgBouncer::start(&world.server, pool).await;
        let stores = [
            Store::open(store("old"), &pooler.url("mover", "old"), 4).unwrap(),
            Store::open(store("new"), &world.server.url("new"), 4).unwrap(),
        ];
        let engine = PgEngine::new(stores, [definition(vec![keyed("notes", "org")])]);
        let report = engine.check(&migration()).await;
        let problems: Vec<String> = report.of_level(Level::Problem).map(ToString::to_string).collect();
        let [problem] = problems.as_slice() else { panic!("{pool}: {problems:?}") };
        for says in ["store old", "connection pooler", "[stores.old]", "host and port"] {
            assert!(problem.contains(says), "{pool}: {problem}");
        }
        let error = engine.refresh(&migration()).await.unwrap_err();
        assert!(!error.transient && error.reason.contains("connection pooler"), "{pool}: {error}");
        // The application has the role of Mover here, and so its sessions.
        for _ in 0..6 {
            let application = connect(&pooler, "mover").await;
            assert_eq!(foreign_settings(&application).await, [""; 0], "{pool}");
        }
        assert_eq!(world.count(&world.old, ADVISORY).await, 0, "{pool}");
    }
}
