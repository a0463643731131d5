//! What is counted when things fail, over the real tree and a world in memory, on a paused clock.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod counted;
#[path = "../regressions/fixture.rs"]
mod fixture;
#[path = "../memory/mod.rs"]
mod memory;
mod troubles;
