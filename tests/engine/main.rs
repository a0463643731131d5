//! The engine against two real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/servers.rs"]
mod servers;

mod big_org;
mod checking;
mod constraints;
mod draining;
mod fence;
mod isolation;
mod orgs;
mod paths;
mod sequences;
mod stores;
mod tenancy;
mod types;
mod verification;
mod world;
