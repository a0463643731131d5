//! What users of the supervision tree can rely on. Time is paused: a test takes no longer than its
//! work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dynamic;
mod escalation;
mod monitors;
mod panics;
mod probe;
mod refs;
mod registry;
mod restart_policy;
mod shutdown;
mod strategies;
