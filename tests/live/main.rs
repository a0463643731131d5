//! Orgs moved while they are written, between two real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/switching.rs"]
mod support;

mod aborting;
mod backlog;
mod carrying;
mod fencing;
mod finalizing;
mod moving;
mod ranges;
mod respelled;
mod switching;
mod world;
mod writers;
