//! The move log in Postgres: its contract, and what is specific to a database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capturing;
mod connecting;
mod constraints;
#[path = "../contract/mod.rs"]
mod contract;
mod courses;
mod outage;
#[path = "../support/pgbouncer.rs"]
mod pgbouncer;
mod pooled;
mod racing;
mod reading;
mod schema;
#[path = "../support/servers.rs"]
mod servers;
mod support;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract_of_the_move_log() {
    let server = support::Server::start().await;
    contract::exercise(|| server.world()).await;
}
