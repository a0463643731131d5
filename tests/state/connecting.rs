//! What an operator reads when the state database cannot be used.

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
async fn nobody_listening_is_said_with_the_address() {
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
    assert!(at.contains(&*server.postgres.socket_dir().to_string_lossy()), "{at}");
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
async fn connections_live_where_the_pool_was_made_whoever_needs_them_first() {
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
