//! Encrypted connections to a real Postgres and a real Redis, with certificates that the tests make.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod certificates;
mod configuration;
mod flags;
mod modes;
mod moving;
#[path = "../support/one_org.rs"]
mod one_org;
mod postgres;
mod proxy;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod refusals;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../bad_input/workspace.rs"]
mod workspace;
