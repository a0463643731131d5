//! Keys that are written again and stay equal: a row that was logged under both is carried over once.

use crate::one_org::OneOrg;
use mover::config::{Definition, TableRule, Tenancy};
use mover::engine::{PgEngine, Store};
use mover_actors::domain::ids::{MigrationName, OrgKey};
use mover_actors::domain::record::Lease;
use mover_actors::domain::state::Way;
use mover_actors::ports::Limits;

use crate::world::{World, caught_up, copied, definition, lease, proven, refusal, store, switched};

const SCHEMA: &str = "
    CREATE EXTENSION citext;
    CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE folded (org int NOT NULL, id citext PRIMARY KEY, v text);
    CREATE TABLE sorted (org int NOT NULL, id text COLLATE nocase PRIMARY KEY, v text);
    CREATE TABLE scaled (org int NOT NULL, id numeric PRIMARY KEY, v text);
    CREATE TABLE padded (org int NOT NULL, id char(12) PRIMARY KEY, v text);
    CREATE TABLE signed (org int NOT NULL, id float8 PRIMARY KEY, v text);
    CREATE INDEX ON folded (org); CREATE INDEX ON sorted (org); CREATE INDEX ON scaled (org); CREATE INDEX ON padded (org);
    CREATE INDEX ON signed (org)";
/// A table, its key, and the same key written again.
const KEYS: [(&str, &str, &str); 5] = [
    ("folded", "'User@Example.com'", "'user@example.com'"),
    ("sorted", "'User@Example.com'", "'user@example.com'"),
    ("scaled", "1.0", "1.000"),
    ("padded", "'a '", "'a'"),
    ("signed", "0.0", "'-0'"),
];

fn engine(world: &World, tables: &[(&str, &str)]) -> PgEngine {
    let limits = Limits { max_block_ms: 5_000, max_change_backlog: 10_000, cohort_orgs: 100, cohort_rows: 16_000 };
    let rule = |(table, key): &(&str, &str)| TableRule {
        name: table.parse().unwrap(),
        tenancy: Tenancy::Key(key.parse().unwrap()),
    };
    let definition = Definition {
        name: MigrationName::new("respelled").unwrap(),
        tables: tables.iter().map(rule).collect(),
        ..definition(limits)
    };
    let open = |name: &str| Store::open(store(name), &world.server.url(name), 8).unwrap();
    PgEngine::new([open("old"), open("new")], [definition])
}

async fn guarded(world: &World, tables: &[(&str, &str)]) -> PgEngine {
    let engine = engine(world, tables);
    for name in ["old", "new"] {
        engine.install_guard(&MigrationName::new("respelled").unwrap(), &store(name)).await.unwrap();
    }
    engine
}

fn of(key: &str, epoch: i64) -> Lease {
    Lease { migration: MigrationName::new("respelled").unwrap(), key: OrgKey::new(key).unwrap(), ..lease("1", epoch) }
}

async fn texts(client: &tokio_postgres::Client, table: &str) -> Vec<String> {
    let rows = client.query(&format!("SELECT id::text || ' ' || v FROM {table} ORDER BY 1"), &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_key_is_written_anew_is_carried_over_once() {
    let world = World::start().await;
    for client in [&world.old, &world.new] {
        client.batch_execute(SCHEMA).await.unwrap();
    }
    for (number, (table, before, after)) in KEYS.iter().enumerate() {
        let engine = guarded(&world, &[(*table, "org")]).await;
        let key = (number + 1).to_string();
        let insert = format!("INSERT INTO {table} VALUES ({key}, {before}, 'old')");
        world.old.batch_execute(&insert).await.unwrap();
        copied(&engine, &of(&key, 1)).await;
        // Once in a round, and once between the proof and the switch.
        for (written, v) in [(after, "caught up"), (before, "caught up again"), (after, "last")] {
            proven(&engine.compare(&of(&key, 1), Way::Forward).await.unwrap());
            let update = format!("UPDATE {table} SET id = {written}, v = '{v}'");
            world.old.batch_execute(&update).await.unwrap();
            if v != "last" {
                caught_up(&engine, &of(&key, 1), Way::Forward).await;
            }
        }
        switched(&engine, &of(&key, 1), Way::Forward).await;
        let there = texts(&world.new, table).await;
        assert_eq!(there.len(), 1, "{table}: {there:?}");
        assert_eq!(there, texts(&world.old, table).await, "{table}");
        assert!(there[0].ends_with(" last"), "{there:?}");
    }
}

/// The directory writes keys in another case than the tables, and the move log has had them like that since before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_that_is_known_by_another_text_than_its_rows_have_is_refused_at_every_first_step() {
    let world = World::start().await;
    let schema = "CREATE TABLE things (org uuid NOT NULL, id int, PRIMARY KEY (org, id))";
    for client in [&world.old, &world.new] {
        client.batch_execute(schema).await.unwrap();
    }
    let engine = guarded(&world, &[("things", "org")]).await;
    let shouted = of("0A0B0C0D-0000-4000-8000-00000000ABCD", 1);
    for reason in [
        refusal(engine.capture(&shouted).await),
        refusal(engine.copy_live(&shouted).await),
        refusal(engine.catch_up(&shouted, Way::Forward).await),
        refusal(engine.catch_up(&shouted, Way::Back).await),
        refusal(engine.back_up(&shouted).await),
    ] {
        let remedy = "UPDATE mover.org_migration_state SET org_key = '0a0b0c0d-0000-4000-8000-00000000abcd' \
                      WHERE migration = 'respelled' AND org_name = 'org 1'";
        assert!(reason.contains(remedy), "{reason}");
    }
    // Releasing it is never refused.
    engine.release(&shouted).await.unwrap();
    engine.capture(&of("0a0b0c0d-0000-4000-8000-00000000abcd", 2)).await.unwrap();
}

/// Equal numbers are one org, with as many zeros as they are written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_written_with_zeros_are_of_one_org() {
    let world = World::start().await;
    let schema =
        "CREATE TABLE amounts (org numeric NOT NULL, id int PRIMARY KEY, v text); CREATE INDEX ON amounts (org)";
    for client in [&world.old, &world.new] {
        client.batch_execute(schema).await.unwrap();
    }
    world.old.batch_execute("INSERT INTO amounts VALUES (7, 1, 'a'), (7.0, 2, 'a'), (8, 3, 'a')").await.unwrap();
    let engine = guarded(&world, &[("amounts", "org")]).await;
    copied(&engine, &of("7", 1)).await;
    world.old.batch_execute("UPDATE amounts SET v = 'b'; INSERT INTO amounts VALUES (7.00, 4, 'b')").await.unwrap();
    assert_eq!(caught_up(&engine, &of("7", 1), Way::Forward).await, 3);
    proven(&engine.compare(&of("7", 1), Way::Forward).await.unwrap());
    switched(&engine, &of("7", 1), Way::Forward).await;
    for sql in ["UPDATE amounts SET v = 'stale' WHERE id = 2", "INSERT INTO amounts VALUES (7.000, 5, 'stale')"] {
        let refused = world.old.batch_execute(sql).await.unwrap_err();
        assert_eq!(refused.as_db_error().map(|said| said.code().code()), Some("MV001"), "{refused}");
    }
    assert_eq!(world.count(&world.new, "amounts WHERE v = 'b'").await, 3);
}
