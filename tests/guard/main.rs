//! The guard of online moves against a real database: which writes pass, which are logged, which are refused, and what installing
//! and removing it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/one_org.rs"]
mod one_org;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/switching.rs"]
mod support;

mod branches;
mod busy;
mod capturing;
mod carrying;
mod disabled;
mod earlier;
mod hostile;
mod installing;
mod keys;
mod partitions;
mod refusing;
mod removing;
mod require_here;
mod rights;
mod settled_orgs;
mod snapshots;
mod truncating;
mod watching;
mod world;
