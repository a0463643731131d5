//! Transient faults are distinguished from permanent ones.

use crate::one_org::OneOrg;
use mover::engine::{PgEngine, Store};
use mover_actors::ports::Side;

use crate::world::{World, carry, definition, keyed, lease, store};

const SCHEMA: &str = "CREATE TABLE notes (id int PRIMARY KEY, org int); INSERT INTO notes VALUES (1, 1);";

#[tokio::test]
async fn an_unreachable_store_is_worth_another_try_and_a_wrong_address_is_not() {
    let world = World::with_schema(SCHEMA).await;
    for (url, transient) in [("postgres://u:secret@127.0.0.1:1/x", true), (&world.server.url("nowhere"), false)] {
        let stores = [
            Store::open(store("old"), url, 2).unwrap(),
            Store::open(store("new"), &world.server.url("new"), 2).unwrap(),
        ];
        let engine = PgEngine::new(stores, [definition(vec![keyed("notes", "org")])]);
        let error = engine.tally(&lease("1", 1), Side::Source).await.unwrap_err();
        assert_eq!(error.transient, transient, "{error}");
        assert!(error.reason.contains("store old") && !error.reason.contains("secret"), "{error}");
        assert_eq!(error.place.store.as_deref(), Some("old"));
    }
    for url in ["postgres://u:secret@h:port/x", "mysql://u:secret@h/x", "host=x port=0x"] {
        let error = Store::open(store("old"), url, 2).unwrap_err().to_string();
        assert!(error.contains("store old") && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let world = World::with_schema(SCHEMA).await;
    let hba: String = world.old.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    world.old.batch_execute("CREATE ROLE app LOGIN PASSWORD 'right'").await.unwrap();
    std::fs::write(hba, "local all app scram-sha-256\nlocal all all trust\n").unwrap();
    world.old.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    for (user, says) in [("app:wrongish", "password is wrong"), ("app", "wants a password")] {
        let url = world.server.url_as(user, "old");
        let stores = [Store::open(store("old"), &url, 2).unwrap(), Store::open(store("new"), &url, 2).unwrap()];
        let engine = PgEngine::new(stores, [definition(vec![keyed("notes", "org")])]);
        // The server reads its file in its own time.
        let error = loop {
            if let Err(error) = engine.refresh(&crate::world::migration()).await
                && !error.reason.contains("permission denied")
            {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert!(!error.transient && error.reason.contains(says) && !error.reason.contains("wrongish"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_or_a_lock_that_is_held_is_worth_another_try() {
    let world = World::with_schema(SCHEMA).await;
    world.new.batch_execute("TRUNCATE notes").await.unwrap();
    let engine = world.engine(vec![keyed("notes", "org")]);
    engine.refresh(&crate::world::migration()).await.unwrap();
    world.new.batch_execute("BEGIN; LOCK TABLE notes").await.unwrap();
    let org = lease("1", 1);
    let cut = async {
        let waiting =
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'notes'::regclass";
        while world.new.query(waiting, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let (copied, ()) = tokio::join!(engine.copy(&org), cut);
    assert!(copied.unwrap_err().transient);
    // The engine's own lock timeout gives 55P03.
    let error = engine.copy(&org).await.unwrap_err();
    assert!(error.transient && error.reason.contains("55P03"), "{error}");
    world.new.batch_execute("COMMIT").await.unwrap();
    carry(&engine, &org).await;
}

/// The store answers a statement with one of these if it had just ended the session of a Mover that was frozen.
#[tokio::test]
async fn a_session_that_was_ended_for_idling_is_worth_another_try() {
    let world = World::with_schema(SCHEMA).await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    for code in ["57P05", "25P03"] {
        let ends = format!(
            "TRUNCATE notes; CREATE OR REPLACE FUNCTION ends() RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'idle' USING ERRCODE = '{code}'; END $$;
             ALTER TABLE notes DROP CONSTRAINT IF EXISTS ends, ADD CONSTRAINT ends CHECK (ends())"
        );
        world.new.batch_execute(&ends).await.unwrap();
        engine.refresh(&crate::world::migration()).await.unwrap();
        let error = engine.copy(&lease("1", 1)).await.unwrap_err();
        assert!(error.transient && error.reason.contains(code), "{error}");
    }
}

#[tokio::test]
async fn unknown_migrations_and_stores_are_said() {
    let world = World::with_schema(SCHEMA).await;
    let engine = PgEngine::new([], [definition(vec![keyed("notes", "org")])]);
    assert!(engine.copy(&lease("1", 1)).await.unwrap_err().reason.contains("no store"));
    let mut other = lease("1", 1);
    other.migration = mover_actors::domain::ids::MigrationName::new("phase_9").unwrap();
    let error = world.engine(vec![]).copy(&other).await.unwrap_err();
    assert!(error.reason.contains("no migration phase_9"));
    assert!(mover_actors::ports::Engine::routing(&world.engine(vec![]), &other.migration).is_err());
}
