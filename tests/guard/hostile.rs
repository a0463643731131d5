//! Roles that may write to guarded tables and create operators and functions: nothing of theirs runs with the rights of Mover.

use tokio_postgres::Client;

use crate::world::{World, connect_as, migration, refused, store_name};

const GROUP: &str = "00000000-0000-0000-0000-000000000001";
/// Names of the writer's own before those of Postgres.
const PATH: &str = "SET search_path = evil, pg_temp, public, pg_catalog";

/// A world in which `app` has made everything it can.
async fn hostile(world: &World) -> Client {
    world.old.batch_execute("CREATE SCHEMA evil AUTHORIZATION app").await.unwrap();
    let app = connect_as(&world.server, "app", "old").await;
    app.batch_execute(include_str!("../support/hostile.sql")).await.unwrap();
    assert!(world.count("pg_operator WHERE oprnamespace = 'evil'::regnamespace").await > 100);
    app
}

async fn assert_nothing_ran(world: &World) {
    let ran = world.old.query("SELECT DISTINCT who || ' ran ' || what FROM evil.executed", &[]).await.unwrap();
    let ran: Vec<String> = ran.iter().map(|row| row.get(0)).collect();
    assert_eq!(ran, [""; 0]);
    assert_eq!(world.count("pg_roles WHERE rolname = 'app' AND rolsuper").await, 0);
}

/// Writes to tables of all kinds: with the key in a column, and found through others.
fn writes() -> String {
    format!(
        "INSERT INTO public.notes VALUES (1, 1, 'a'), (2, 2, 'b');
        UPDATE public.notes SET body = 'c';
        UPDATE public.notes SET org = 1 WHERE id OPERATOR(pg_catalog.=) 2;
        DELETE FROM public.notes;
        INSERT INTO public.groups VALUES ('{GROUP}', 1, 'c');
        INSERT INTO public.members VALUES (1, '{GROUP}', 'owner');
        INSERT INTO public.files VALUES ('/', 'c');
        INSERT INTO public.badges VALUES (1, 1, 'x');
        UPDATE public.members SET role = 'x';
        UPDATE public.badges SET body = 'y';
        UPDATE public.groups SET name = 'n', code = 'd';
        INSERT INTO public.events VALUES (1, 1, '2026-02-02', 'x');
        UPDATE public.events SET what = 'y';
        INSERT INTO public.collated VALUES ('a', 'b', 'c', 1);
        UPDATE public.collated SET a = 'd';
        INSERT INTO public.kinds (u, t, b, n, m, f, i, d, org) VALUES ('{GROUP}', 'epoch', '', 1, 'ok', 1, '1 day', '2026-01-01', 1);
        UPDATE public.kinds SET n = 2;
        DELETE FROM public.badges; DELETE FROM public.members; DELETE FROM public.files; DELETE FROM public.groups;
        DELETE FROM public.events; DELETE FROM public.collated; DELETE FROM public.kinds"
    )
}

#[tokio::test]
async fn a_writer_lends_its_operators_and_functions_to_no_trigger() {
    let world = World::guarded().await;
    let app = hostile(&world).await;
    app.batch_execute(PATH).await.unwrap();
    for mode in ["settled", "capturing"] {
        world.set_mode("1", mode).await;
        for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
            let sql = format!("BEGIN ISOLATION LEVEL {level}; {}; COMMIT", writes());
            app.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{mode}, {level}: {error:?}"));
            assert_nothing_ran(&world).await;
        }
    }
    for (mode, code) in [("moved", "MV001"), ("discarded", "MV001"), ("incoming", "MV002")] {
        world.set_mode("1", mode).await;
        for level in ["READ COMMITTED", "REPEATABLE READ"] {
            let sql = format!("BEGIN ISOLATION LEVEL {level}; INSERT INTO public.notes VALUES (1, 1, 'a')");
            assert_eq!(refused(app.batch_execute(&sql).await).code, code);
            app.batch_execute("ROLLBACK").await.unwrap();
        }
        app.batch_execute("GRANT ALL ON evil.executed TO app").await.unwrap();
        assert_eq!(refused(app.batch_execute("TRUNCATE public.notes").await).code, "55000");
        assert_nothing_ran(&world).await;
    }
    world.set_mode("1", "settled").await;
    world.old.batch_execute("GRANT TRUNCATE ON notes TO app").await.unwrap();
    app.batch_execute("TRUNCATE public.notes").await.unwrap();
    assert_nothing_ran(&world).await;
}

#[tokio::test]
async fn the_guard_is_made_of_nothing_that_others_made() {
    let world = World::bare().await;
    let app = hostile(&world).await;
    let path = "ALTER DATABASE old SET search_path = evil, public, pg_catalog";
    world.old.batch_execute(path).await.unwrap();
    world.install().await;
    assert_eq!(world.status().await.unguarded, [""; 0]);
    world.set_mode("1", "capturing").await;
    app.batch_execute(PATH).await.unwrap();
    app.batch_execute(&writes()).await.unwrap();
    // Another session does not run it either.
    world.old.batch_execute(&writes()).await.unwrap();
    assert_nothing_ran(&world).await;
    world.set_mode("1", "settled").await;
    world.engine().remove_guard(&migration(), &store_name("old"), false).await.unwrap();
    assert_nothing_ran(&world).await;
}

/// What an earlier Mover left: anything that is open to others is opened again.
#[tokio::test]
async fn a_guard_that_is_open_to_others_is_seen_and_mended() {
    let world = World::guarded().await;
    hostile(&world).await;
    world.set_mode("1", "moved").await;
    let of_table = "(SELECT tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'notes'::regclass AND tgname LIKE 'mover_guard_whole_org_update')";
    let each = |sql: &str| format!("DO $$ BEGIN EXECUTE format('{sql}', {of_table}); END $$");
    for opening in [
        "ALTER FUNCTION mover.guard_admit(text, text, text[]) RESET search_path".to_owned(),
        "ALTER FUNCTION mover.watch(text[]) RESET search_path".to_owned(),
        "GRANT EXECUTE ON FUNCTION mover.org_lock(text, text) TO PUBLIC".to_owned(),
        each("ALTER FUNCTION %s() RESET search_path"),
        each("GRANT EXECUTE ON FUNCTION %s() TO PUBLIC"),
        "SET search_path = evil, public, pg_catalog; CREATE OR REPLACE FUNCTION mover.org_lock(migration text, org_key text)
            RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
            RETURN pg_catalog.hashtextextended(migration || '/' || org_key, 5570192806147); RESET search_path"
            .to_owned(),
    ] {
        world.old.batch_execute(&opening).await.unwrap_or_else(|error| panic!("{opening}: {error:?}"));
        assert!(!world.status().await.unguarded.is_empty(), "{opening}");
        world.install().await;
        assert_eq!(world.status().await.unguarded, [""; 0], "{opening}");
        assert_eq!(refused(world.app.batch_execute("INSERT INTO notes VALUES (9, 1, '')").await).code, "MV001");
    }
    let open =
        "pg_proc p WHERE p.pronamespace = 'mover'::regnamespace AND (has_function_privilege('app', p.oid, 'EXECUTE')
        OR p.proname <> 'org_lock' AND ('search_path=pg_catalog, pg_temp' = ANY (p.proconfig)) IS NOT TRUE)";
    assert_eq!(world.count(open).await, 0);
}
