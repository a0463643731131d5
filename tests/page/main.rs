//! The page of `mover serve` as people meet it: in Chromium, with the real program on real servers behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod approving;
mod browser;
mod campaign;
mod choice;
mod closed;
mod confirming;
mod failures;
mod keyboard;
mod looks;
mod names;
mod page;
mod restart;
mod roles;
mod signing;

#[path = "../crash/program.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod program;
#[path = "../http/served.rs"]
#[allow(dead_code, reason = "shared with the tests of the API")]
mod served;
#[path = "../crash/world.rs"]
#[allow(dead_code, reason = "shared with the crash tests")]
mod world;
