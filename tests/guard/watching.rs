//! Triggers are called only for orgs that may not be settled, and for all of those.

use crate::one_org::OneOrg;
use futures_util::TryStreamExt;
use mover::engine::{PgEngine, Store};

use crate::world::{World, connect_as, define, keyed, lease, migration, refused, store_name, watch};

/// Types of keys, and keys as Postgres writes them.
const KEYS: [(&str, &[&str]); 8] = [
    ("smallint", &["0", "7", "-5", "32767", "-32768"]),
    ("integer", &["0", "63", "64", "-1", "2147483647", "-2147483648"]),
    ("bigint", &["1", "-64", "9223372036854775807", "-9223372036854775808"]),
    ("text", &["7", "acme", "Ünïcödé", "with space", "9223372036854775808", "00000000-0000-0000-0000-00000000000x"]),
    ("varchar(40)", &["7", "acme"]),
    ("text COLLATE \"C\"", &["acme"]),
    ("uuid", &["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    // Several texts for one value: the triggers look at every write.
    ("numeric", &["7", "7.5"]),
];

/// A table for each type, in both stores.
async fn create_tables(world: &World) {
    for (number, (written, _)) in KEYS.iter().enumerate() {
        let create = format!("CREATE TABLE keyed_{number} (id int PRIMARY KEY, org {written}, body text)");
        for client in [&world.old, &world.new] {
            client.batch_execute(&create).await.unwrap();
        }
    }
    world.old.batch_execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO app").await.unwrap();
}

/// Moves the orgs of one of the tables.
async fn engine(world: &World, number: usize) -> PgEngine {
    let tables = vec![keyed(&format!("keyed_{number}"), "org")];
    let store = |name: &str| Store::open(store_name(name), &world.server.url(name), 4).unwrap();
    let engine = PgEngine::new([store("old"), store("new")], [define(migration().as_str(), tables)]);
    for store in ["old", "new"] {
        engine.install_guard(&migration(), &store_name(store)).await.unwrap();
    }
    engine
}

#[tokio::test]
async fn keys_of_every_type_are_seen_from_the_capture_on() {
    let world = World::bare().await;
    create_tables(&world).await;
    for (number, (written, keys)) in KEYS.iter().enumerate() {
        let engine = engine(&world, number).await;
        for key in *keys {
            engine.capture(&lease(key)).await.unwrap();
            let logged = format!("{} keyed_{number} {{1}}", key);
            for sql in [
                format!("INSERT INTO keyed_{number} VALUES (1, '{key}')"),
                format!("UPDATE keyed_{number} SET body = 'x'"),
                format!("UPDATE keyed_{number} SET org = NULL"),
                format!("UPDATE keyed_{number} SET org = '{key}'"),
                format!("DELETE FROM keyed_{number}"),
            ] {
                world.app.batch_execute(&sql).await.unwrap();
                assert_eq!(world.logged().await, [logged.as_str()], "{written}: {sql}");
            }
            // Nothing of it is left, so that the next one is seen for its own sake.
            engine.release(&lease(key)).await.unwrap();
            engine.install_guard(&migration(), &store_name("old")).await.unwrap();
            world.assert_logs(&format!("INSERT INTO keyed_{number} VALUES (1, '{key}')"), &[]).await;
            world.old.batch_execute(&format!("TRUNCATE keyed_{number}")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_is_looked_at_beside_an_org_that_moves_writes_as_before() {
    let world = World::guarded().await;
    world.set_mode("1", "capturing").await;
    world.set_mode("2", "moved").await;
    // Numbers that have the same place among 64.
    let sql =
        "INSERT INTO notes VALUES (1, 65, ''), (2, 66, ''); INSERT INTO groups VALUES (gen_random_uuid(), 129, '', '');
        UPDATE notes SET body = 'x'; UPDATE notes SET org = 129 WHERE org = 65; DELETE FROM notes";
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        world.assert_logs(&format!("BEGIN ISOLATION LEVEL {level}; {sql}; COMMIT"), &[]).await;
        world.app.batch_execute("DELETE FROM groups").await.unwrap();
    }
}

#[tokio::test]
async fn an_install_keeps_all_orgs_that_are_not_settled() {
    let world = World::guarded().await;
    world.engine().capture(&lease("1")).await.unwrap();
    world.set_mode("2", "moved").await;
    watch(&world.old, "3").await;
    world.install().await;
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
    let refusal = refused(world.app.batch_execute("INSERT INTO notes VALUES (2, 2, '')").await);
    assert_eq!(refusal.code, "MV001", "{refusal:?}");
}

/// Between the commit that captures an org and the moment from which the triggers watch it.
#[tokio::test]
async fn an_install_beside_a_capture_forgets_it_not() {
    let world = World::guarded().await;
    world.old.batch_execute("BEGIN; SELECT mover.watch_anew()").await.unwrap();
    let engine = world.engine();
    let capturing = tokio::spawn(async move { engine.capture(&lease("1")).await });
    let look = connect_as(&world.server, "mover", "old").await;
    let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%mover.watch($1)%'";
    while look.query(waits, &[]).await.unwrap().is_empty() {
        assert!(!capturing.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    world.old.batch_execute("COMMIT").await.unwrap();
    capturing.await.unwrap().unwrap();
    world.assert_logs("INSERT INTO notes VALUES (1, 1, '')", &["1 notes {1}"]).await;
}

/// The target does not know the org yet, and computes again which orgs its triggers watch.
#[tokio::test]
async fn an_install_between_capture_and_copy_forgets_the_target_not() {
    let world = World::guarded().await;
    let engine = world.engine();
    engine.capture(&lease("1")).await.unwrap();
    engine.install_guard(&migration(), &store_name("new")).await.unwrap();
    engine.copy_live(&lease("1")).await.unwrap();
    let there = connect_as(&world.server, "app", "new").await;
    let refusal = refused(there.batch_execute("INSERT INTO notes VALUES (1, 1, 'astray')").await);
    assert_eq!(refusal.code, "MV002", "{refusal:?}");
}

/// Orgs are captured, and so move, in an order in which their bits are adjacent.
#[tokio::test]
async fn orgs_that_are_looked_at_together_are_listed_together() {
    let world = World::bare().await;
    for (number, (written, key)) in [
        ("int", "n"),
        ("bigint", "n * 1000003"),
        ("text", "'org ' || n"),
        ("varchar(20)", "n::text"),
        ("uuid", "md5(n::text)::uuid"),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("directory_{number}");
        let create = format!(
            "CREATE TABLE {table} (id {written}, name text); INSERT INTO {table} SELECT {key}, n FROM generate_series(1, 640) n;
             CREATE TABLE kept_{number} (id int PRIMARY KEY, org {written})"
        );
        world.old.batch_execute(&create).await.unwrap();
        let mut definition = define(migration().as_str(), vec![keyed(&format!("kept_{number}"), "org")]);
        definition.org.table = table.parse().unwrap();
        let store = |name: &str| Store::open(store_name(name), &world.server.url(name), 4).unwrap();
        let engine = PgEngine::new([store("old"), store("new")], [definition]);
        engine.install_guard(&migration(), &store_name("old")).await.unwrap();
        let orgs: Vec<_> = engine.orgs(&migration()).await.unwrap().try_collect().await.unwrap();
        assert_eq!(orgs.len(), 640);
        for (_, key) in &orgs[..20] {
            watch(&world.old, key.as_str()).await;
        }
        let kind = match written {
            "int" | "bigint" => "integer",
            "uuid" => "uuid",
            _ => "text",
        };
        let bits = format!("SELECT bit_count(pg_sequence_last_value('mover.watched_{kind}')::bit(64))");
        let bits: i64 = world.old.query_one(&bits, &[]).await.unwrap().get(0);
        assert!(bits <= 4, "{written}: 20 of 640 orgs share {bits} of 64 bits");
        engine.install_guard(&migration(), &store_name("old")).await.unwrap();
    }
}
