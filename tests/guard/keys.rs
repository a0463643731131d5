//! Names, keys and settings of any kind: the logged text is the same.

use crate::world::{MIGRATION, ODD_TABLE, World, define, keyed, migration, store_name};
use mover::engine::{PgEngine, Store};

/// Settings that a session of the application may have, by chance or with bad intent.
const ODD_SETTINGS: &str = "SET DateStyle = 'German, DMY'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Kathmandu';
    SET extra_float_digits = -5; SET bytea_output = 'escape'; SET standard_conforming_strings = off; SET array_nulls = off;
    SET quote_all_identifiers = on; SET enable_indexscan = off; SET enable_bitmapscan = off;";

const HOSTILE: &str = "
    CREATE SCHEMA hostile;
    CREATE FUNCTION hostile.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE FUNCTION hostile.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE FUNCTION hostile.never(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.never);
    CREATE OPERATOR hostile.= (LEFTARG = int, RIGHTARG = int, FUNCTION = hostile.never);
    CREATE OPERATOR hostile.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.never);
    CREATE OPERATOR hostile.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.always);
    CREATE FUNCTION hostile.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'nonsense' $$;
    CREATE FUNCTION hostile.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION hostile.pg_advisory_xact_lock_shared(bigint) RETURNS void LANGUAGE sql AS 'SELECT';
    CREATE FUNCTION hostile.format(text, text) RETURNS text LANGUAGE sql AS 'SELECT NULL';
    CREATE AGGREGATE hostile.min(text) (SFUNC = pg_catalog.text_larger, STYPE = text);
    CREATE DOMAIN hostile.text AS pg_catalog.varchar(1);
    CREATE TABLE hostile.new_rows (id int, org int); CREATE TABLE hostile.old_rows (id int, org int);
    CREATE TABLE hostile.org_guard (migration text); CREATE TABLE hostile.groups (id uuid, org int);
    GRANT ALL ON SCHEMA hostile TO app; GRANT ALL ON ALL TABLES IN SCHEMA hostile TO app";

