//! Messages to a store that arrive late, over the real tree, on a paused clock: a commit whose answer was lost, a
//! packet that was held back.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commits;
mod effects;
#[path = "../memory/mod.rs"]
mod memory;
mod node;
mod order;
mod retry_budget;
mod stores;
