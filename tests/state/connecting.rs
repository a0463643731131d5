//! The messages for an operator when the state database cannot be used.

use std::net::TcpListener;

use deadpool_postgres::Object;
use mover::state::StateError;

use crate::support::{Server, connect};

async fn refusal(url: &str) -> StateError {
    let error = connect(url, 1).await.map(drop).unwrap_err();
    assert!(!error.to_string().contains("s3cr3t"), "the password is in the message: {error}");
    assert!(!format!("{error:?}").contains("s3cr3t"), "the password is in the debug text: {error:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_listener_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(&format!("postgres://postgres:s3cr3t@127.0.0.1:{port}/state")).await;
    assert!(error.is_transient(), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    let error = refusal("postgres://postgres:s3cr3t@no-such-host.invalid/state").await;
    assert!(error.to_string().contains("no-such-host.invalid:5432"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_role_or_database_are_told_apart() {
    let server = Server::start().await;
    let world = server.world().await;
    world.run("CREATE ROLE guarded LOGIN PASSWORD 'secret'").await.unwrap();
    let url = |user: &str, database: &str| server.postgres.url_as(user, database);

    let error = refusal(&url("guarded:s3cr3t", "postgres")).await;
    let StateError::Login { server: at, user, .. } = &error else { panic!("{error:?}") };
    assert!(at.contains(&*server.postgres.socket_dir("mover").to_string_lossy()), "{at}");
    assert_eq!(user, "guarded");
    connect(&url("guarded:secret", "postgres"), 1).await.unwrap();

    let error = refusal(&url("nobody:s3cr3t", "postgres")).await;
    assert!(matches!(error, StateError::Login { .. }), "{error:?}");

    let error = refusal(&url("mover:s3cr3t", "nowhere")).await;
    let StateError::UnknownDatabase { database, .. } = &error else { panic!("{error:?}") };
    assert_eq!(database, "nowhere");
}

/// Requests over HTTP are answered by threads of their own, with a lower priority; moves use the connections, too.
#[tokio::test(flavor = "multi_thread")]
async fn connections_live_where_the_pool_was_created_for_any_first_caller() {
    let server = Server::start().await;
    let pool = connect(&server.postgres.url_as("mover", "postgres"), 3).await.unwrap();
    let elsewhere = pool.clone();
    let asked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(async { tokio::try_join!(elsewhere.get(), elsewhere.get(), elsewhere.get()).map(drop).unwrap() });
    });
    tokio::task::spawn_blocking(|| asked.join().unwrap()).await.unwrap();
    let (a, b, c) = tokio::try_join!(pool.get(), pool.get(), pool.get()).unwrap();
    assert!([a, b, c].iter().all(|connection| Object::metrics(connection).recycle_count > 0), "opened anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_last_and_names_are_postgres_own_whatever_is_set_for_the_role() {
    let server = Server::start().await;
    let world = server.world().await;
    let url = server.postgres.url("postgres");
    let shown = async |name: &str| -> String {
        let pool = connect(&url, 1).await.unwrap();
        let client: Object = pool.get().await.unwrap();
        client.query_one(&format!("SHOW {name}"), &[]).await.unwrap().get(0)
    };
    world.run("ALTER ROLE mover SET search_path = evil, pg_catalog").await.unwrap();
    assert_eq!(shown("search_path").await, "pg_catalog, pg_temp");
    let whose = ["ROLE mover", "DATABASE postgres", "ROLE mover IN DATABASE postgres"];
    for whose in whose {
        for (set, effective) in
            [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
        {
            world.run(&format!("ALTER {whose} SET synchronous_commit = {set}")).await.unwrap();
            assert_eq!(shown("synchronous_commit").await, effective, "{whose}: {set}");
        }
        world.run(&format!("ALTER {whose} RESET synchronous_commit")).await.unwrap();
    }
    // The server asks for more than what was set for the role.
    for sql in ["ALTER SYSTEM SET synchronous_commit = remote_apply", "SELECT pg_reload_conf()"] {
        world.run(sql).await.unwrap();
    }
    for set in ["off", "on"] {
        world.run(&format!("ALTER ROLE mover SET synchronous_commit = {set}")).await.unwrap();
        assert_eq!(shown("synchronous_commit").await, "remote_apply", "{set}");
    }
    // A role that may not read the server's file gets what is at least durable.
    world.run("CREATE ROLE plain LOGIN; ALTER ROLE plain SET synchronous_commit = off").await.unwrap();
    let pool = connect(&server.postgres.url_as("plain", "postgres"), 1).await.unwrap();
    let client: Object = pool.get().await.unwrap();
    let row = client.query_one("SHOW synchronous_commit", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "on");
}

/// A cancel that hits a commit ends its wait for a standby.
#[tokio::test(flavor = "multi_thread")]
async fn no_timer_of_the_role_or_the_database_ends_a_commit_or_an_idle_session() {
    let server = Server::start().await;
    let world = server.world().await;
    for whose in ["ROLE mover", "DATABASE postgres"] {
        for timer in ["statement_timeout", "idle_session_timeout"] {
            world.run(&format!("ALTER {whose} SET {timer} = '5s'")).await.unwrap();
        }
    }
    let pool = connect(&server.postgres.url("postgres"), 1).await.unwrap();
    let client: Object = pool.get().await.unwrap();
    for timer in ["statement_timeout", "idle_session_timeout"] {
        let row = client.query_one(&format!("SHOW {timer}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "0", "{timer}");
    }
}