#[tokio::test]
async fn odd_names_are_no_problem() {
    let world = World::guarded().await;
    world.set_mode("one", "capturing").await;
    let label = format!("one {ODD_TABLE}");
    let table = ODD_TABLE;
    let insert = format!(r#"INSERT INTO {table} VALUES ('k "1" {{}} ''x', 7, 'one', ''), ('k', 8, 'two', '')"#);
    let key = r#"{7,"k \"1\" {} 'x"}"#;
    world.assert_logs(&insert, &[&format!("{label} {key}")]).await;
    world.assert_logs(&format!(r#"UPDATE {table} SET "a'b" = 'x'"#), &[&format!("{label} {key}")]).await;
    let sql = format!(r#"UPDATE {table} SET "Org Id" = 'one', "é {{orgs}}" = 9 WHERE "Org Id" = 'two'"#);
    world.assert_logs(&sql, &[&format!("{label} {{9,k}}")]).await;
    world.set_mode("one", "moved").await;
    let refusal = crate::world::refused(world.app.batch_execute(&format!("DELETE FROM {table}")).await);
    assert_eq!(refusal.code, "MV001");
    let refusal = crate::world::refused(world.app.batch_execute(&format!("TRUNCATE {table}")).await);
    assert_eq!(refusal.code, "55000", "{refusal:?}");
}

#[tokio::test]
async fn a_key_reads_the_same_whatever_the_session_has_set() {
    let world = World::guarded().await;
    world.set_mode("1", "capturing").await;
    let row = "('6ba7b810-9dad-11d1-80b4-00c04fd430c8', '2026-03-04 05:06:07.123456+00', '\\x00ff41', 1.50, 'Happy', 0.1::float8 + 0.2::float8,
        '1 year 2 days 03:04:05'::interval, '2026-02-01', 1)";
    let key = r#"1 kinds {1,6ba7b810-9dad-11d1-80b4-00c04fd430c8,"2026-03-04 05:06:07.123456+00","\\x00ff41",1.50,Happy,0.30000000000000004,"1 year 2 days 03:04:05",2026-02-01}"#;
    world.assert_logs(&format!("INSERT INTO kinds VALUES {row}"), &[key]).await;
    world.app.batch_execute(ODD_SETTINGS).await.unwrap();
    for level in ["READ COMMITTED", "REPEATABLE READ"] {
        world.assert_logs(&format!("BEGIN ISOLATION LEVEL {level}; UPDATE kinds SET n = n; COMMIT"), &[key]).await;
    }
    world.assert_logs("DELETE FROM kinds", &[key]).await;
    // The settings of the session are unchanged.
    let row =
        world.app.query_one("SELECT current_setting('DateStyle'), current_setting('TimeZone')", &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("German, DMY", "Asia/Kathmandu"));
}

#[tokio::test]
async fn the_orgs_own_key_reads_the_same_whatever_the_session_has_set() {
    let world = World::bare().await;
    let schema = "
        CREATE TABLE tenants (key bytea PRIMARY KEY, name text); INSERT INTO tenants VALUES ('\\x01', 'one');
        CREATE TABLE things (id int PRIMARY KEY, tenant bytea NOT NULL);
        CREATE TABLE parts (id int PRIMARY KEY, thing int NOT NULL);
        GRANT ALL ON things, parts TO app";
    world.old.batch_execute(schema).await.unwrap();
    let mut definition =
        define(MIGRATION, vec![keyed("things", "tenant"), crate::world::via("parts", &[("thing", "things", "id")])]);
    definition.org.table = "tenants".parse().unwrap();
    definition.org.key = "key".parse().unwrap();
    let store = Store::open(store_name("old"), &world.server.url("old"), 2).unwrap();
    PgEngine::new([store], [definition]).install_guard(&migration(), &store_name("old")).await.unwrap();
    assert_eq!(world.count(r"mover.org_guard WHERE org_key = '\x01'").await, 1);
    world.set_mode(r"\x01", "capturing").await;
    world.app.batch_execute(ODD_SETTINGS).await.unwrap();
    world.assert_logs("INSERT INTO things VALUES (1, decode('01', 'hex'))", &[r"\x01 things {1} +"]).await;
    world.assert_logs("INSERT INTO parts VALUES (7, 1)", &[r"\x01 parts {7}"]).await;
    world.assert_logs("UPDATE things SET tenant = tenant", &[r"\x01 things {1}"]).await;
}

#[tokio::test]
async fn a_hostile_search_path_has_no_effect() {
    let world = World::guarded().await;
    world.old.batch_execute(HOSTILE).await.unwrap();
    world.app.batch_execute(ODD_SETTINGS).await.unwrap();
    let group = "00000000-0000-0000-0000-000000000001";
    world.app.batch_execute(&format!("INSERT INTO public.groups VALUES ('{group}', 1, 'c')")).await.unwrap();
    world.set_mode("1", "capturing").await;
    world.set_mode("2", "moved").await;
    let temporary = "CREATE TEMP TABLE new_rows (id int, org int); CREATE TEMP TABLE old_rows (id int, org int);
        CREATE TEMP TABLE groups (id uuid, org int); CREATE TEMP TABLE change_log (org_key text);
        SET search_path = hostile, pg_temp, pg_catalog, public, mover";
    world.app.batch_execute(temporary).await.unwrap();
    for level in ["READ COMMITTED", "REPEATABLE READ"] {
        let write = |sql: &str| format!("BEGIN ISOLATION LEVEL {level}; {sql}; COMMIT");
        world.assert_logs(&write("INSERT INTO notes VALUES (1, 1, ''), (3, 3, '')"), &["1 notes {1}"]).await;
        let sql = format!("INSERT INTO public.members VALUES (1, '{group}', '')");
        world.assert_logs(&write(&sql), &["1 members {1} +"]).await;
        world.assert_logs(&write("UPDATE notes SET body = '1'"), &["1 notes {1}"]).await;
        let refusal = crate::world::refused(world.app.batch_execute("INSERT INTO notes VALUES (2, 2, '')").await);
        assert_eq!(refusal.code, "MV001", "{refusal:?}");
        let refusal = crate::world::refused(world.app.batch_execute("TRUNCATE notes").await);
        assert_eq!(refusal.code, "55000", "{refusal:?}");
        world
            .assert_logs(&write("DELETE FROM notes; DELETE FROM public.members"), &["1 notes {1}", "1 members {1} +"])
            .await;
    }
}

#[tokio::test]
async fn columns_of_a_key_may_sort_differently() {
    let world = World::guarded().await;
    world.set_mode("1", "capturing").await;
    world.assert_logs("INSERT INTO collated VALUES ('a', 'b', 'c', 1)", &["1 collated {a,b,c}"]).await;
    world.assert_logs("UPDATE collated SET b = 'B'", &["1 collated {a,b,c}", "1 collated {a,B,c}"]).await;
}

#[tokio::test]
async fn keys_that_compare_as_equal_are_all_logged() {
    let world = World::bare().await;
    let schema = "
        CREATE EXTENSION citext;
        CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE people (email citext PRIMARY KEY, org int NOT NULL);
        CREATE TABLE letters (id int PRIMARY KEY, recipient citext NOT NULL REFERENCES people);
        CREATE TABLE labels (label text COLLATE nocase PRIMARY KEY, org int NOT NULL);
        GRANT ALL ON people, letters, labels TO app";
    world.old.batch_execute(schema).await.unwrap();
    let letters = crate::world::via("letters", &[("recipient", "people", "email")]);
    let definition = define(MIGRATION, vec![keyed("people", "org"), letters, keyed("labels", "org")]);
    let store = Store::open(store_name("old"), &world.server.url("old"), 2).unwrap();
    PgEngine::new([store], [definition]).install_guard(&migration(), &store_name("old")).await.unwrap();
    world.set_mode("1", "capturing").await;
    world.assert_logs("INSERT INTO people VALUES ('Joe@x', 1)", &["1 people {Joe@x} +"]).await;
    // The reference holds, although it is written differently.
    world.assert_logs("INSERT INTO letters VALUES (1, 'joe@X')", &["1 letters {1}"]).await;
    world.assert_logs("UPDATE people SET email = 'JOE@x'", &["1 people {JOE@x} +", "1 people {Joe@x} +"]).await;
    world.assert_logs("INSERT INTO labels VALUES ('x', 1), ('y', 2)", &["1 labels {x}"]).await;
    world.assert_logs("UPDATE labels SET label = upper(label)", &["1 labels {X}", "1 labels {x}"]).await;
}
