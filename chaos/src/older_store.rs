//! A store is replaced by an older copy of itself, as after a restore from a dump: Mover must notice it and move nothing until an
//! operator has put the right one back and accepted it.

use tokio_postgres::Error;

use crate::evidence::Evidence;
use crate::postgres::{causes, connect_patiently};
use crate::program::{Death, Ended, Program};
use crate::servers::{Servers, Store};

const OLDER: &str = "older";
const NEWER: &str = "newer";

/// Goes through it with one store, while no client writes and nothing is in flight.
pub(crate) async fn is_noticed(store: Store, program: &Program, servers: &Servers, evidence: &Evidence) {
    if let Err(problem) = replaced(store, program, servers).await {
        evidence.add(format!("store {} was replaced by an older one: {problem}", store.name()));
    }
}

async fn replaced(store: Store, program: &Program, servers: &Servers) -> Result<(), String> {
    let told = |error: Error| causes(&error);
    copy(servers, store, OLDER).await.map_err(told)?;
    // Whichever is possible: the copy then lacks a move.
    for command in ["migrate shop 1", "rollback shop 1", "migrate bank 1"] {
        if run(program, &["exec", "--yes", command]).await?.code() == Some(0) {
            break;
        }
    }
    copy(servers, store, NEWER).await.map_err(told)?;
    put(servers, store, OLDER).await.map_err(told)?;
    let accept = format!("mover doctor --accept {}", store.name());
    for command in ["migrate shop all", "rollback shop all", "finalize bank 1"] {
        let refused = run(program, &["exec", "--yes", command]).await?;
        if refused.code() == Some(0) {
            return Err(format!("a campaign began all the same: {}", refused.tail()));
        }
    }
    for (arguments, code) in [(&["doctor"] as &[&str], 1), (&["health"], 2)] {
        let found = run(program, arguments).await?;
        if found.code() != Some(code) || !found.said.contains(&accept) {
            return Err(format!("it was passed over: {}", found.tail()));
        }
    }
    put(servers, store, NEWER).await.map_err(told)?;
    let accepted = run(program, &["doctor", "--accept", store.name()]).await?;
    if accepted.code() == Some(0) { Ok(()) } else { Err(accepted.tail()) }
}

async fn run(program: &Program, arguments: &[&str]) -> Result<Ended, String> {
    program.run(arguments, Death::Natural).await.map_err(|error| error.to_string())
}

/// Copies the store's database, with everything that is in it, to another of this name.
async fn copy(servers: &Servers, store: Store, name: &str) -> Result<(), Error> {
    let sql = format!("CREATE DATABASE {name} TEMPLATE {}", store.name());
    closed(servers, store, &[sql]).await
}

/// Puts such a copy in the place of the store's database.
async fn put(servers: &Servers, store: Store, name: &str) -> Result<(), Error> {
    let database = store.name();
    let sql = [
        format!("ALTER DATABASE {database} RENAME TO lost"),
        format!("ALTER DATABASE {name} RENAME TO {database}"),
        "DROP DATABASE lost".into(),
    ];
    closed(servers, store, &sql).await
}

/// Runs statements while nobody is connected to the store.
async fn closed(servers: &Servers, store: Store, statements: &[String]) -> Result<(), Error> {
    let link = connect_patiently(&servers.postgres_url(store)).await?;
    let allow = |allowed: bool| format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allowed}", store.name());
    link.batch_execute(&allow(false)).await?;
    let end =
        format!("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{}'", store.name());
    link.batch_execute(&end).await?;
    for statement in statements {
        link.batch_execute(statement).await?;
    }
    link.batch_execute(&allow(true)).await
}
