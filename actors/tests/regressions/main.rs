//! Mistakes of other systems, and faults that the simulation found in this one, each with a test of its own over the real tree,
//! on a paused clock.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cohorts;
mod fixture;
mod from_simulation;
#[path = "../memory/mod.rs"]
mod memory;
mod original_system;
mod supervision;
