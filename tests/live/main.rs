//! Orgs moved while they are written, between two real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/campaign.rs"]
mod campaign;
#[path = "../support/one_org.rs"]
mod one_org;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/switching.rs"]
mod support;

mod aborting;
mod backlog;
mod carrying;
mod cohorts;
mod delayed_commits;
mod durable;
mod fencing;
mod finalizing;
mod held;
mod hostile;
mod moving;
mod proofs;
mod ranges;
mod respelled;
mod restoring;
mod rounds;
mod schema_changes;
mod statements;
mod still_there;
mod switching;
mod table;
mod way_back;
mod world;
mod writers;
