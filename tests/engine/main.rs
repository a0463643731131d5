//! The engine against two real databases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/one_org.rs"]
mod one_org;
#[path = "../support/pgbouncer.rs"]
mod pgbouncer;
#[path = "../support/servers.rs"]
mod servers;

mod big_org;
mod checking;
mod constraints;
mod contents;
mod draining;
mod encodings;
mod fence;
mod isolation;
mod left_out;
mod newer;
mod orgs;
mod own_writes;
mod paths;
mod pooled;
mod schema_changes;
mod sequences;
mod stores;
mod streamed;
mod tenancy;
mod types;
mod verification;
mod world;
