//! Orgs moved while they are written, between two real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/servers.rs"]
mod servers;

mod carrying;
mod triggers;
mod world;
