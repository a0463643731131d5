//! A store whose search_path leads through objects of other roles before pg_catalog: none of them runs while an org moves.

use crate::one_org::OneOrg;
use mover_actors::domain::ids::MigrationName;
use mover_actors::domain::state::Way;
use tokio_postgres::{Client, NoTls};

use crate::world::{MIGRATION, World, backups, caught_up, copied, lease, moved, proven, restored, store, switched};

const RIGHTS: &str = "GRANT CREATE, USAGE ON SCHEMA public TO app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app; CREATE SCHEMA evil AUTHORIZATION app";
const WRITES: &str =
    "INSERT INTO public.accounts (org, email) VALUES (1, pg_catalog.gen_random_uuid()::pg_catalog.text);
    UPDATE public.accounts SET touched = 7 WHERE org OPERATOR(pg_catalog.=) 1;
    UPDATE public.members SET role = 'x'; UPDATE public.remarks SET body = 'y'; UPDATE public.lines SET n = 3;
    UPDATE public.events SET what = 'z' WHERE org OPERATOR(pg_catalog.=) 1";

/// The role `app` in both stores, which has created everything it can; every session there finds its objects first.
async fn hostile(world: &World) -> (Client, Client) {
    world.server.everywhere("CREATE ROLE app LOGIN").await;
    for (client, name) in [(&world.old, "old"), (&world.new, "new")] {
        client.batch_execute(RIGHTS).await.unwrap();
        session(world, name).await.batch_execute(include_str!("../support/hostile.sql")).await.unwrap();
        let path = format!("ALTER DATABASE {name} SET search_path = evil, public, pg_catalog");
        client.batch_execute(&path).await.unwrap();
    }
    (session(world, "old").await, session(world, "new").await)
}

async fn session(world: &World, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&world.server.url_as("app", database), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn assert_nothing_ran(world: &World) {
    for client in [&world.old, &world.new] {
        let ran = client.query("SELECT DISTINCT who || ' ran ' || what FROM evil.executed", &[]).await.unwrap();
        let ran: Vec<String> = ran.iter().map(|row| row.get(0)).collect();
        assert_eq!(ran, [""; 0]);
    }
    assert_eq!(world.count(&world.old, "pg_roles WHERE rolname = 'app' AND rolsuper").await, 0);
}

#[tokio::test]
async fn an_org_moves_there_and_back_and_away_by_what_is_postgres_own() {
    let world = World::start().await;
    let (app_old, app_new) = hostile(&world).await;
    let engine = world.engine().with_backups_in(backups().join("hostile"));
    let migration = &MigrationName::new(MIGRATION).unwrap();
    for name in ["old", "new"] {
        engine.remove_guard(migration, &store(name), false).await.unwrap();
        engine.install_guard(migration, &store(name)).await.unwrap();
        assert_eq!(engine.guard_status(migration, &store(name)).await.unwrap().unguarded, [""; 0]);
    }
    engine.check(migration).await;
    assert_nothing_ran(&world).await;

    copied(&engine, &lease("1", 1)).await;
    app_old.batch_execute(WRITES).await.unwrap();
    moved(&engine, &lease("1", 1)).await;
    world.assert_alike("1").await;
    assert_eq!(app_old.batch_execute(WRITES).await.unwrap_err().code().unwrap().code(), "MV001");
    assert_nothing_ran(&world).await;

    app_new.batch_execute(WRITES).await.unwrap();
    assert!(caught_up(&engine, &lease("1", 2), Way::Back).await > 0);
    proven(&engine.compare(&lease("1", 2), Way::Back).await.unwrap());
    switched(&engine, &lease("1", 2), Way::Back).await;
    world.assert_alike("1").await;
    engine.discard_rolled_back(&lease("1", 2)).await.unwrap();
    assert_nothing_ran(&world).await;

    moved(&engine, &lease("1", 3)).await;
    let backup = engine.back_up(&lease("1", 4)).await.unwrap();
    engine.close(&lease("1", 4), &backup).await.unwrap();
    assert_eq!(engine.purge(&lease("1", 4), &backup).await.unwrap(), backup.rows);
    assert_eq!(restored(&engine, &backup.file.path, "old").await.unwrap(), backup.rows);
    assert_nothing_ran(&world).await;
}
